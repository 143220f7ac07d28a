package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

func TestFlowRunsAreRetried(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.runningFlowRun(prefect.FlowRunPolicy{Retries: new(2), RetryDelay: new(7), PauseKeys: prefect.StringSet{"k"}})
	failed := stateCreate(prefect.Failed, "TimedOut")
	failed.Message, failed.Data = new("too slow"), prefect.JSON(`{"error":1}`)
	for attempt := 1; attempt <= 2; attempt++ {
		o := c.setFlowRun(run.ID, failed)
		o.replaced(t, "AwaitingRetry", "Retrying")
		require.Equal(t, prefect.Scheduled, o.State.Type)
		require.Equal(t, o.State.Timestamp.Add(7*prefect.Second), o.State.Details.ScheduledTime)
		require.Equal(t, "too slow", *o.State.Message)
		require.Equal(t, `{"error":1}`, string(o.State.Data))
		now := c.readFlowRun(run.ID)
		require.Equal(t, o.State.Details.ScheduledTime, now.NextScheduledStartTime)
		require.Equal(t, prefect.InProcess, now.EmpiricalPolicy.RetryType)
		require.Empty(t, now.EmpiricalPolicy.PauseKeys, "a new attempt pauses again")
		require.Equal(t, attempt, now.RunCount)

		o = c.setFlowRun(run.ID, stateCreate(prefect.Running, ""))
		require.Equal(t, waiting, o.Status)
		c.advance(7 * prefect.Second)
		c.setFlowRun(run.ID, stateCreate(prefect.Running, "Retrying")).accepted(t, "Retrying")
		require.Zero(t, c.readFlowRun(run.ID).NextScheduledStartTime)
	}
	c.setFlowRun(run.ID, failed).accepted(t, "TimedOut")
	now := c.readFlowRun(run.ID)
	require.Equal(t, 3, now.RunCount)
	require.Equal(t, prefect.NoRetryType, now.EmpiricalPolicy.RetryType)
	require.NotZero(t, now.EndTime)
}

// Before version 0.8.3 of the API a retry runs the failed tasks again, with all
// their retries before them, and knows nothing of pauses.
func TestRetriesOfOldClients(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.runningFlowRun(prefect.FlowRunPolicy{Retries: new(1), PauseKeys: prefect.StringSet{"k"}})
	bad, good := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: run.ID}), c.newTaskRun(prefect.TaskRunCreate{FlowRunID: run.ID})
	for _, task := range []*prefect.TaskRun{bad, good} {
		c.setTaskRun(task.ID, stateCreate(prefect.Running, "")).accepted(t, "Running")
	}
	c.setTaskRun(bad.ID, stateCreate(prefect.Failed, "")).accepted(t, "Failed")
	c.setTaskRun(good.ID, stateCreate(prefect.Completed, "")).accepted(t, "Completed")

	o := c.proposeForFlowRun(SetFlowRunState{RunID: run.ID, State: *stateCreate(prefect.Failed, ""), Client: ClientInfo{APIVersion: "0.8.2"}})
	o.replaced(t, "AwaitingRetry", "Retrying")
	require.Equal(t, prefect.StringSet{"k"}, c.readFlowRun(run.ID).EmpiricalPolicy.PauseKeys)
	require.Equal(t, "Completed", c.readTaskRun(good.ID).State.Name)
	again := c.readTaskRun(bad.ID)
	require.Equal(t, "AwaitingRetry", again.State.Name)
	require.Equal(t, o.State.Details.ScheduledTime, again.State.Details.ScheduledTime)
	require.Zero(t, again.RunCount)
}

func TestWaitIsRounded(t *testing.T) {
	for ahead, seconds := range map[prefect.Duration]int{
		-prefect.Second:                                0,
		200 * prefect.Millisecond:                      0,
		500 * prefect.Millisecond:                      0, // halves go to the even neighbour
		500*prefect.Millisecond + 1:                    1,
		1400 * prefect.Millisecond:                     1,
		1500 * prefect.Millisecond:                     1,
		1500*prefect.Millisecond + 1:                   2,
		prefect.Hour - prefect.Millisecond:             3600,
		prefect.Hour + 499*prefect.Millisecond:         3600,
		48*prefect.Hour + 900*prefect.Millisecond + 12: 172801,
	} {
		c := newTestCluster(t, 1)
		run := c.newFlowRun(prefect.FlowRunCreate{})
		c.put(1, func(tx *store.Tx) {
			ctx := &Context{Tx: tx, Now: c.Now(), Rand: c.random, Settings: c.settings, Groups: c.layout, Group: 1}
			planned := stateCreate(prefect.Scheduled, "")
			planned.Details.ScheduledTime = ctx.Now.Add(ahead)
			_, err := (&SetFlowRunState{RunID: run.ID, State: *planned}).Run(ctx)
			require.NoError(t, err)
			answer, err := (&SetFlowRunState{RunID: run.ID, State: *stateCreate(prefect.Running, "")}).Run(ctx)
			require.NoError(t, err)
			o := answer.(*Orchestration)
			if seconds == 0 {
				o.accepted(t, "Running")
				return
			}
			o.refused(t, waiting, "Scheduled time is in the future")
			require.Equal(t, seconds, *o.Details.DelaySeconds)
			require.Equal(t, "Scheduled", o.State.Name)
		})
	}
}

// paused is a proposal to pause with a key and a deadline an hour away.
func (c *testCluster) paused(name, pauseKey string) *prefect.StateCreate {
	s := stateCreate(prefect.Paused, name)
	s.Details.PauseKey, s.Details.PauseTimeout = &pauseKey, c.now.Add(prefect.Hour)
	return s
}

func TestPauseKeys(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.runningFlowRun(prefect.FlowRunPolicy{})
	c.setFlowRun(run.ID, c.paused("", "one")).accepted(t, "Paused")
	require.Equal(t, prefect.StringSet{"one"}, c.readFlowRun(run.ID).EmpiricalPolicy.PauseKeys)
	c.setFlowRun(run.ID, c.paused("", "two")).refused(t, rejected, "Cannot pause flows that are not currently running.")
	c.setFlowRun(run.ID, stateCreate(prefect.Running, "")).accepted(t, "Running")
	c.setFlowRun(run.ID, c.paused("", "one")).refused(t, rejected, "This pause has already fired.")
	c.setFlowRun(run.ID, c.paused("Suspended", "one")).refused(t, rejected, "This suspend has already fired.")
	c.setFlowRun(run.ID, c.paused("", "two")).accepted(t, "Paused")
	require.ElementsMatch(t, []string{"one", "two"}, c.readFlowRun(run.ID).EmpiricalPolicy.PauseKeys)

	c.setFlowRun(run.ID, stateCreate(prefect.Running, ""))
	nameless := c.paused("", "")
	nameless.Details.PauseKey = nil
	o := c.setFlowRun(run.ID, nameless)
	o.accepted(t, "Paused")
	require.Nil(t, o.State.Details.PauseKey, "the key that a pause without one gets is not told")
	require.Len(t, c.readFlowRun(run.ID).EmpiricalPolicy.PauseKeys, 3)

	// A forced pause is not remembered, and a new attempt forgets them all.
	c.setFlowRun(run.ID, stateCreate(prefect.Running, ""))
	c.forceFlowRun(run.ID, c.paused("", "four")).accepted(t, "Paused")
	require.Len(t, c.readFlowRun(run.ID).EmpiricalPolicy.PauseKeys, 3)
	c.setFlowRun(run.ID, stateCreate(prefect.Scheduled, "")).accepted(t, "Scheduled")
	require.Empty(t, c.readFlowRun(run.ID).EmpiricalPolicy.PauseKeys)
	require.Equal(t, prefect.Reschedule, c.readFlowRun(run.ID).EmpiricalPolicy.RetryType)
}

func TestPauseDeletesOldInputs(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.runningFlowRun(prefect.FlowRunPolicy{})
	for _, name := range []string{"p-schema", "p-response", "other"} {
		must[any](c, 1, &CreateInput{RunID: run.ID, Body: prefect.FlowRunInputCreate{Key: name, Value: "1"}})
	}
	pause := c.paused("", "p")
	pause.Details.RunInputKeyset = prefect.StringMap{"schema": "p-schema", "response": "p-response"}
	c.setFlowRun(run.ID, pause).accepted(t, "Paused")
	left, err := Ask[[]*prefect.FlowRunInput](t.Context(), c, 1, &FilterInputs{RunID: run.ID, Body: prefect.FlowRunInputFilter{Limit: 10}})
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, "other", left[0].Key)
}

func TestSuspending(t *testing.T) {
	c := newTestCluster(t, 1)
	suspend := c.paused("Suspended", "s")
	suspend.Details.PauseReschedule = true
	c.setFlowRun(c.runningFlowRun(prefect.FlowRunPolicy{}).ID, suspend).refused(t, aborted, "Cannot suspend flows without a deployment.")

	task := c.newTaskRun(prefect.TaskRunCreate{})
	child := c.newFlowRun(prefect.FlowRunCreate{ParentTaskRunID: task.ID, State: stateCreate(prefect.Running, "")})
	c.setFlowRun(child.ID, suspend).refused(t, aborted, "Cannot suspend subflows.")

	run := c.newFlowRun(prefect.FlowRunCreate{DeploymentID: c.NewID(), State: stateCreate(prefect.Running, "")})
	c.setFlowRun(run.ID, suspend).accepted(t, "Suspended")
	o := c.setFlowRun(run.ID, stateCreate(prefect.Cancelling, ""))
	o.replaced(t, "Cancelled", "Suspended flow run has no infrastructure to terminate.")
}

func (c *testCluster) resuming(id prefect.ID) bool {
	is := c.readFlowRun(id).EmpiricalPolicy.Resuming
	return is != nil && *is
}

// Resuming is noted after the state is written: a run that goes on in its process
// counts as one more attempt, one that was suspended does not.
func TestRunCountOfResumedRuns(t *testing.T) {
	c := newTestCluster(t, 1)
	blocking := c.runningFlowRun(prefect.FlowRunPolicy{})
	c.setFlowRun(blocking.ID, c.paused("", "k")).accepted(t, "Paused")
	c.setFlowRun(blocking.ID, stateCreate(prefect.Running, "")).accepted(t, "Running")
	require.Equal(t, 2, c.readFlowRun(blocking.ID).RunCount)
	require.True(t, c.resuming(blocking.ID))
	c.setFlowRun(blocking.ID, stateCreate(prefect.Completed, ""))
	require.False(t, c.resuming(blocking.ID))

	suspended := c.newFlowRun(prefect.FlowRunCreate{DeploymentID: c.newDeployment().ID, State: stateCreate(prefect.Running, "")})
	suspend := c.paused("Suspended", "s")
	suspend.Details.PauseReschedule = true
	c.setFlowRun(suspended.ID, suspend).accepted(t, "Suspended")
	o, err := ResumeRun(t.Context(), c, suspended.ID, nil, ClientInfo{})
	require.NoError(t, err)
	o.accepted(t, "Resuming")
	require.True(t, c.resuming(suspended.ID))
	c.setFlowRun(suspended.ID, stateCreate(prefect.Pending, "")).accepted(t, "Pending")
	c.setFlowRun(suspended.ID, stateCreate(prefect.Running, "")).accepted(t, "Running")
	require.Equal(t, 1, c.readFlowRun(suspended.ID).RunCount)
	require.False(t, c.resuming(suspended.ID))
	require.Equal(t, prefect.StringSet{"s"}, c.readFlowRun(suspended.ID).EmpiricalPolicy.PauseKeys)

	old := c.runningFlowRun(prefect.FlowRunPolicy{Resuming: new(true)})
	require.Equal(t, 0, old.RunCount, "it was made resuming")
	client := ClientInfo{APIVersion: "0.8.3"}
	c.proposeForFlowRun(SetFlowRunState{RunID: old.ID, State: *stateCreate(prefect.Running, ""), Client: client})
	require.Equal(t, 1, c.readFlowRun(old.ID).RunCount, "an old client knows nothing of resuming")
}

// A refused way out of a pause marks the run all the same.
func TestRefusedResumeMarksTheRun(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.runningFlowRun(prefect.FlowRunPolicy{})
	c.setFlowRun(run.ID, c.paused("", "k"))
	before := c.readFlowRun(run.ID)
	require.False(t, c.resuming(run.ID))
	o := c.setFlowRun(run.ID, stateCreate(prefect.Pending, ""))
	o.refused(t, rejected, "This run cannot transition to the StateType.PENDING state from the StateType.PAUSED state.")
	after := c.readFlowRun(run.ID)
	require.True(t, c.resuming(run.ID))
	require.Equal(t, before.StateID, after.StateID)
}

func TestExpiredPauses(t *testing.T) {
	for name, tc := range map[string]struct{ proposed, verb, message string }{
		"any":       {"", "pause", "The flow was running and never resumed."},
		"suspended": {"Suspended", "suspend", "The flow was suspended and never resumed."},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestCluster(t, 1)
			run := c.runningFlowRun(prefect.FlowRunPolicy{})
			c.setFlowRun(run.ID, c.paused("", "k"))
			c.advance(2 * prefect.Hour)
			o := c.setFlowRun(run.ID, stateCreate(prefect.Running, tc.proposed))
			o.replaced(t, "Failed", "The flow run "+tc.verb+" has timed out and can no longer resume.")
			require.Equal(t, tc.message, *o.State.Message)
		})
	}
}

func TestSameTransitionTwice(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.newFlowRun(prefect.FlowRunCreate{})
	running := stateCreate(prefect.Running, "")
	running.Details.TransitionID = c.NewID()
	first := c.setFlowRun(run.ID, running)
	first.accepted(t, "Running")
	again := c.setFlowRun(run.ID, running)
	again.refused(t, rejected, "This run has already made this state transition.")
	require.Equal(t, first.State.ID, again.State.ID)
	c.setFlowRun(run.ID, stateCreate(prefect.Running, ""))
	c.setFlowRun(run.ID, running).accepted(t, "Running") // only the latest state is looked at
}

func TestLeasesAreCarriedAlong(t *testing.T) {
	c := newTestCluster(t, 1)
	lease := c.NewID()
	planned := stateCreate(prefect.Scheduled, "")
	planned.Details.DeploymentLeaseID = lease
	run := c.newFlowRun(prefect.FlowRunCreate{State: planned, EmpiricalPolicy: prefect.FlowRunPolicy{Retries: new(1)}})
	for _, s := range []*prefect.StateCreate{
		stateCreate(prefect.Pending, ""), stateCreate(prefect.Pending, "Submitting"), stateCreate(prefect.Running, ""),
		stateCreate(prefect.Failed, ""), stateCreate(prefect.Running, "Retrying"), stateCreate(prefect.Completed, ""),
	} {
		o := c.setFlowRun(run.ID, s)
		require.True(t, o.Created)
		require.Equal(t, lease, o.State.Details.DeploymentLeaseID, o.State.Name)
	}
}

func TestMarkingLate(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.newFlowRun(prefect.FlowRunCreate{State: stateCreate(prefect.Scheduled, "")})
	mark := func() *Orchestration {
		var o *Orchestration
		c.put(c.layout.Of(run.ID), func(tx *store.Tx) {
			ctx := &Context{Tx: tx, Now: c.Now(), Rand: c.random, Settings: c.settings, Groups: c.layout, Group: 1}
			var err error
			o, err = ctx.orchestrateFlowRun(flowRun(tx, run.ID), ctx.newState(run.ID, prefect.Scheduled, "Late"), markLatePolicy, ClientInfo{}, Surroundings{})
			require.NoError(t, err)
		})
		return o
	}
	mark().accepted(t, "Late")
	mark().refused(t, rejected, "This flow run is already marked late.")
	c.setFlowRun(run.ID, stateCreate(prefect.Running, ""))
	mark().refused(t, rejected, "Only scheduled flows can be marked late.")
}

func TestBulkSetState(t *testing.T) {
	c := newTestCluster(t, 3)
	flow := c.newFlow()
	var ids []prefect.ID
	for range 6 {
		ids = append(ids, c.newFlowRun(prefect.FlowRunCreate{FlowID: flow.ID}).ID)
	}
	c.setFlowRun(ids[0], stateCreate(prefect.Completed, ""))
	results, err := ChangeFlowRunStates(t.Context(), c, prefect.FlowRunsBulkSetState{
		FlowRuns: &prefect.FlowRunFilter{ID: &prefect.FilterIDNot{Any: ids}}, State: *stateCreate(prefect.Crashed, ""), Limit: 50,
	}, ClientInfo{})
	require.NoError(t, err)
	require.Len(t, results, 6)
	for _, r := range results {
		if r.FlowRunID == ids[0] {
			require.Equal(t, aborted, r.Status)
			require.Equal(t, "Run is already in terminal state COMPLETED.", *r.Details.Reason)
			continue
		}
		require.Equal(t, accepted, r.Status)
		require.Equal(t, "Crashed", c.readFlowRun(r.FlowRunID).State.Name)
	}
}
