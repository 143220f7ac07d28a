package ops

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// deferred makes a task run that waits for a task worker.
func (c *testCluster) deferred(taskKey, name string) *prefect.TaskRun {
	c.advance(prefect.Second)
	body := prefect.TaskRunCreate{TaskKey: taskKey, DynamicKey: c.NewID().String()}
	body.Name, body.State = &name, deferredState("")
	return c.newTaskRun(body)
}

func deferredState(name string) *prefect.StateCreate {
	s, yes := stateCreate(prefect.Scheduled, name), true
	s.Details.Deferred = &yes
	return s
}

func (c *testCluster) nextTask(keys ...string) *ClaimedTask {
	task, err := NextTask(c.t.Context(), c, keys)
	require.NoError(c.t, err)
	return task
}

func (c *testCluster) queued() (n int) {
	for _, group := range c.layout.RunGroups() {
		n += view(c, group, func(tx *store.Tx) int { return store.TaskQueue.Count(tx, store.Range{}) })
	}
	return n
}

func TestTaskWorkersGetWhatIsTheirsInTurn(t *testing.T) {
	c := newTestCluster(t, 1)
	news := c.hub.NextQueued()
	for _, r := range []struct{ key, name string }{{"b", "b1"}, {"a", "a1"}, {"other", "o1"}, {"a", "a2"}} {
		c.deferred(r.key, r.name)
	}
	select {
	case <-news:
	default:
		t.Fatal("nobody was told")
	}
	retried := c.deferred("b", "b2")
	c.setTaskRun(retried.ID, deferredState("AwaitingRetry"))
	require.Equal(t, 5, c.queued(), "a run waits once")
	for _, want := range []string{"a1", "a2", "b2", "b1"} {
		task := c.nextTask("a", "b")
		require.Equal(t, want, task.Name)
		require.Equal(t, prefect.Scheduled, task.State.Type)
		require.NoError(t, task.Settle(t.Context(), TaskTaken))
	}
	require.Nil(t, c.nextTask("a", "b"))
	require.Equal(t, 1, c.queued())
}

func TestEveryGroupsTasksAreHandedOutOnce(t *testing.T) {
	c := newTestCluster(t, 3)
	for n := range 30 {
		c.deferred("t", fmt.Sprint(n))
	}
	seen := map[prefect.ID]bool{}
	for range 30 {
		task := c.nextTask("t")
		require.NotNil(t, task)
		require.False(t, seen[task.ID])
		seen[task.ID] = true
	}
	require.Nil(t, c.nextTask("t"))
	require.Equal(t, 30, c.queued(), "none was taken yet")
}

func TestATaskThatAWorkerDoesNotTakeIsAnothers(t *testing.T) {
	c := newTestCluster(t, 1)
	lost, late := c.deferred("t", "lost"), c.deferred("t", "late")
	first, second := c.nextTask("t"), c.nextTask("t")
	require.Equal(t, []prefect.ID{lost.ID, late.ID}, []prefect.ID{first.ID, second.ID})
	require.NoError(t, first.Settle(t.Context(), TaskLost))
	again := c.nextTask("t")
	require.Equal(t, lost.ID, again.ID)
	require.NoError(t, first.Settle(t.Context(), TaskTaken), "of a claim that ended")
	require.Equal(t, 2, c.queued())

	// Nobody speaks for the second claim any more: its node died.
	c.advance(TaskClaim / 2)
	require.NoError(t, again.Settle(t.Context(), TaskHeld))
	c.advance(TaskClaim * 3 / 4)
	third := c.nextTask("t")
	require.Equal(t, late.ID, third.ID)
	require.Nil(t, c.nextTask("t"), "the other is held")
	require.NoError(t, second.Settle(t.Context(), TaskLost))
	require.Nil(t, c.nextTask("t"), "too late to give it back")
	require.NoError(t, third.Settle(t.Context(), TaskTaken))
	require.NoError(t, again.Settle(t.Context(), TaskTaken))
	require.Zero(t, c.queued())
}

func TestTasksThatNeedNoWorkerAreNotHandedOut(t *testing.T) {
	c := newTestCluster(t, 1)
	c.newTaskRun(prefect.TaskRunCreate{TaskKey: "t", DynamicKey: "1", State: stateCreate(prefect.Scheduled, "")})
	gone, cancelled := c.deferred("t", "gone"), c.deferred("t", "cancelled")
	require.NoError(t, RemoveTaskRun(t.Context(), c, gone.ID))
	c.setTaskRun(cancelled.ID, stateCreate(prefect.Cancelled, ""))
	require.Nil(t, c.nextTask("t"))
	require.Zero(t, c.queued())
}
