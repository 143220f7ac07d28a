package ops

import (
	"math"
	"slices"
	"strings"

	"prefectd/prefect"
	"prefectd/store"
)

// preserveLease carries the slot that a run holds from state to state.
var preserveLease = rule{
	name: "PreserveDeploymentConcurrencyLeaseId", always: true,
	before: func(t *transition) {
		if t.initial != nil && t.proposed != nil && t.proposed.Details.DeploymentLeaseID.IsNull() {
			t.proposed.Details.DeploymentLeaseID = t.initial.Details.DeploymentLeaseID
		}
	},
}

var preventDuplicateTransitions = rule{
	name: "PreventDuplicateTransitions", from: anyState, to: anyState,
	before: func(t *transition) {
		id := t.proposed.Details.TransitionID
		if t.initial != nil && !id.IsNull() && id == t.initial.Details.TransitionID {
			t.reject(nil, "This run has already made this state transition.")
		}
	},
}

const resultLoss = "Cannot overwrite a COMPLETED state that carries persisted result data with one that does not."

// losesResult reports whether a stored result would give way to a completed
// state without one.
func (t *transition) losesResult() bool {
	return t.initial.Type == prefect.Completed && hasResult(t.initial) &&
		t.proposed.Type == prefect.Completed && !isResult(t.proposed.Data)
}

var preventResultLoss = rule{
	name: "PreventResultDataLoss", from: terminalStates, to: terminalStates,
	before: func(t *transition) {
		if t.losesResult() {
			t.reject(nil, resultLoss)
		}
	},
}

var handleFlowTerminalStates = rule{
	name: "HandleFlowTerminalStateTransitions", from: terminalStates, to: anyState,
	before: func(t *transition) {
		t.savedPolicy = t.flowRun.EmpiricalPolicy
		to := t.proposed.Type
		switch {
		case states(prefect.Cancelling, prefect.Paused, prefect.Crashed).has(to):
			t.abort("Run is already in terminal state " + t.initial.Type.String() + ".")
		case t.initial.Type == prefect.Completed && hasResult(t.initial) && !to.IsTerminal():
			t.reject(nil, "Run is already COMPLETED.")
		case t.losesResult():
			t.reject(nil, resultLoss)
		case to == prefect.Scheduled && t.flowRun.DeploymentID.IsNull():
			t.abort("Cannot reschedule a run without an associated deployment.")
		case to.IsTerminal():
		case to == prefect.Scheduled:
			t.forgetPauses(prefect.Reschedule)
		default:
			t.forgetPauses(prefect.NoRetryType)
		}
	},
	cleanup: func(t *transition) { t.flowRun.EmpiricalPolicy = t.savedPolicy },
}

// forgetPauses makes the run's pauses fire again, because it starts anew.
func (t *transition) forgetPauses(retry prefect.RetryType) {
	if !t.client.knowsPauses() {
		return
	}
	p := &t.flowRun.EmpiricalPolicy
	p.Resuming, p.PauseKeys, p.RetryType = new(bool), prefect.StringSet{}, retry
}

var enforceCancellingToCancelled = rule{
	name: "EnforceCancellingToCancelledTransition",
	from: states(prefect.Cancelling), to: anyState &^ states(prefect.Cancelled),
	before: func(t *transition) {
		t.reject(nil, "Cannot transition flows that are cancelling to a state other than Cancelled.")
	},
}

// bypassCancellingWithoutInfrastructure cancels at once what has no process to end.
var bypassCancellingWithoutInfrastructure = rule{
	name: "BypassCancellingFlowRunsWithNoInfra",
	from: states(prefect.Scheduled, prefect.Paused), to: states(prefect.Cancelling),
	before: func(t *transition) {
		cancelled := t.c.newState(t.run.id, prefect.Cancelled, "Cancelled")
		switch {
		case t.initial.Type == prefect.Scheduled && text(t.flowRun.InfrastructurePID) == "", t.initial.Name == "Resuming":
			t.reject(cancelled, "Scheduled flow run has no infrastructure to terminate.")
		case t.initial.Type == prefect.Paused && t.initial.Details.PauseReschedule:
			t.reject(cancelled, "Suspended flow run has no infrastructure to terminate.")
		}
	},
}

// preventPending keeps a run that was picked up from being picked up again; it may
// still go from one kind of pending to another.
var preventPending = rule{
	name: "PreventPendingTransitions",
	from: states(prefect.Pending, prefect.Cancelling, prefect.Running, prefect.Cancelled), to: states(prefect.Pending),
	before: func(t *transition) {
		p := t.proposed
		if t.initial.Type == prefect.Pending && p.Name != t.initial.Name && p.Name != "Pending" {
			p.Details.ScheduledTime = t.initial.Details.ScheduledTime
			p.Details.DeploymentLeaseID = t.initial.Details.DeploymentLeaseID
			return
		}
		t.abort("This run is in a " + t.initial.Type.String() + " state and cannot transition to a PENDING state.")
	},
}

var onlyScheduledIsLate = rule{
	name: "EnsureOnlyScheduledFlowsMarkedLate", from: anyState, to: states(prefect.Scheduled),
	before: func(t *transition) {
		switch {
		case t.proposed.Name != "Late" || t.initial == nil:
		case t.initial.Type != prefect.Scheduled:
			t.reject(nil, "Only scheduled flows can be marked late.")
		case t.initial.Name == "Late":
			t.reject(nil, "This flow run is already marked late.")
		}
	},
}

var handlePausing = rule{
	name: "HandlePausingFlows", from: anyState, to: states(prefect.Paused),
	before: func(t *transition) {
		d, run := &t.proposed.Details, t.flowRun
		verb := pauseVerb(t.proposed)
		if t.pauseKey = text(d.PauseKey); d.PauseKey == nil {
			t.pauseKey = t.c.NewID(run.ID.Slot()).String()
		}
		switch {
		case t.initial == nil:
			t.abort("Cannot " + verb + " flows with no state.")
		case t.initial.Type != prefect.Running:
			t.reject(nil, "Cannot "+verb+" flows that are not currently running.")
		case slices.Contains(run.EmpiricalPolicy.PauseKeys, t.pauseKey):
			t.reject(nil, "This "+verb+" has already fired.")
		case d.PauseReschedule && !run.ParentTaskRunID.IsNull():
			t.abort("Cannot " + verb + " subflows.")
		case d.PauseReschedule && run.DeploymentID.IsNull():
			t.abort("Cannot " + verb + " flows without a deployment.")
		}
	},
	after: func(t *transition) {
		p := &t.flowRun.EmpiricalPolicy
		p.PauseKeys = append(slices.Clone(p.PauseKeys), t.pauseKey)
		// Input that was stored for an earlier pause with these keys is not for this one.
		for _, name := range t.proposed.Details.RunInputKeyset {
			if in := store.FlowRunInputsByKey.Find(t.c.Tx, key(t.flowRun.ID).String(name)); in != nil {
				store.FlowRunInputs.Delete(t.c.Tx, key(in.ID))
			}
		}
	},
}

func pauseVerb(s *prefect.State) string {
	if s.Name == "Suspended" {
		return "suspend"
	}
	return "pause"
}

// handleResuming guards the way out of a pause. It marks the run as resuming even
// if the state is refused.
var handleResuming = rule{
	name: "HandleResumingPausedFlows", from: states(prefect.Paused), to: anyState,
	before: func(t *transition) {
		d, to, name := &t.initial.Details, t.proposed.Type, strings.ToLower(t.proposed.Name)
		switch {
		case to == prefect.Pending || to == prefect.Paused:
			t.reject(nil, "This run cannot transition to the StateType."+to.String()+" state from the StateType.PAUSED state.")
		case d.PauseReschedule && t.flowRun.DeploymentID.IsNull():
			t.reject(nil, "Cannot reschedule a "+name+" flow run without a deployment.")
		case to == prefect.Cancelling: // also after the deadline: the process waits for it
		case !d.PauseTimeout.IsNull() && d.PauseTimeout < t.c.Now:
			verb := pauseVerb(t.proposed)
			failed := t.c.newState(t.run.id, prefect.Failed, "Failed")
			message := "The flow was " + name + " and never resumed."
			failed.Message = &message
			t.reject(failed, "The flow run "+verb+" has timed out and can no longer resume.")
		}
	},
	after: func(t *transition) {
		t.touched = true
		anew := typeOf(t.proposed) == prefect.Scheduled && !t.initial.Details.PauseReschedule
		if anew && t.client.knowsPauses() {
			t.forgetPauses(prefect.Reschedule)
			return
		}
		resuming := true
		t.flowRun.EmpiricalPolicy.Resuming = &resuming
	},
}

// copyScheduledTime keeps the time for which a run was scheduled while it is pending.
var copyScheduledTime = rule{
	name: "CopyScheduledTime", from: states(prefect.Scheduled), to: states(prefect.Pending),
	before: func(t *transition) {
		if t.proposed.Details.ScheduledTime.IsNull() {
			t.proposed.Details.ScheduledTime = t.initial.Details.ScheduledTime
		}
	},
}

var waitForScheduledTime = rule{
	name: "WaitForScheduledTime",
	from: states(prefect.Scheduled, prefect.Pending), to: states(prefect.Running),
	before: func(t *transition) {
		at := t.initial.Details.ScheduledTime
		if at.IsNull() || at <= t.c.Now {
			return
		}
		left := at.Sub(t.c.Now)
		delay := int(left/prefect.Second) + int(math.RoundToEven((left % prefect.Second).Seconds()))
		if delay > 0 {
			t.wait(delay, "Scheduled time is in the future")
		}
	},
}

var retryFailedFlows = rule{
	name: "RetryFailedFlows", from: states(prefect.Running), to: states(prefect.Failed),
	before: func(t *transition) {
		p := &t.flowRun.EmpiricalPolicy
		if p.Retries == nil || t.flowRun.RunCount > *p.Retries {
			p.RetryType = prefect.NoRetryType
			return
		}
		delay := 0
		if p.RetryDelay != nil {
			delay = *p.RetryDelay
		}
		retry := t.awaitingRetry(prefect.Duration(delay) * prefect.Second)
		retry.Details.DeploymentLeaseID = t.initial.Details.DeploymentLeaseID
		if t.client.resetsTasks() {
			t.resetFailedTasks(retry.Details.ScheduledTime)
		}
		t.forgetPauses(prefect.InProcess)
		t.reject(retry, "Retrying")
	},
}

// awaitingRetry is the state of a failed run that gets another chance.
func (t *transition) awaitingRetry(delay prefect.Duration) *prefect.State {
	retry := t.c.newState(t.run.id, prefect.Scheduled, "AwaitingRetry")
	retry.Message, retry.Data = t.proposed.Message, t.proposed.Data
	retry.Details.ScheduledTime = t.c.Now.Add(delay)
	return retry
}

// resetFailedTasks lets the failed task runs of a flow run wait for its retry, with
// all their own retries before them.
func (t *transition) resetFailedTasks(until prefect.Time) {
	tasks := slices.Collect(store.TaskRunsByKey.Rows(t.c.Tx, store.Range{Prefix: key(t.flowRun.ID)}))
	for _, task := range tasks {
		if task.StateType != prefect.Failed {
			continue
		}
		retry := t.c.newState(task.ID, prefect.Scheduled, "AwaitingRetry")
		retry.Details.ScheduledTime = until
		_, err := t.c.orchestrateTaskRun(task, retry, true, nil, RunSlots{})
		t.fail(err)
		task.RunCount = 0
		store.TaskRuns.Put(t.c.Tx, task)
	}
}
