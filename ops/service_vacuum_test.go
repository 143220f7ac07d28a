package ops

import (
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// happen stores events of a name in one group.
func (c *testCluster) happen(group, n int, name string) {
	events := make([]prefect.Event, n)
	for i := range events {
		events[i] = prefect.Event{
			ID: c.NewID(), Occurred: c.Now(), Event: name,
			Resource: prefect.Resource{"prefect.resource.id": fmt.Sprint("thing.", i)},
		}
	}
	for len(events) > 0 {
		k := min(len(events), 100)
		must[Appended](c, group, &AppendEvents{Events: events[:k]})
		events = events[k:]
	}
}

// rows counts the rows of a table in one group.
func rows[T any](c *testCluster, group int, table *store.Table[T]) int {
	return view(c, group, func(tx *store.Tx) int { return table.Count(tx, store.Range{}) })
}

// eventNames counts a group's events by name.
func (c *testCluster) eventNames(group int) map[string]int {
	names := map[string]int{}
	all, err := Ask[[]*prefect.Event](c.t.Context(), c, group, &ReadStream{Limit: 10_000})
	require.NoError(c.t, err)
	for _, e := range all {
		names[e.Event]++
	}
	return names
}

func TestEventRetention(t *testing.T) {
	c := newTestCluster(t, 2)
	c.settings.Vacuum.EventsNamed = map[string]prefect.Duration{"short": prefect.Day, "long": 30 * prefect.Day}
	for _, group := range c.layout.All() {
		c.happen(group, 450, "old")
		c.happen(group, 3, "long")
	}
	c.advance(5 * prefect.Day)
	for _, group := range c.layout.All() {
		c.happen(group, 250, "short")
		c.happen(group, 10, "new")
	}
	require.Zero(t, c.round("db_vacuum_events"))
	c.largest = 0
	c.advance(2*prefect.Day + prefect.Hour)
	require.Equal(t, 3*(453+250), c.round("db_vacuum_events"))
	require.LessOrEqual(t, c.largest, 200)
	for _, group := range c.layout.All() {
		require.Equal(t, map[string]int{"new": 10}, c.eventNames(group), "in group %d", group)
	}
	require.Zero(t, c.round("db_vacuum_events"))

	t.Run("the newest stays", func(t *testing.T) {
		last := view(c, 1, lastSequence)
		c.advance(30 * prefect.Day)
		require.Equal(t, 3*9, c.round("db_vacuum_events"))
		require.Zero(t, c.round("db_vacuum_events"))
		c.happen(1, 1, "next")
		require.Equal(t, last+1, view(c, 1, lastSequence))
	})
}

// family makes a finished flow run with task runs and logs, and one below it.
func (c *testCluster) family(tasks, logs int) (parent, child prefect.ID) {
	finish := func(id prefect.ID) {
		s := stateCreate(prefect.Completed, "")
		s.Data = prefect.JSON(`{"storage_key":"k"}`)
		c.setFlowRun(id, s).accepted(c.t, "Completed")
	}
	parent = c.runningFlowRun(prefect.FlowRunPolicy{}).ID
	var task *prefect.TaskRun
	for range tasks {
		task = c.newTaskRun(prefect.TaskRunCreate{FlowRunID: parent})
		c.setTaskRun(task.ID, stateCreate(prefect.Running, ""))
	}
	child = c.newFlowRun(prefect.FlowRunCreate{ParentTaskRunID: task.ID, IdempotencyKey: new("key"), State: stateCreate(prefect.Running, "")}).ID
	finish(child)
	var lines []prefect.LogCreate
	for range logs {
		lines = append(lines, prefect.LogCreate{Timestamp: c.Now(), FlowRunID: parent, TaskRunID: task.ID, Message: "said"})
	}
	require.NoError(c.t, TakeLogs(c.t.Context(), c, lines))
	c.put(c.layout.Of(parent), func(tx *store.Tx) {
		store.FlowRunInputs.Put(tx, &prefect.FlowRunInput{ID: c.NewID(), FlowRunID: parent, Key: "k"})
	})
	finish(parent)
	require.NoError(c.t, c.Settle(c.t.Context(), 0))
	return parent, child
}

func TestFlowRunRetention(t *testing.T) {
	c := newTestCluster(t, 2)
	require.Zero(t, c.round("db_vacuum_flow_runs"), "off by default")
	c.settings.Vacuum.Of = []string{"flow_runs"}
	for range 5 {
		c.family(3, 3)
	}
	c.family(300, 2500)
	going := c.runningFlowRun(prefect.FlowRunPolicy{}).ID
	c.advance(89 * prefect.Day)
	kept, keptChild := c.family(2, 2)
	require.Zero(t, c.round("db_vacuum_flow_runs"))
	c.advance(2 * prefect.Day)
	c.largest = 0
	removed := c.round("db_vacuum_flow_runs")
	for again := -1; again != 0; removed += again {
		again = c.round("db_vacuum_flow_runs") // what was in another group than its parent
	}
	require.Equal(t, 12, removed)
	require.LessOrEqual(t, c.largest, stepKeys)
	counts := map[string]int{}
	for _, group := range c.layout.RunGroups() {
		counts["flow runs"] += rows(c, group, store.FlowRuns)
		counts["their states"] += rows(c, group, store.FlowRunStates)
		counts["task runs"] += rows(c, group, store.TaskRuns)
		counts["task run states"] += rows(c, group, store.TaskRunStates)
		counts["logs"] += rows(c, group, store.Logs)
		counts["inputs"] += rows(c, group, store.FlowRunInputs)
		counts["artifacts"] += rows(c, group, store.Artifacts)
		counts["messages"] += rows(c, group, store.Outbox)
	}
	require.Equal(t, map[string]int{
		"flow runs": 3, "their states": 5, "task runs": 2, "task run states": 6, "logs": 2, "inputs": 1, "artifacts": 3, "messages": 0,
	}, counts)
	for _, id := range []prefect.ID{going, kept, keptChild} {
		c.readFlowRun(id)
	}
}

// All runs that ran as a task run lose their parent with it.
func TestEarlierSubflowsGoToo(t *testing.T) {
	c := newTestCluster(t, 2)
	c.settings.Vacuum.Of = []string{"flow_runs"}
	parent := c.runningFlowRun(prefect.FlowRunPolicy{}).ID
	task := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: parent})
	for range 3 {
		c.newFlowRun(prefect.FlowRunCreate{ParentTaskRunID: task.ID, State: stateCreate(prefect.Failed, "")})
	}
	c.setFlowRun(parent, stateCreate(prefect.Failed, ""))
	c.advance(91 * prefect.Day)
	require.Equal(t, 4, c.round("db_vacuum_flow_runs"))
}

// A run that goes on between the look and the operation is kept.
func TestRunsThatGoOnAreKept(t *testing.T) {
	c := newTestCluster(t, 1)
	c.settings.Vacuum.Of = []string{"flow_runs"}
	run, _ := c.family(1, 1)
	c.advance(91 * prefect.Day)
	c.gate = func(_ int, op Operation) error {
		if _, ok := op.(*DeleteOldFlowRuns); ok && c.readFlowRun(run).StateType == prefect.Completed {
			c.forceFlowRun(run, stateCreate(prefect.Running, ""))
		}
		return nil
	}
	require.Zero(t, c.round("db_vacuum_flow_runs"))
	require.Equal(t, "Running", c.readFlowRun(run).State.Name)
	require.Equal(t, 1, rows(c, 1, store.Logs))
}

func TestOrphans(t *testing.T) {
	c := newTestCluster(t, 2)
	require.Zero(t, c.round("db_vacuum_orphans"), "off by default")
	c.settings.Vacuum.Of = []string{"orphans"}
	run := c.flowRun()
	task := c.newTaskRun(prefect.TaskRunCreate{}).ID
	gone, goneTask, early := c.NewID(), c.NewID(), c.NewID()
	say := func(n int, l prefect.LogCreate) {
		lines := make([]prefect.LogCreate, n)
		for i := range lines {
			l.Timestamp = c.Now()
			lines[i] = l
		}
		require.NoError(t, TakeLogs(t.Context(), c, lines))
	}
	say(1, prefect.LogCreate{FlowRunID: run})
	say(1, prefect.LogCreate{TaskRunID: task})
	say(2000, prefect.LogCreate{FlowRunID: gone})
	say(2, prefect.LogCreate{TaskRunID: goneTask})
	say(300, prefect.LogCreate{})
	c.advance(2 * prefect.Hour)
	say(1, prefect.LogCreate{FlowRunID: early})
	c.largest = 0
	logs := func() int { return rows(c, 1, store.Logs) + rows(c, 2, store.Logs) }
	c.round("db_vacuum_orphans")
	require.Equal(t, 1+1+300+1, logs())
	require.LessOrEqual(t, c.largest, stepKeys)
	c.advance(91 * prefect.Day)
	require.Equal(t, 300+1, c.round("db_vacuum_orphans"))
	require.Equal(t, 2, logs())
	require.Zero(t, c.round("db_vacuum_orphans"))
}

// The room of what was removed is used again.
func TestFilesDoNotGrow(t *testing.T) {
	c := newTestCluster(t, 1)
	c.settings.Vacuum.Of = []string{"events", "flow_runs"}
	var sizes []int64
	for range 12 {
		c.happen(1, 4000, "something")
		for range 10 {
			c.family(20, 200)
		}
		c.advance(91 * prefect.Day)
		require.Positive(t, c.round("db_vacuum_events"))
		require.Positive(t, c.round("db_vacuum_flow_runs"))
		require.NoError(t, c.dbs[1].Sync())
		require.NoError(t, c.dbs[1].ViewFile(func(tx *store.Tx) error {
			used, err := tx.WriteTo(io.Discard) // all pages that ever were in use
			sizes = append(sizes, used)
			return err
		}))
	}
	require.Less(t, sizes[11], 4*sizes[0], "%v", sizes) // it would be twelve times as much
}
