package ops

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

// Every operation and query of the package is listed.
func TestKindsAreComplete(t *testing.T) {
	listed := map[string]bool{}
	for _, k := range kinds() {
		require.False(t, listed[k.name], k.name)
		listed[k.name] = true
	}
	files := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	found := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || fn.Name.Name != "Run" && fn.Name.Name != "Read" {
				continue
			}
			star, ok := fn.Recv.List[0].Type.(*ast.StarExpr)
			require.True(t, ok, "%s: a pointer is expected", files.Position(fn.Pos()))
			name := star.X.(*ast.Ident).Name
			require.True(t, listed[name], "%s is not in kinds", name)
			found++
		}
	}
	require.Len(t, listed, found)
}

// inexact lists what of a type would be lost on the way.
func inexact(t reflect.Type, seen map[reflect.Type]bool) (lost []string) {
	if seen[t] {
		return nil
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return inexact(t.Elem(), seen)
	case reflect.Map:
		return append(inexact(t.Key(), seen), inexact(t.Elem(), seen)...)
	case reflect.Interface, reflect.Func, reflect.Chan:
		return []string{t.String()}
	case reflect.Struct:
		names := map[string]bool{}
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if own, ok := f.Tag.Lookup("cbor"); ok {
				name, _, _ = strings.Cut(own, ",")
			}
			if name == "" {
				name = f.Name
			}
			if !f.IsExported() && !f.Anonymous && f.Name != "_" || name == "-" || names[strings.ToLower(name)] {
				lost = append(lost, t.String()+"."+f.Name)
			}
			names[strings.ToLower(name)] = true
			if f.Name != "_" {
				lost = append(lost, inexact(f.Type, seen)...)
			}
		}
	}
	return lost
}

func TestNothingIsLostOnTheWay(t *testing.T) {
	for _, k := range kinds() {
		require.Empty(t, inexact(k.request, map[reflect.Type]bool{}), k.name)
		if k.answer != nil && k.answer != reflect.TypeFor[[]error]() {
			require.Empty(t, inexact(k.answer, map[reflect.Type]bool{}), k.name)
		}
	}
}

// fill sets everything in a value to something.
func fill(v reflect.Value, n *int, depth int) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		if depth < 12 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), n, depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), n, depth+1)
			}
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[prefect.JSON]() {
			v.SetBytes([]byte(`{"a": 1.0, "b":12345678901234567890}`))
			return
		}
		if depth < 12 {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			fill(v.Index(0), n, depth+1)
			fill(v.Index(1), n, depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n, depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n, depth+1)
		fill(value, n, depth+1)
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(strings.Repeat("ä", *n%7+1))
	case reflect.Bool:
		v.SetBool(*n%2 == 0)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(*n) + 0.1)
	default:
		if v.CanInt() {
			v.SetInt(int64(*n % 100))
		} else if v.CanUint() {
			v.SetUint(uint64(*n % 100))
		}
	}
}

func TestEveryKindArrivesAsItWasSent(t *testing.T) {
	n := 0
	for _, k := range kinds() {
		for _, full := range []bool{true, false} {
			request := reflect.New(k.request.Elem())
			if full {
				fill(request.Elem(), &n, 0)
			}
			data, err := encodeMessage(request.Interface())
			require.NoError(t, err, k.name)
			got, err := decodeMessage(data)
			require.NoError(t, err, k.name)
			require.Equal(t, request.Interface(), got)
			if k.answer == nil || k.answer == reflect.TypeFor[[]error]() {
				continue
			}
			answer := reflect.New(k.answer).Elem()
			if full {
				fill(answer, &n, 0)
			}
			data, err = EncodeAnswer(request.Interface(), answer.Interface())
			require.NoError(t, err, k.name)
			back, err := DecodeAnswer(request.Interface(), data)
			require.NoError(t, err, k.name)
			require.Equal(t, answer.Interface(), back, k.name)
		}
	}
}

var errOther = errors.New("something else")

func TestErrorsKeepTheirIdentity(t *testing.T) {
	refused := &Error{Status: 409, Shape: ExceptionMessage, Detail: "taken", Retryable: true, Headers: map[string]string{"A": "b"}}
	require.Equal(t, refused, DecodeError(EncodeError(refused)))
	require.EqualError(t, DecodeError(EncodeError(errOther)), "something else")

	op := &Deliver{}
	data, err := EncodeAnswer(op, []error{refused, errOther})
	require.NoError(t, err)
	got, err := DecodeAnswer(op, data)
	require.NoError(t, err)
	require.Equal(t, refused, got.([]error)[0])
	require.EqualError(t, got.([]error)[1], "something else")
}
