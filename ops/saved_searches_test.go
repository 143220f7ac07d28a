package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

func TestSavedSearches(t *testing.T) {
	c := newTestCluster(t, 1)
	save := func(name string, filters ...prefect.SavedSearchFilter) Upserted[prefect.SavedSearch] {
		return must[Upserted[prefect.SavedSearch]](c, Coordination, &SaveSearch{prefect.SavedSearchCreate{Name: name, Filters: filters}})
	}
	filter := prefect.SavedSearchFilter{Object: "flow_run", Property: "state", Type: "x", Operation: "any", Value: prefect.JSON(`["RUNNING", 1.0]`)}
	b := save("b", filter)
	require.True(t, b.Created)
	require.Equal(t, []prefect.SavedSearchFilter{filter}, b.Object.Filters)
	save("a")
	again := save("b")
	require.False(t, again.Created)
	require.Equal(t, b.Object.ID, again.Object.ID)
	require.Empty(t, again.Object.Filters)

	list, err := Ask[[]*prefect.SavedSearch](t.Context(), c, Coordination, &FindSearches{Window{Limit: 5}})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, []string{list[0].Name, list[1].Name})
	must[any](c, Coordination, &DeleteSearch{b.Object.ID})
	_, err = c.Ask(t.Context(), Coordination, &ReadSearch{b.Object.ID})
	require.EqualError(t, err, "Saved search not found")
	_, err = c.Do(t.Context(), Coordination, &DeleteSearch{b.Object.ID})
	require.EqualError(t, err, "Saved search not found")
}
