package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// A subflow run is made in its parent's group, unless it must be elsewhere: the
// parent task run follows wherever it is.
func TestParentTaskRunFollows(t *testing.T) {
	for name, key := range map[string]*string{"beside it": nil, "anywhere": new("key")} {
		t.Run(name, func(t *testing.T) {
			c := newTestCluster(t, 4)
			elsewhere := 0
			for range 8 {
				parent := c.runningFlowRun(prefect.FlowRunPolicy{})
				task := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: parent.ID, Tags: []string{"of the task"}})
				child := c.newFlowRun(prefect.FlowRunCreate{ParentTaskRunID: task.ID, IdempotencyKey: key, Tags: []string{"of the run"}})
				if c.layout.Of(child.ID) != c.layout.Of(parent.ID) {
					elsewhere++
				}
				require.Equal(t, task.ID, child.State.Details.TaskRunID)
				for _, s := range []*prefect.StateCreate{stateCreate(prefect.Running, "Going"), cached(prefect.Completed, "k")} {
					s.Data, s.Message = prefect.JSON(`{"storage_key":"k"}`), new("told")
					o := c.setFlowRun(child.ID, s)
					now := c.readTaskRun(task.ID)
					require.Equal(t, s.Type, now.StateType)
					require.Equal(t, o.State.Name, now.State.Name)
					require.Equal(t, o.State.Timestamp, now.State.Timestamp)
					require.Equal(t, "told", *now.State.Message)
					require.Equal(t, string(s.Data), string(now.State.Data))
					require.NotEqual(t, o.State.ID, now.StateID)
					require.Equal(t, child.ID, now.State.Details.ChildFlowRunID)
					require.Equal(t, parent.ID, now.State.Details.FlowRunID)
					require.Equal(t, task.ID, now.State.Details.TaskRunID)
					require.Equal(t, child.ID, now.SubflowRunID)
				}
				now := c.readTaskRun(task.ID)
				require.Equal(t, 1, now.RunCount)
				require.NotZero(t, now.EndTime)
				e := c.eventsOf(child.ID)
				last := e[len(e)-1]
				require.Contains(t, last.Related, prefect.Resource{
					"prefect.resource.id": "prefect.task-run." + task.ID.String(), "prefect.resource.name": task.Name, "prefect.resource.role": "task-run",
				})
				require.Contains(t, last.Related, prefect.Resource{"prefect.resource.id": "prefect.tag.of the task", "prefect.resource.role": "tag"})
			}
			require.Equal(t, key != nil, elsewhere > 0)
			for _, group := range c.layout.RunGroups() {
				require.Zero(t, view(c, group, func(tx *store.Tx) int { return store.TaskRunCache.Count(tx, store.Range{}) }),
					"a mirrored state is no entry of the cache")
			}
		})
	}
}

// Without a word of where the parent is, every group is told, and one takes it.
func TestParentTaskRunIsFound(t *testing.T) {
	c := newTestCluster(t, 4)
	parent := c.runningFlowRun(prefect.FlowRunPolicy{})
	task := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: parent.ID})
	child := c.newFlowRun(prefect.FlowRunCreate{ParentTaskRunID: task.ID, IdempotencyKey: new("k")})
	must[*Orchestration](c, c.layout.Of(child.ID), &SetFlowRunState{RunID: child.ID, State: *stateCreate(prefect.Running, "")})
	require.NoError(t, c.Settle(t.Context(), 0))
	require.Equal(t, "Running", c.readTaskRun(task.ID).State.Name)
	require.Equal(t, 1, c.readTaskRun(task.ID).RunCount)
}
