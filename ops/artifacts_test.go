package ops

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// makeArtifact makes an artifact where it belongs.
func makeArtifact(c *testCluster, in prefect.ArtifactCreate) *prefect.Artifact {
	c.advance(prefect.Second)
	op := &CreateArtifact{in, ArtifactSlot(&in, c.NewID())}
	return must[*prefect.Artifact](c, c.layout.OfSlot(op.Slot), op)
}

func TestArtifactsOfAKey(t *testing.T) {
	c := newTestCluster(t, 4)
	name, kind := "report", "markdown"
	first := makeArtifact(c, prefect.ArtifactCreate{Key: &name, Type: &kind, Data: prefect.JSON(`1`), Metadata: prefect.StringMap{"long": strings.Repeat("ä", 501)}})
	second := makeArtifact(c, prefect.ArtifactCreate{Key: &name, Type: &kind, Data: prefect.JSON(`2`)})
	group := c.layout.Of(first.ID)
	require.Equal(t, group, c.layout.Of(second.ID), "versions of a key are together")
	require.Equal(t, strings.Repeat("ä", 500)+"...", first.Metadata["long"])

	latest := func() *prefect.Artifact {
		q := &ReadLatestArtifact{Key: name}
		a, err := Ask[*prefect.Artifact](t.Context(), c, q.Group(c.layout), q)
		require.NoError(t, err)
		return a
	}
	require.Equal(t, "2", string(latest().Data))
	require.Equal(t, first.Created, latest().Created, "the collection's")

	change := func(id prefect.ID, data string) {
		must[any](c, group, &UpdateArtifact{id, prefect.ArtifactUpdate{Data: prefect.Opt[prefect.JSON]{Set: true, Value: prefect.JSON(data)}}})
	}
	change(first.ID, "10")
	require.Equal(t, "2", string(latest().Data), "an older version is not shown")
	change(second.ID, "20")
	require.Equal(t, "20", string(latest().Data))

	must[any](c, group, &DeleteArtifact{second.ID})
	require.Equal(t, "10", string(latest().Data), "the one before is the newest now")
	must[any](c, group, &DeleteArtifact{first.ID})
	q := &ReadLatestArtifact{Key: name}
	_, err := c.Ask(t.Context(), group, q)
	require.EqualError(t, err, "Artifact not found.")
	_, err = c.Do(t.Context(), group, &DeleteArtifact{first.ID})
	require.EqualError(t, err, "Artifact not found.")

	events := view(c, group, func(tx *store.Tx) (list []string) {
		for e := range store.Events.Rows(tx, store.Range{}) {
			list = append(list, strings.TrimPrefix(e.Event, "prefect.artifact-collection."))
		}
		return list
	})
	require.Equal(t, []string{"created", "updated", "updated", "updated", "deleted"}, events)
}

func TestListsOfArtifacts(t *testing.T) {
	c := newTestCluster(t, 4)
	run, other := c.NewID(), c.NewID()
	text := func(s string) *string { return &s }
	var made []*prefect.Artifact
	for _, in := range []prefect.ArtifactCreate{
		{Key: text("b"), Type: text("table"), FlowRunID: run},
		{Key: text("a"), Type: text("markdown"), FlowRunID: other},
		{Type: text("result"), FlowRunID: run},
		{Key: text("b"), Type: text("markdown"), FlowRunID: run},
		{},
	} {
		made = append(made, makeArtifact(c, in))
	}
	numbers := func(f *prefect.ArtifactFilter, sort prefect.ArtifactSort, w Window) (list []int) {
		w.Count = true
		found, total, err := ListArtifacts(t.Context(), c, f, &prefect.TaskRunsScope{}, sort, w)
		require.NoError(t, err)
		require.GreaterOrEqual(t, total, len(found))
		for _, a := range found {
			for i, m := range made {
				if m.ID == a.ID {
					require.Equal(t, m, a)
					list = append(list, i)
				}
			}
		}
		return list
	}
	all := Window{Limit: 10}
	require.Equal(t, []int{4, 3, 2, 1, 0}, numbers(nil, prefect.ArtifactCreatedDesc, all))
	require.Equal(t, []int{3, 2}, numbers(nil, prefect.ArtifactCreatedDesc, Window{From: 1, Limit: 2}))
	require.ElementsMatch(t, []int{0, 2, 3}, numbers(&prefect.ArtifactFilter{FlowRunID: &prefect.FilterID{Any: []prefect.ID{run}}}, "", all))
	require.Equal(t, 1, numbers(&prefect.ArtifactFilter{Key: &prefect.ArtifactFilterKey{Any: []string{"a", "b"}}}, prefect.ArtifactKeyAsc, all)[0])
	require.ElementsMatch(t, []int{0, 1, 3}, numbers(&prefect.ArtifactFilter{Type: &prefect.ArtifactFilterType{NotAny: []string{"result"}}}, "", all))
	yes, no := true, false
	require.ElementsMatch(t, []int{2, 4}, numbers(&prefect.ArtifactFilter{Key: &prefect.ArtifactFilterKey{Exists: &no}}, "", all))
	require.ElementsMatch(t, []int{0, 1, 3}, numbers(&prefect.ArtifactFilter{Key: &prefect.ArtifactFilterKey{Exists: &yes}}, "", all))
	require.Empty(t, numbers(&prefect.ArtifactFilter{ID: &prefect.FilterID{Any: []prefect.ID{c.NewID()}}}, "", all))

	latest, total, err := ListCollections(t.Context(), c, nil, &prefect.TaskRunsScope{}, prefect.ArtifactKeyDesc, Window{Limit: 1, Count: true})
	require.NoError(t, err)
	require.Equal(t, 2, total)
	require.Equal(t, made[3].ID, latest[0].LatestID)
	none, _, err := ListCollections(t.Context(), c, nil, &prefect.TaskRunsScope{FlowRuns: &prefect.FlowRunFilter{}}, "", all)
	require.NoError(t, err)
	require.Empty(t, none, "the runs are not there")
}
