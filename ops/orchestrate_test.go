package ops

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// tracer is a rule that notes which of its hooks run.
func tracer(notes *[]string, name string, to stateSet, before func(t *transition)) rule {
	note := func(what string) { *notes = append(*notes, name+" "+what) }
	return rule{
		name: name, from: anyState, to: to,
		before: func(t *transition) {
			note("before")
			if before != nil {
				before(t)
			}
		},
		after:   func(*transition) { note("after") },
		cleanup: func(*transition) { note("cleanup") },
	}
}

func TestRulesAreLeftInReverse(t *testing.T) {
	running := states(prefect.Running)
	failed := func(t *transition) { t.reject(t.c.newState(t.run.id, prefect.Failed, "Failed"), "no") }
	refuse := func(t *transition) { t.reject(nil, "no") }
	again := func(t *transition) { t.reject(t.c.newState(t.run.id, prefect.Running, "Again"), "again") }
	for name, tc := range map[string]struct {
		second func(t *transition)
		to     stateSet // of the second rule
		notes  []string
		state  string
	}{
		"all agree": {nil, running, []string{
			"1 before", "2 before", "3 before", "transform", "3 after", "2 after", "1 after"}, "Running"},
		"another type, which the rule does not govern": {failed, running, []string{
			"1 before", "2 before", "transform", "1 cleanup"}, "Failed"},
		"another type, which the rule governs": {failed, anyState, []string{
			"1 before", "2 before", "transform", "2 after", "1 cleanup"}, "Failed"},
		"nothing": {refuse, running, []string{
			"1 before", "2 before", "transform", "1 cleanup"}, ""},
		"nothing, by a rule for everything": {refuse, anyState, []string{
			"1 before", "2 before", "transform", "2 after", "1 cleanup"}, ""},
		"another state of the same type": {again, running, []string{
			"1 before", "2 before", "3 before", "transform", "3 after", "2 after", "1 after"}, "Again"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestCluster(t, 1)
			c.put(1, func(tx *store.Tx) {
				var notes []string
				ctx := &Context{Tx: tx, Now: c.Now(), Rand: c.random, Settings: c.settings, Groups: c.layout, Group: 1}
				policy := []rule{
					tracer(&notes, "1", running, nil),
					tracer(&notes, "2", tc.to, tc.second),
					tracer(&notes, "3", running, nil),
					{name: "transform", always: true, before: func(*transition) { notes = append(notes, "transform") }},
					tracer(&notes, "other", states(prefect.Paused), nil),
				}
				run := &prefect.FlowRun{ID: c.NewID()}
				o, err := ctx.orchestrateFlowRun(run, ctx.newState(run.ID, prefect.Running, "Running"), policy, ClientInfo{}, Surroundings{})
				require.NoError(t, err)
				require.Equal(t, tc.notes, notes)
				if tc.state == "" {
					require.Nil(t, o.State)
					require.Nil(t, flowRun(tx, run.ID), "nothing is written")
					return
				}
				require.Equal(t, tc.state, o.State.Name)
				require.Equal(t, tc.state, *flowRun(tx, run.ID).StateName)
			})
		})
	}
}

func TestUnknownRuns(t *testing.T) {
	c := newTestCluster(t, 3)
	id := c.NewID()
	var refusal *Error
	_, err := ChangeFlowRunState(t.Context(), c, SetFlowRunState{RunID: id, State: *stateCreate(prefect.Running, "")})
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, Error{Status: 404, Shape: ExceptionMessage, Detail: "Flow run with id " + id.String() + " not found"}, *refusal)
	_, err = ChangeTaskRunState(t.Context(), c, SetTaskRunState{RunID: id, State: *stateCreate(prefect.Running, "")})
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, Error{Status: 404, Shape: ExceptionMessage, Detail: "Task run with id " + id.String() + " not found"}, *refusal)
	_, err = ResumeRun(t.Context(), c, id, nil, ClientInfo{})
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, 404, refusal.Status)
}

func TestStatesOfARunAreAChain(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.newFlowRun(prefect.FlowRunCreate{})
	first := run.State
	second := c.setFlowRun(run.ID, stateCreate(prefect.Running, "")).State
	third := c.setFlowRun(run.ID, stateCreate(prefect.Completed, "")).State
	require.Equal(t, run.ID.Slot(), third.ID.Slot(), "a state's id is in the run's slot")
	require.EqualValues(t, 7, third.ID[6]>>4, "it is a UUIDv7")

	stored := view(c, 1, func(tx *store.Tx) *prefect.State { return store.FlowRunStates.Get(tx, key(third.ID)) })
	require.Equal(t, run.ID, stored.RunID)
	require.Equal(t, second.ID, stored.Previous)
	list, err := ListStates(t.Context(), c, &StatesOf{RunID: run.ID})
	require.NoError(t, err)
	var ids []prefect.ID
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	require.Equal(t, []prefect.ID{first.ID, second.ID, third.ID}, ids)

	now := c.readFlowRun(run.ID)
	require.Equal(t, third.ID, now.StateID)
	require.Equal(t, prefect.Completed, now.StateType)
	require.Equal(t, "Completed", *now.StateName)
	require.Equal(t, third.Timestamp, now.StateTimestamp)
	require.GreaterOrEqual(t, now.Updated, third.Timestamp)
}

// Several states may be set in one instant, or after the clock was set back.
func TestTimestampsOfAFlowRunAreUnique(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.newFlowRun(prefect.FlowRunCreate{})
	noon := at("2027-01-02T12:00:00Z")
	for _, now := range []prefect.Time{noon, noon, noon, noon - 5, noon - 5, noon} {
		c.put(1, func(tx *store.Tx) {
			ctx := &Context{Tx: tx, Now: now, Rand: c.random, Settings: c.settings, Groups: c.layout, Group: 1}
			_, err := (&SetFlowRunState{RunID: run.ID, State: *stateCreate(prefect.Running, ""), Force: true}).Run(ctx)
			require.NoError(t, err)
		})
	}
	list, err := ListStates(t.Context(), c, &StatesOf{RunID: run.ID})
	require.NoError(t, err)
	var times []prefect.Time
	for _, s := range list[1:] {
		times = append(times, s.Timestamp)
	}
	require.Equal(t, []prefect.Time{noon, noon + 1, noon + 2, noon + 3, noon + 4, noon + 5}, times)
}

func TestResultData(t *testing.T) {
	for name, tc := range map[string]struct {
		sent, answered, read string
		artifact             prefect.Artifact
	}{
		"none":         {"", "", "", prefect.Artifact{}},
		"a reference":  {`{"storage_key":"k","x":1.0}`, `{"storage_key":"k","x":1.0}`, `{"storage_key":"k","x":1.0}`, prefect.Artifact{}},
		"unpersisted":  {`{"type":"unpersisted","x":1}`, `{"type":"unpersisted","x":1}`, "", prefect.Artifact{}},
		"no object":    {`[1,"a"]`, `[1,"a"]`, `[1,"a"]`, prefect.Artifact{}},
		"for a person": {`{"artifact_key":"k","artifact_type":"result","artifact_description":"","z":1}`, `{"z":1}`, `{"z":1}`, prefect.Artifact{Key: new("k"), Type: new("result")}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestCluster(t, 1)
			run := c.runningFlowRun(prefect.FlowRunPolicy{})
			task := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: run.ID})
			done := stateCreate(prefect.Completed, "")
			done.Data = prefect.JSON(tc.sent)
			ofTask := c.setTaskRun(task.ID, done).State
			ofRun := c.setFlowRun(run.ID, done).State
			require.Equal(t, tc.answered, string(ofTask.Data))
			require.Equal(t, tc.answered, string(ofRun.Data))
			require.Equal(t, tc.read, string(c.readTaskRun(task.ID).State.Data))
			require.Equal(t, tc.read, string(c.readFlowRun(run.ID).State.Data))
			if tc.read == "" {
				require.Equal(t, 0, view(c, 1, func(tx *store.Tx) int { return store.Artifacts.Count(tx, store.Range{}) }))
				return
			}
			a := view(c, 1, func(tx *store.Tx) *prefect.Artifact { return store.Artifacts.Get(tx, key(ofTask.ResultArtifact)) })
			require.Equal(t, tc.artifact.Key, a.Key)
			require.Equal(t, tc.artifact.Type, a.Type)
			require.Nil(t, a.Description)
			require.Equal(t, run.ID, a.FlowRunID)
			require.Equal(t, task.ID, a.TaskRunID)
			a = view(c, 1, func(tx *store.Tx) *prefect.Artifact { return store.Artifacts.Get(tx, key(ofRun.ResultArtifact)) })
			require.Equal(t, run.ID, a.FlowRunID)
			require.Equal(t, prefect.NoID, a.TaskRunID)
		})
	}
}

// A run that has a result keeps it.
func TestResultsAreNotLost(t *testing.T) {
	const loss = "Cannot overwrite a COMPLETED state that carries persisted result data with one that does not."
	reference, other := prefect.JSON(`{"storage_key":"k"}`), prefect.JSON(`{"storage_key":"other"}`)
	for name, tc := range map[string]struct {
		kept, then prefect.JSON
		lost       bool
	}{
		"nothing instead":     {reference, nil, true},
		"unpersisted instead": {reference, prefect.JSON(`{"type":"unpersisted"}`), true},
		"a text instead":      {reference, prefect.JSON(`"x"`), true},
		"another instead":     {reference, other, false},
		"an empty one first":  {prefect.JSON(`{ }`), nil, false},
		"no reference first":  {prefect.JSON(`"x"`), nil, false},
	} {
		for _, force := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				c := newTestCluster(t, 1)
				run := c.runningFlowRun(prefect.FlowRunPolicy{})
				done := stateCreate(prefect.Completed, "")
				done.Data = tc.kept
				c.setFlowRun(run.ID, done).accepted(t, "Completed")
				done.Data = tc.then
				o := c.proposeForFlowRun(SetFlowRunState{RunID: run.ID, State: *done, Force: force})
				if tc.lost {
					o.refused(t, rejected, loss)
					require.Equal(t, string(tc.kept), string(o.State.Data))
				} else {
					o.accepted(t, "Completed")
				}
			})
		}
	}
}

func TestClientsVersions(t *testing.T) {
	for version, is := range map[string]struct{ pauses, resets bool }{
		"": {true, false}, "0.8.4": {true, false}, "1.0.0": {true, false}, "0.10.0": {true, false},
		"0.8.3": {false, false}, "0.8.2": {false, true}, "0.7.9": {false, true}, "x": {true, false}, "0.8": {true, false},
	} {
		client := ClientInfo{APIVersion: version}
		require.Equal(t, is.pauses, client.knowsPauses(), version)
		require.Equal(t, is.resets, client.resetsTasks(), version)
	}
}

// The policies hold the rules of the reference, in its order.
func TestPolicies(t *testing.T) {
	for _, p := range []struct {
		policy []rule
		names  string
	}{
		{coreFlowPolicy, `PreserveDeploymentConcurrencyLeaseId PreventDuplicateTransitions HandleFlowTerminalStateTransitions
			EnforceCancellingToCancelledTransition BypassCancellingFlowRunsWithNoInfra PreventPendingTransitions
			ValidateDeploymentConcurrencyAtRunning SecureFlowConcurrencySlots RemoveDeploymentConcurrencyLeaseForOldClientVersions
			EnsureOnlyScheduledFlowsMarkedLate HandlePausingFlows HandleResumingPausedFlows CopyScheduledTime WaitForScheduledTime
			RetryFailedFlows InstrumentFlowRunStateTransitions ReleaseFlowConcurrencySlots`},
		{minimalFlowPolicy, `PreserveDeploymentConcurrencyLeaseId PreventResultDataLoss BypassCancellingFlowRunsWithNoInfra
			InstrumentFlowRunStateTransitions ReleaseFlowConcurrencySlots`},
		{markLatePolicy, `EnsureOnlyScheduledFlowsMarkedLate EnforceDeploymentConcurrencyOnLate InstrumentFlowRunStateTransitions`},
		{coreTaskPolicy, `CacheRetrieval HandleTaskTerminalStateTransitions PreventRunningTasksFromStoppedFlows
			SecureTaskConcurrencySlots CopyScheduledTime WaitForScheduledTime RetryFailedTasks RenameReruns
			UpdateFlowRunTrackerOnTasks CacheInsertion ReleaseTaskConcurrencySlots`},
		{backgroundTaskPolicy, `PreventPendingTransitions CacheRetrieval HandleTaskTerminalStateTransitions CopyScheduledTime
			CopyTaskParametersID WaitForScheduledTime RetryFailedTasks RenameReruns UpdateFlowRunTrackerOnTasks CacheInsertion
			ReleaseTaskConcurrencySlots EnqueueScheduledTasks`},
		{minimalTaskPolicy, `ReleaseTaskConcurrencySlots`},
	} {
		var names []string
		for _, r := range p.policy {
			names = append(names, r.name)
		}
		require.Equal(t, strings.Fields(p.names), names)
	}
}

func BenchmarkSetFlowRunState(b *testing.B) {
	c := newTestCluster(b, 1)
	run := c.newFlowRun(prefect.FlowRunCreate{})
	around, err := surroundingsOf(b.Context(), c, run.ID)
	require.NoError(b, err)
	batch, err := c.dbs[1].Batch()
	require.NoError(b, err)
	defer batch.Close()
	ctx := &Context{Tx: batch.Tx(), Now: c.now, Rand: c.random, Settings: c.settings, Groups: c.layout, Group: 1}
	b.ReportAllocs()
	for b.Loop() {
		ctx.Now++
		_, err := (&SetFlowRunState{RunID: run.ID, State: *stateCreate(prefect.Running, ""), Around: around}).Run(ctx)
		require.NoError(b, err)
	}
}
