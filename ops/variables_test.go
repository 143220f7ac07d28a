package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

func TestVariables(t *testing.T) {
	c := newTestCluster(t, 1)
	made := func(name, value string, tags ...string) *prefect.Variable {
		c.advance(prefect.Second)
		return must[*prefect.Variable](c, Coordination, &CreateVariable{prefect.VariableCreate{Name: name, Value: prefect.JSON(value), Tags: tags}})
	}
	b, a := made("b", `{"x": 1.0}`, "red", "blue"), made("a", `null`)
	read := func(k VariableKey) (*prefect.Variable, error) {
		return Ask[*prefect.Variable](t.Context(), c, Coordination, &ReadVariable{k})
	}
	got, err := read(VariableKey{Name: "b"})
	require.NoError(t, err)
	require.Equal(t, b, got)
	require.Equal(t, `{"x": 1.0}`, string(got.Value))
	_, err = c.Do(t.Context(), Coordination, &CreateVariable{prefect.VariableCreate{Name: "a", Value: prefect.JSON(`1`)}})
	require.EqualError(t, err, "A variable with the name 'a' already exists.")

	names := func(f *prefect.VariableFilter, sort prefect.VariableSort, w Window) (names []string) {
		found, err := Ask[[]*prefect.Variable](t.Context(), c, Coordination, &FindVariables{f, sort, w})
		require.NoError(t, err)
		for _, v := range found {
			names = append(names, v.Name)
		}
		return names
	}
	all := Window{Limit: 10}
	require.Equal(t, []string{"a", "b"}, names(nil, "", all))
	require.Equal(t, []string{"b", "a"}, names(nil, prefect.VariableNameDesc, all))
	require.Equal(t, []string{"a", "b"}, names(nil, prefect.VariableCreatedDesc, all))
	require.Equal(t, []string{"b"}, names(nil, "", Window{From: 1, Limit: 1}))
	require.Equal(t, []string{"b"}, names(&prefect.VariableFilter{Tags: &prefect.FilterTags{All: []string{"blue", "red"}}}, "", all))
	require.Equal(t, []string{"a"}, names(&prefect.VariableFilter{ID: &prefect.FilterID{Any: []prefect.ID{a.ID}}}, "", all))
	n, err := Ask[int](t.Context(), c, Coordination, &CountVariables{&prefect.VariableFilter{Name: &prefect.FilterName{Like: "A"}}})
	require.NoError(t, err)
	require.Equal(t, 1, n)

	name, taken := "c", "b"
	change := func(k VariableKey, u prefect.VariableUpdate) error {
		_, err := c.Do(t.Context(), Coordination, &UpdateVariable{k, u})
		return err
	}
	require.NoError(t, change(VariableKey{ID: a.ID}, prefect.VariableUpdate{Name: prefect.Opt[*string]{Set: true, Value: &name}}))
	require.NoError(t, change(VariableKey{Name: "c"}, prefect.VariableUpdate{Value: prefect.Opt[prefect.JSON]{Set: true, Value: prefect.JSON(`[2]`)}}))
	require.ErrorContains(t, change(VariableKey{Name: "c"}, prefect.VariableUpdate{Name: prefect.Opt[*string]{Set: true, Value: &taken}}), "integrity")
	require.ErrorContains(t, change(VariableKey{Name: "c"}, prefect.VariableUpdate{Name: prefect.Opt[*string]{Set: true}}), "integrity")
	require.EqualError(t, change(VariableKey{Name: "a"}, prefect.VariableUpdate{}), "Variable not found.")
	got, err = read(VariableKey{ID: a.ID})
	require.NoError(t, err)
	require.Equal(t, []string{"c", "[2]"}, []string{got.Name, string(got.Value)})

	must[any](c, Coordination, &DeleteVariable{VariableKey{Name: "c"}})
	_, err = read(VariableKey{ID: a.ID})
	require.EqualError(t, err, "Variable not found.")
	events := view(c, Coordination, func(tx *store.Tx) (list []string) {
		for e := range store.Events.Rows(tx, store.Range{}) {
			list = append(list, e.Event+" "+e.Resource["prefect.resource.name"])
		}
		return list
	})
	require.Equal(t, []string{"prefect.variable.created b", "prefect.variable.created a", "prefect.variable.updated c",
		"prefect.variable.updated c", "prefect.variable.deleted c"}, events)
}
