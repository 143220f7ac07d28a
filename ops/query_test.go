package ops

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// someRuns stores flow runs, with one task run each.
func someRuns(c *testCluster, n int) (runs []*prefect.FlowRun, tasks []*prefect.TaskRun) {
	r := rand.New(rand.NewPCG(5, 5))
	t0 := at("2027-01-01T00:00:00Z")
	moment := func() prefect.Time {
		if r.IntN(4) == 0 {
			return 0
		}
		return t0 + prefect.Time(r.IntN(20))*prefect.Time(prefect.Second)
	}
	for range n {
		name := string(rune('a' + r.IntN(9)))
		run := &prefect.FlowRun{
			ID: c.NewID(), Name: name, FlowID: prefect.ID{1}, StateType: prefect.StateTypes[r.IntN(4)],
			ExpectedStartTime: moment(), StartTime: moment(), EndTime: moment(), NextScheduledStartTime: moment(),
		}
		if r.IntN(3) == 0 {
			run.Tags = []string{"tag"}
		}
		task := &prefect.TaskRun{
			ID: c.NewID(), Name: name, FlowRunID: run.ID, TaskKey: "task", DynamicKey: "0", StateType: run.StateType, Tags: run.Tags,
			ExpectedStartTime: moment(), EndTime: moment(), NextScheduledStartTime: moment(), TotalRunTime: prefect.Duration(r.IntN(5)),
		}
		c.put(c.layout.Of(run.ID), func(tx *store.Tx) {
			store.FlowRuns.Put(tx, run)
			store.TaskRuns.Put(tx, task)
		})
		runs, tasks = append(runs, run), append(tasks, task)
	}
	return runs, tasks
}

// selected are the rows that pass, in order, by id.
func selected[T any](rows []*T, m *prefect.Matcher[T], order func(a, b *T) int, id func(*T) prefect.ID, from, most int) []prefect.ID {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r *T) bool { return m.Match(r, prefect.AllColumns) != prefect.Yes })
	slices.SortFunc(rows, order)
	return idsOf(rows[min(from, len(rows)):min(from+most, len(rows))], id)
}

func idsOf[T any](rows []*T, id func(*T) prefect.ID) []prefect.ID {
	list := []prefect.ID{}
	for _, r := range rows {
		list = append(list, id(r))
	}
	return list
}

func TestRunQueriesAgainstAModel(t *testing.T) {
	c := newTestCluster(t, 2)
	runs, tasks := someRuns(c, 150)
	flowID := func(r *prefect.FlowRun) prefect.ID { return r.ID }
	taskID := func(r *prefect.TaskRun) prefect.ID { return r.ID }
	after := at("2027-01-01T00:00:05Z")
	for _, f := range []*prefect.FlowRunFilter{
		nil,
		{Name: &prefect.FilterName{Any: []string{"a", "b"}}},
		{Tags: &prefect.FilterTagsAny{All: []string{"tag"}}},
		{State: &prefect.FlowRunFilterState{Type: &prefect.FlowRunFilterStateType{Any: prefect.StateTypes[:2]}}},
		{StartTime: &prefect.FilterTimeOrNull{After: after}},
		{ExpectedStartTime: &prefect.FilterTime{After: after, Before: after + 5*prefect.Time(prefect.Second)}},
		{ID: &prefect.FilterIDNot{Any: []prefect.ID{runs[3].ID, runs[70].ID, c.NewID()}}},
	} {
		scope := &prefect.FlowRunsScope{FlowsScope: prefect.FlowsScope{FlowRuns: f}}
		for _, sort := range prefect.FlowRunSort("").EnumValues() {
			sort := prefect.FlowRunSort(sort)
			for _, from := range []int{0, 7, 120} {
				got, err := ListFlowRuns(t.Context(), c, scope, sort, 20, from)
				require.NoError(t, err)
				require.Equal(t, selected(runs, f.Compile(), sort.Order(), flowID, from, 20), idsOf(got, flowID), "%s %+v", sort, f)
			}
		}
		n, err := CountFlowRuns(t.Context(), c, scope)
		require.NoError(t, err)
		require.Len(t, selected(runs, f.Compile(), prefect.FlowRunNameAsc.Order(), flowID, 0, len(runs)), n)
	}
	for _, f := range []*prefect.TaskRunFilter{
		nil,
		{Name: &prefect.FilterName{Any: []string{"a", "b"}}},
		{Tags: &prefect.FilterTags{All: []string{"tag"}}},
		{FlowRunID: &prefect.TaskRunFilterFlowRun{Any: []prefect.ID{runs[3].ID, runs[5].ID}}},
		{ExpectedStartTime: &prefect.FilterTime{After: after}},
	} {
		scope := &prefect.TaskRunsScope{TaskRuns: f}
		for _, sort := range prefect.TaskRunSort("").EnumValues() {
			sort := prefect.TaskRunSort(sort)
			if sort == prefect.TaskRunDurationAsc || sort == prefect.TaskRunDurationDesc {
				continue // no total order
			}
			got, err := ListTaskRuns(t.Context(), c, scope, sort, 20, 7)
			require.NoError(t, err)
			require.Equal(t, selected(tasks, f.Compile(), sort.Order(0), taskID, 7, 20), idsOf(got, taskID), "%s %+v", sort, f)
		}
	}
}
