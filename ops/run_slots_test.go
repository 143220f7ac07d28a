package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// taggedTask makes a task run with tags.
func taggedTask(c *testCluster, tags ...string) prefect.ID {
	id := c.NewID()
	group := c.layout.Of(id)
	made := must[Upserted[prefect.TaskRun]](c, group, &CreateTaskRun{ID: id, Body: prefect.TaskRunCreate{
		TaskKey: "t", DynamicKey: id.String(), Tags: tags,
	}})
	return made.Object.ID
}

func TestTaskRunsTakeSlotsOfTheirTags(t *testing.T) {
	c := newTestCluster(t, 4)
	must[Upserted[prefect.TagLimit]](c, Coordination, &SetTagLimit{prefect.TagLimitCreate{Tag: "red", Limit: 1}})
	must[Upserted[prefect.TagLimit]](c, Coordination, &SetTagLimit{prefect.TagLimitCreate{Tag: "zero"}})
	set := func(run prefect.ID, to prefect.StateType) *Orchestration {
		name := to.Title()
		o, err := ChangeTaskRunState(t.Context(), c, SetTaskRunState{RunID: run, State: prefect.StateCreate{Type: to, Name: &name}})
		require.NoError(t, err)
		return o
	}
	lease := func() (lease *store.Lease) {
		return view(c, Coordination, func(tx *store.Tx) (found *store.Lease) {
			for l := range store.Leases.Rows(tx, store.Range{}) {
				found = l
			}
			return found
		})
	}
	first, second, third := taggedTask(c, "red", "free"), taggedTask(c, "red"), taggedTask(c, "zero")
	require.Equal(t, accepted, set(first, prefect.Running).Status)
	require.Equal(t, first, lease().Holder)
	require.Greater(t, lease().Expiration, c.Now().Add(prefect.Day), "it has the slot for as long as it takes")

	o := set(second, prefect.Running)
	require.Equal(t, waiting, o.Status)
	require.Equal(t, "Concurrency limit reached for tags: red", *o.Details.Reason)
	require.Positive(t, *o.Details.DelaySeconds)
	o = set(third, prefect.Running)
	require.Equal(t, aborted, o.Status)
	require.Contains(t, *o.Details.Reason, "will deadlock")

	makeLimit(c, "database", 1, 0)
	must[SlotsTaken](c, Coordination, &TakeSlots{Names: []string{"database"}, Slots: 1, Lease: prefect.Minute, HolderType: taskRunHolder, Holder: first})
	require.Equal(t, accepted, set(first, prefect.Completed).Status)
	require.Equal(t, 1, takenOf(t, c, "database"), "that is the run's own affair")
	require.Zero(t, takenOf(t, c, "tag:red"), "at once")
	require.Equal(t, accepted, set(second, prefect.Running).Status)
	require.Equal(t, 1, takenOf(t, c, "tag:red"))

	// One whose answer was lost asks again: it is not in its own way.
	c.put(c.layout.Of(second), func(tx *store.Tx) {
		task := taskRun(tx, second)
		task.StateType = prefect.Pending
		store.TaskRuns.Put(tx, task)
	})
	slots := must[RunSlots](c, Coordination, &TakeRunSlots{Tags: []string{"red"}, RunID: second})
	require.False(t, slots.Lease.IsNull())
	require.Equal(t, 1, takenOf(t, c, "tag:red"))

	// What a run did not come to take is free when the lease ends.
	c.advance(2 * prefect.Minute)
	_, err := repossessor.Round(t.Context(), c, Coordination)
	require.NoError(t, err)
	require.Zero(t, takenOf(t, c, "tag:red"))
}
