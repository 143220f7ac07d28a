package ops

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// someLogs makes logs of flow runs and task runs that exist, of task runs without
// a flow run, and of nothing.
func someLogs(c *testCluster, n int) (logs []prefect.LogCreate, runs, tasks []prefect.ID) {
	r := rand.New(rand.NewPCG(3, 3))
	t0 := at("2027-01-01T00:00:00Z")
	for range 4 {
		run, task := c.flowRun(), c.NewID()
		c.put(c.layout.Of(run), func(tx *store.Tx) {
			store.TaskRuns.Put(tx, &prefect.TaskRun{ID: task, FlowRunID: run, TaskKey: task.String()})
		})
		runs, tasks = append(runs, run), append(tasks, task)
	}
	alone, unknown := c.NewID(), c.NewID()
	c.put(c.layout.Of(alone), func(tx *store.Tx) { store.TaskRuns.Put(tx, &prefect.TaskRun{ID: alone, TaskKey: "alone"}) })
	for i := range n {
		l := prefect.LogCreate{
			Name: "prefect.flow_runs", Level: 10 * (1 + r.IntN(5)), Message: fmt.Sprint("message ", i%17),
			Timestamp: t0 + prefect.Time(r.IntN(n/3))*prefect.Time(prefect.Second),
		}
		k := r.IntN(len(runs))
		switch r.IntN(6) {
		case 0, 1:
			l.FlowRunID = runs[k]
		case 2, 3:
			l.FlowRunID, l.TaskRunID = runs[k], tasks[k]
		case 4:
			l.TaskRunID = alone
		case 5:
			l.FlowRunID, l.TaskRunID = runs[k], unknown
		}
		if i%50 == 0 {
			l.FlowRunID, l.TaskRunID = prefect.NoID, prefect.NoID
		}
		logs = append(logs, l)
	}
	return logs, runs, append(tasks, alone, unknown, c.NewID())
}

func TestLogQueriesAgainstAModel(t *testing.T) {
	for _, groups := range []int{1, 4} {
		c := newTestCluster(t, groups)
		logs, runs, tasks := someLogs(c, 300)
		require.NoError(t, TakeLogs(t.Context(), c, logs))
		var all []*prefect.Log
		for _, g := range c.layout.RunGroups() {
			all = append(all, view(c, g, func(tx *store.Tx) []*prefect.Log {
				return slices.Collect(store.Logs.Rows(tx, store.Range{}))
			})...)
		}
		require.Len(t, all, 300)
		yes, no, thirty := true, false, 30
		span := &prefect.FilterTime{After: logs[1].Timestamp, Before: logs[1].Timestamp + prefect.Time(30*prefect.Second)}
		flow := func(ids ...prefect.ID) *prefect.FilterID { return &prefect.FilterID{Any: ids} }
		task := func(ids ...prefect.ID) *prefect.LogFilterTaskRun { return &prefect.LogFilterTaskRun{Any: ids} }
		for name, f := range map[string]*prefect.LogFilter{
			"all":                nil,
			"flow run":           {FlowRunID: flow(runs[0])},
			"flow runs":          {FlowRunID: flow(runs...)},
			"no flow run":        {FlowRunID: flow()},
			"flow run in a span": {FlowRunID: flow(runs[0], runs[1]), Timestamp: span},
			"flow run, level":    {FlowRunID: flow(runs[0]), Level: &prefect.LogFilterLevel{GE: &thirty, LE: &thirty}},
			"flow run alone":     {FlowRunID: flow(runs[0]), TaskRunID: &prefect.LogFilterTaskRun{IsNull: &yes}},
			"flow run, any task": {FlowRunID: flow(runs[0]), TaskRunID: &prefect.LogFilterTaskRun{IsNull: &no}},
			"flow run and task":  {FlowRunID: flow(runs[0]), TaskRunID: task(tasks[0], tasks[1])},
			"task run":           {TaskRunID: task(tasks[0])},
			"task runs":          {TaskRunID: task(tasks...), Timestamp: span},
			"task without flow":  {TaskRunID: task(tasks[4])},
			"task not recorded":  {TaskRunID: task(tasks[5]), Level: &prefect.LogFilterLevel{GE: &thirty}},
			"unknown task":       {TaskRunID: task(tasks[6])},
			"text":               {Text: &prefect.FilterQuery{Query: "16 \"message 3\""}},
			"flow run, text":     {FlowRunID: flow(runs[2]), Text: &prefect.FilterQuery{Query: "+message -1"}},
			"either":             {Operator: prefect.Or, FlowRunID: flow(runs[0]), TaskRunID: task(tasks[4])},
			"span":               {Timestamp: span},
		} {
			for _, sort := range []prefect.LogSort{prefect.LogTimestampAsc, prefect.LogTimestampDesc} {
				t.Run(fmt.Sprint(groups, name, sort), func(t *testing.T) {
					matcher := f.Compile()
					var want []*prefect.Log
					for _, l := range all {
						if matcher.Match(l, prefect.AllColumns) == prefect.Yes {
							want = append(want, l)
						}
					}
					slices.SortFunc(want, sort.Order())
					var got []*prefect.Log
					for {
						part, err := ListLogs(t.Context(), c, f, sort, 13, len(got))
						require.NoError(t, err)
						require.NotNil(t, part)
						got = append(got, part...)
						if len(part) < 13 {
							break
						}
					}
					require.Equal(t, len(want), len(got))
					for i := range want {
						want[i].Updated = want[i].Created
						require.Equal(t, want[i], got[i])
					}
				})
			}
		}
	}
}

func TestLogsOfOneTimeKeepTheirOrder(t *testing.T) {
	c := newTestCluster(t, 2)
	run, now := c.flowRun(), c.Now()
	var logs []prefect.LogCreate
	for i := range 50 {
		logs = append(logs, prefect.LogCreate{Message: fmt.Sprint(i), Timestamp: now, FlowRunID: run})
	}
	require.NoError(t, TakeLogs(t.Context(), c, logs))
	n := 0
	for pages := LogsOf(run); ; {
		page, err := pages.Next(t.Context(), c, 7)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, l := range page {
			require.Equal(t, fmt.Sprint(n), l.Message)
			require.Equal(t, run.Slot(), l.ID.Slot())
			n++
		}
	}
	require.Equal(t, 50, n)
}

func TestBigBatchesAreSplit(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.flowRun()
	operations := 0
	c.gate = func(int, Operation) error { operations++; return nil }
	logs := make([]prefect.LogCreate, 2500)
	for i := range logs {
		logs[i] = prefect.LogCreate{Timestamp: 1, FlowRunID: run}
	}
	require.NoError(t, TakeLogs(t.Context(), c, logs))
	require.Equal(t, 3, operations)
	big := prefect.LogCreate{Message: string(bytes.Repeat([]byte("x"), maxBatchLogBytes)), Timestamp: 1, FlowRunID: run}
	require.NoError(t, TakeLogs(t.Context(), c, []prefect.LogCreate{big, big}))
	require.Equal(t, 5, operations)
}

func TestDeleteLogsInSteps(t *testing.T) {
	c := newTestCluster(t, 1)
	run, other := c.flowRun(), c.flowRun()
	var logs []prefect.LogCreate
	for i := range 4000 {
		logs = append(logs, prefect.LogCreate{Timestamp: prefect.Time(i + 1), FlowRunID: []prefect.ID{run, other}[i%2]})
	}
	require.NoError(t, TakeLogs(t.Context(), c, logs))
	steps := 0
	for more := true; more; steps++ {
		_, err := c.Do(t.Context(), 1, operation(func(ctx *Context) { more = deleteLogs(ctx.deletion(), store.Range{Prefix: key(run)}) }))
		require.NoError(t, err)
	}
	require.Equal(t, 4, steps)
	require.Equal(t, 2000, view(c, 1, func(tx *store.Tx) int { return store.Logs.Count(tx, store.Range{}) }))
	require.Equal(t, 2000, view(c, 1, func(tx *store.Tx) int { return store.LogsByRun.Count(tx, store.Range{}) }))
}
