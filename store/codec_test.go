package store

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

func fieldOf[T any](row *T, f *fieldCodec) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(row), f.offset)
}

// filler makes random rows, with zero, nil and empty values among them.
type filler struct{ *rand.Rand }

func (f filler) text() string {
	return []string{"", "x", "a\x00b", "ünï", "a text that is somewhat longer than the others, and then some more of it to be compressed"}[f.IntN(5)]
}

func (f filler) json() prefect.JSON {
	return prefect.JSON([]string{`null`, `{}`, `[]`, `1.0`, `"text"`, `{"a":[1,2,{"b":null}],"c":123456789012345678901234567890}`}[f.IntN(6)])
}

var jsonType = reflect.TypeFor[prefect.JSON]()

// fill sets what is stored of v.
func (f filler) fill(v reflect.Value) {
	switch {
	case f.IntN(4) == 0: // stays zero
	case v.Type() == jsonType:
		v.Set(reflect.ValueOf(f.json()))
	case v.Type() == idType:
		v.Set(reflect.ValueOf(prefect.ID{byte(f.IntN(3)), 15: byte(f.IntN(3))}))
	case v.Kind() == reflect.String:
		v.SetString(f.text())
	case v.Kind() == reflect.Bool:
		v.SetBool(f.IntN(2) == 0)
	case v.Kind() == reflect.Uint8:
		v.SetUint(uint64(f.IntN(3)))
	case v.CanUint():
		v.SetUint([]uint64{0, 1, 127, 128, 1<<64 - 1}[f.IntN(5)])
	case v.CanInt():
		v.SetInt([]int64{0, 1, -1, 1 << 40, -1 << 63, 1<<63 - 1}[f.IntN(6)])
	case v.CanFloat():
		v.SetFloat([]float64{0, 1.5, -2, 1e300}[f.IntN(4)])
	default:
		f.fillContainer(v)
	}
}

func (f filler) fillContainer(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			tag := v.Type().Field(i).Tag
			if tag.Get("row") != "" || tag.Get("json") != "" && tag.Get("json") != "-" && !hasRows(v.Type()) {
				f.fill(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(f.text()))
			return
		}
		list := reflect.MakeSlice(v.Type(), f.IntN(3), 3)
		for i := range list.Len() {
			if e := list.Index(i); e.Kind() == reflect.Pointer { // never nil in a list
				e.Set(reflect.New(e.Type().Elem()))
				f.fill(e.Elem())
				continue
			}
			f.fill(list.Index(i))
			present(list.Index(i))
		}
		v.Set(list)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range f.IntN(3) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			key.SetString(f.text())
			f.fill(value)
			present(value)
			v.SetMapIndex(key, value)
		}
	default:
		panic("no idea how to fill a " + v.Type().String())
	}
}

// present replaces null: inside of lists and maps it is not told apart from what
// is empty.
func present(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Slice && v.IsNil():
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	case v.Kind() == reflect.Map && v.IsNil():
		v.Set(reflect.MakeMap(v.Type()))
	}
}

func hasRows(t reflect.Type) bool {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("row") != "" {
			return true
		}
	}
	return false
}

// rowTypes are the row types of the schema's tables.
func rowTypes(t *testing.T) map[string]*codec {
	types := map[string]*codec{}
	for _, table := range State {
		v := reflect.ValueOf(table).Elem().FieldByName("codec")
		types[table.Name()] = (*codec)(v.UnsafePointer())
	}
	require.Len(t, types, len(State))
	return types
}

func TestRowsComeBack(t *testing.T) {
	f := filler{rand.New(rand.NewPCG(3, 3))}
	for name, c := range rowTypes(t) {
		t.Run(name, func(t *testing.T) {
			for range 300 {
				row, back := reflect.New(c.typ), reflect.New(c.typ)
				f.fillContainer(row.Elem())
				data := c.append(nil, row.UnsafePointer(), prefect.AllColumns)
				require.NoError(t, c.decode(data, back.UnsafePointer()))
				require.Equal(t, row.Interface(), back.Interface())
				require.Equal(t, data, c.append(nil, back.UnsafePointer(), prefect.AllColumns))
			}
		})
	}
}

func TestDamagedRowsAreErrors(t *testing.T) {
	f := filler{rand.New(rand.NewPCG(4, 4))}
	for name, c := range rowTypes(t) {
		t.Run(name, func(t *testing.T) {
			for range 300 {
				row := reflect.New(c.typ)
				f.fillContainer(row.Elem())
				data := c.append(nil, row.UnsafePointer(), prefect.AllColumns)
				if len(data) == 0 {
					continue
				}
				switch f.IntN(2) {
				case 0:
					data = data[:f.IntN(len(data))]
				default:
					data[f.IntN(len(data))] ^= byte(1 + f.IntN(255))
				}
				_ = c.decode(data, reflect.New(c.typ).UnsafePointer()) // an error or another row, no panic
			}
		})
	}
}

// odd has the kinds of columns whose absence is told apart from what is empty.
type odd struct {
	Text   *string            `row:"1"`
	Number *int               `row:"2"`
	Flag   *bool              `row:"3"`
	List   []string           `row:"4"`
	Raw    prefect.JSON       `row:"5"`
	Map    map[string]string  `row:"6"`
	Labels prefect.Labels     `row:"7"`
	Nested *prefect.CreatedBy `row:"8"`
	Late   string             `row:"63"`
}

func TestNilIsNotEmpty(t *testing.T) {
	text, number, flag := "", 0, false
	full := odd{&text, &number, &flag, []string{}, prefect.JSON{}, map[string]string{}, prefect.Labels{}, &prefect.CreatedBy{}, "x"}
	c := codecOf(reflect.TypeFor[odd]())
	for _, want := range []odd{{}, full} {
		var got odd
		require.NoError(t, c.decode(c.append(nil, unsafe.Pointer(&want), prefect.AllColumns), unsafe.Pointer(&got)))
		require.Equal(t, want, got)
	}
	require.Empty(t, c.append(nil, unsafe.Pointer(&odd{}), prefect.AllColumns))
}

// less is what an older version knows of the row.
type less struct {
	Number *int   `row:"2"`
	Late   string `row:"63"`
}

func TestUnknownFieldsAreSkipped(t *testing.T) {
	text, number, flag := "text", 7, true
	full := odd{&text, &number, &flag, []string{"a"}, prefect.JSON(`1`), map[string]string{"a": "b"}, nil, &prefect.CreatedBy{ID: prefect.ID{1}}, "x"}
	data := codecOf(reflect.TypeFor[odd]()).append(nil, unsafe.Pointer(&full), prefect.AllColumns)
	var got less
	require.NoError(t, codecOf(reflect.TypeFor[less]()).decode(data, unsafe.Pointer(&got)))
	require.Equal(t, less{&number, "x"}, got)
}

func TestProjectionsReadWhatTheyShould(t *testing.T) {
	f := filler{rand.New(rand.NewPCG(5, 5))}
	for range 500 {
		columns := prefect.Columns(f.Uint64())
		p := FlowRuns.Project(columns)
		var row, before, want prefect.FlowRun
		f.fillContainer(reflect.ValueOf(&row).Elem())
		f.fillContainer(reflect.ValueOf(&before).Elem())
		want = before
		for i := range FlowRuns.codec.fields {
			if field := &FlowRuns.codec.fields[i]; columns.Has(field.num) {
				n := fieldIndex(field.offset)
				reflect.ValueOf(&want).Elem().Field(n).Set(reflect.ValueOf(&row).Elem().Field(n))
			}
		}
		got := before
		require.NoError(t, p.decode(FlowRuns.codec.append(nil, unsafe.Pointer(&row), prefect.AllColumns), unsafe.Pointer(&got)))
		require.Equal(t, want, got)
	}
}

func fieldIndex(offset uintptr) int {
	for i := range reflect.TypeFor[prefect.FlowRun]().NumField() {
		if reflect.TypeFor[prefect.FlowRun]().Field(i).Offset == offset {
			return i
		}
	}
	panic("no such field")
}

func TestCoversReadWhatTheyShould(t *testing.T) {
	f := filler{rand.New(rand.NewPCG(6, 6))}
	ix := FlowRunsByState
	for range 100 {
		columns := prefect.Columns(f.Uint64())
		read := ix.Reader(columns)
		var got prefect.FlowRun
		for range 5 { // one after the other, like a scan
			var row, want prefect.FlowRun
			f.fillContainer(reflect.ValueOf(&row).Elem())
			for i := range FlowRuns.codec.fields {
				if field := &FlowRuns.codec.fields[i]; columns.Has(field.num) && ix.Cover.Has(field.num) {
					n := fieldIndex(field.offset)
					reflect.ValueOf(&want).Elem().Field(n).Set(reflect.ValueOf(&row).Elem().Field(n))
				}
			}
			data := ix.cover.append(nil, unsafe.Pointer(&row))
			read(&Entry{cover: data}, &got)
			require.Equal(t, want, got)
			if columns&ix.Cover != 0 {
				require.Panics(t, func() { read(&Entry{cover: data[:f.IntN(2)]}, &got) })
			}
		}
	}
}
