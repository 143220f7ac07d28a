package ops

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var updateWire = flag.Bool("update", false, "add what is new in what nodes send each other to its list")

// wireNames collects what is sent: of each struct a line for each field, with its name and
// type.
type wireNames map[string]bool

func (w wireNames) add(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return "*" + w.add(t.Elem())
	case reflect.Slice:
		return "[]" + w.add(t.Elem())
	case reflect.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), w.add(t.Elem()))
	case reflect.Map:
		return "map[" + w.add(t.Key()) + "]" + w.add(t.Elem())
	case reflect.Struct:
		if known := "type " + t.String(); !w[known] {
			w[known] = true
			w.addFields(t, t.String())
		}
		return t.String()
	}
	return t.Kind().String()
}

func (w wireNames) addFields(t reflect.Type, owner string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if own, ok := f.Tag.Lookup("cbor"); ok {
			name, _, _ = strings.Cut(own, ",")
		}
		switch {
		case f.Name == "_":
		case f.Anonymous && name == "":
			w.addFields(f.Type, owner)
		default:
			if name == "" {
				name = f.Name
			}
			w[owner+"."+name+" "+w.add(f.Type)] = true
		}
	}
}

// What is sent is held to a list of what was: an older node sends it, and has it in its
// outbox.
func TestNamesOnTheWireStay(t *testing.T) {
	names := wireNames{}
	for _, k := range kinds() {
		names.add(k.request.Elem())
		answer := "nothing"
		switch {
		case k.answer == reflect.TypeFor[[]error]():
			answer = "errors"
		case k.answer != nil:
			answer = names.add(k.answer)
		}
		names[k.name+" answers "+answer] = true
	}
	list := filepath.Join("testdata", "wire.txt")
	data, err := os.ReadFile(list)
	require.NoError(t, err)
	known := strings.Split(strings.TrimSpace(string(data)), "\n")
	is := slices.Sorted(maps.Keys(names))
	missing := func(from, in []string) []string {
		return slices.DeleteFunc(slices.Clone(from), func(line string) bool { return slices.Contains(in, line) })
	}
	if *updateWire {
		require.NoError(t, os.WriteFile(list, []byte(strings.Join(is, "\n")+"\n"), 0o644))
		return
	}
	require.Empty(t, missing(known, is), "what was sent by this name is no more; if no released version sends it, run this test with -update")
	require.Empty(t, missing(is, known), "new: run this test with -update, and keep these names from now on")
}
