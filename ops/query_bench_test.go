package ops

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// load is a data set of flow runs like those that a busy day leaves: each started
// one has a task run, each run its current state.
type load struct {
	*testCluster
	begin, end prefect.Time
	r          *rand.Rand
}

const loadFlows = 5

func newLoad(tb testing.TB, groups, runs int) *load {
	l := &load{testCluster: newTestCluster(tb, groups), begin: at("2027-01-01T00:00:00Z"), r: rand.New(rand.NewPCG(1, 1))}
	l.end = l.begin.Add(prefect.Hour)
	l.now = l.end
	for n := range loadFlows {
		l.put(Coordination, func(tx *store.Tx) {
			store.Flows.Put(tx, &prefect.Flow{ID: loadFlow(n), Created: l.begin, Updated: l.begin, Name: fmt.Sprint("load-flow-", n)})
		})
	}
	const step = 1000
	for from := 0; from < runs; from += step {
		batches := map[int][]int{}
		ids := make([]prefect.ID, step)
		for n := range ids {
			ids[n] = NewID(l.at(from+n, runs), l.r, byte(l.r.Uint32()))
			group := l.layout.Of(ids[n])
			batches[group] = append(batches[group], n)
		}
		for group, list := range batches {
			l.put(group, func(tx *store.Tx) {
				for _, n := range list {
					l.putRun(tx, ids[n], from+n, runs)
				}
			})
		}
	}
	return l
}

func loadFlow(n int) prefect.ID { return prefect.ID{1, 2, 3, byte(n), 15: byte(n)} }

func (l *load) at(n, runs int) prefect.Time {
	return l.begin + prefect.Time(n)*(l.end-l.begin)/prefect.Time(runs)
}

func (l *load) putRun(tx *store.Tx, id prefect.ID, n, runs int) {
	t := l.at(n, runs)
	run := &prefect.FlowRun{
		ID: id, Created: t, Updated: t, Name: fmt.Sprintf("load-run-%06d", n), FlowID: loadFlow(n % loadFlows),
		Parameters: prefect.JSON(`{}`), Context: prefect.JSON(`{}`), JobVariables: prefect.JSON(`{}`),
		Tags: []string{"load", fmt.Sprint("t", n%50)}, Labels: prefect.Labels{"prefect.flow.id": prefect.JSON(`"` + loadFlow(n%loadFlows).String() + `"`)},
		StateID: NewID(t, l.r, id.Slot()), StateType: prefect.Completed, RunCount: 1,
		ExpectedStartTime: t, StartTime: t + 100_000, EndTime: t + 300_000, TotalRunTime: 200_000, StateTimestamp: t + 300_000,
	}
	switch n % 20 {
	case 16, 17:
		run.StateType = prefect.Failed
	case 18:
		run.StateType, run.EndTime, run.TotalRunTime = prefect.Running, 0, 0
	case 19:
		run.StateType, run.StartTime, run.EndTime, run.TotalRunTime = prefect.Pending, 0, 0, 0
	}
	name := run.StateType.Title()
	run.StateName = &name
	store.FlowRuns.Put(tx, run)
	store.FlowRunStates.Put(tx, &prefect.State{ID: run.StateID, Type: run.StateType, Name: name, Timestamp: run.StateTimestamp, RunID: id})
	if run.StartTime == 0 {
		return
	}
	task := &prefect.TaskRun{
		ID: NewID(t, l.r, id.Slot()), Created: t, Updated: t, Name: fmt.Sprintf("task-%06d", n), FlowRunID: id, TaskKey: "task", DynamicKey: "0",
		StateID: NewID(t, l.r, id.Slot()), StateType: run.StateType, StateName: &name, StateTimestamp: run.StateTimestamp,
		ExpectedStartTime: run.ExpectedStartTime, StartTime: run.StartTime, EndTime: run.EndTime, TotalRunTime: run.TotalRunTime,
		Labels: prefect.Labels{"prefect.flow-run.id": prefect.JSON(`"` + id.String() + `"`)},
	}
	store.TaskRuns.Put(tx, task)
	store.TaskRunStates.Put(tx, &prefect.State{ID: task.StateID, Type: task.StateType, Name: name, Timestamp: task.StateTimestamp, RunID: task.ID})
}

func flowRunsWhere(f *prefect.FlowRunFilter) *prefect.FlowRunsScope {
	return &prefect.FlowRunsScope{FlowsScope: prefect.FlowsScope{FlowRuns: f}}
}

func inState(types ...prefect.StateType) *prefect.FlowRunFilter {
	return &prefect.FlowRunFilter{State: &prefect.FlowRunFilterState{Type: &prefect.FlowRunFilterStateType{Any: types}}}
}

// loadQueries are those by which lists and figures are judged.
func (l *load) queries(runs int) []loadQuery {
	list := func(name string, scope *prefect.FlowRunsScope, sort prefect.FlowRunSort, offset int) loadQuery {
		return loadQuery{name, func(ctx context.Context) (int, error) {
			rows, err := ListFlowRuns(ctx, l, scope, sort, 200, offset)
			return len(rows), err
		}}
	}
	count := func(name string, f *prefect.FlowRunFilter) loadQuery {
		return loadQuery{name, func(ctx context.Context) (int, error) { return CountFlowRuns(ctx, l, flowRunsWhere(f)) }}
	}
	like := func(part string) *prefect.FilterName { return &prefect.FilterName{Like: part} }
	const byStart = prefect.FlowRunStartTimeDesc
	return []loadQuery{
		list("newest", flowRunsWhere(nil), byStart, 0),
		list("failed", flowRunsWhere(inState(prefect.Failed)), byStart, 0),
		list("tag", flowRunsWhere(&prefect.FlowRunFilter{Tags: &prefect.FilterTagsAny{All: []string{"t7"}}}), byStart, 0),
		list("name-like", flowRunsWhere(&prefect.FlowRunFilter{Name: like("run-0012")}), byStart, 0),
		list("flow-name-like", &prefect.FlowRunsScope{FlowsScope: prefect.FlowsScope{Flows: &prefect.FlowFilter{Name: like("flow-3")}}}, byStart, 0),
		list("offset-half", flowRunsWhere(nil), byStart, runs/2),
		list("by-id", flowRunsWhere(nil), prefect.FlowRunIDDesc, 0),
		list("by-name-of-state", flowRunsWhere(inState(prefect.Pending)), prefect.FlowRunNameAsc, 0),
		list("by-next", flowRunsWhere(inState(prefect.Pending)), prefect.FlowRunNextStartAsc, 0),
		count("count-all", nil),
		count("count-failed", inState(prefect.Failed, prefect.Crashed)),
		count("count-completed", inState(prefect.Completed)),
		count("count-failed-since", &prefect.FlowRunFilter{State: inState(prefect.Failed).State, StartTime: &prefect.FilterTimeOrNull{After: l.begin}}),
		{"history", func(ctx context.Context) (int, error) {
			h, err := FlowRunHistory(ctx, l, flowRunsWhere(nil), prefect.HistoryRange{Start: l.end.Add(-23 * prefect.Hour), End: l.end.Add(prefect.Hour), Seconds: 3600})
			return len(h), err
		}},
		{"lateness", func(ctx context.Context) (int, error) {
			_, err := AverageLateness(ctx, l, flowRunsWhere(nil))
			return 1, err
		}},
		{"tasks-of-run", func(ctx context.Context) (int, error) {
			rows, err := ListFlowRuns(ctx, l, flowRunsWhere(inState(prefect.Completed)), byStart, 1, 0)
			if err != nil {
				return 0, err
			}
			scope := &prefect.TaskRunsScope{FlowRuns: &prefect.FlowRunFilter{ID: &prefect.FilterIDNot{Any: []prefect.ID{rows[0].ID}}}}
			tasks, err := ListTaskRuns(ctx, l, scope, prefect.TaskRunExpectedStartDesc, 200, 0)
			return len(tasks), err
		}},
		{"tasks-of-flow", func(ctx context.Context) (int, error) {
			return CountTaskRuns(ctx, l, &prefect.TaskRunsScope{Flows: &prefect.FlowFilter{ID: &prefect.FilterIDNot{Any: []prefect.ID{loadFlow(2)}}}})
		}},
		{"tasks-longest", func(ctx context.Context) (int, error) {
			tasks, err := ListTaskRuns(ctx, l, &prefect.TaskRunsScope{}, prefect.TaskRunDurationDesc, 200, 0)
			return len(tasks), err
		}},
		{"flows-with-failed", func(ctx context.Context) (int, error) {
			flows, err := ListFlows(ctx, l, &prefect.FlowsScope{FlowRuns: inState(prefect.Failed)}, prefect.FlowNameAsc, 200, 0)
			return len(flows), err
		}},
	}
}

type loadQuery struct {
	name string
	ask  func(ctx context.Context) (int, error)
}

func BenchmarkQueries(b *testing.B) {
	for _, groups := range []int{1} {
		for _, runs := range []int{100_000} {
			l := newLoad(b, groups, runs)
			for _, q := range l.queries(runs) {
				b.Run(fmt.Sprintf("groups=%d/runs=%d/%s", groups, runs, q.name), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						n, err := q.ask(b.Context())
						require.NoError(b, err)
						require.NotZero(b, n)
					}
				})
			}
		}
	}
}
