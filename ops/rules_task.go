package ops

import (
	"fmt"
	"math"
	"unicode/utf8"

	"prefectd/prefect"
	"prefectd/store"
)

// retrieveCached answers a task that is about to run with the state that an
// equal one ended in.
var retrieveCached = rule{
	name: "CacheRetrieval", from: anyState, to: states(prefect.Running),
	before: func(t *transition) {
		d := &t.proposed.Details
		if t.cached == nil || !usesCache(d) || t.cached.Key != *d.CacheKey {
			return
		}
		s := t.cached.State
		s.Name, s.Data = "Cached", t.cached.Data
		s.ResultArtifact, s.Recorded = prefect.NoID, nil
		t.reject(t.c.identify(&s, t.run.id), "Retrieved state from cache")
	},
}

var handleTaskTerminalStates = rule{
	name: "HandleTaskTerminalStateTransitions", from: terminalStates, to: anyState,
	before: func(t *transition) {
		t.savedRunCount = t.task.RunCount
		to := t.proposed.Type
		switch {
		case states(prefect.Cancelling, prefect.Paused, prefect.Crashed).has(to):
			t.abort("Run is already " + t.initial.Type.String() + ".")
			return
		case t.initial.Type == prefect.Completed && hasResult(t.initial):
			t.reject(nil, "This run is already completed.")
			return
		case to.IsTerminal():
			return
		}
		t.task.RunCount = 0
		if to == prefect.Running && t.flowRun != nil && t.task.FlowRunRunCount < t.flowRun.RunCount {
			t.proposed.Name = "Retrying"
		}
	},
	cleanup: func(t *transition) { t.task.RunCount = t.savedRunCount },
}

var preventTasksOfStoppedFlows = rule{
	name: "PreventRunningTasksFromStoppedFlows", from: anyState, to: states(prefect.Running),
	before: func(t *transition) {
		run := t.flowRun
		switch {
		case run == nil || run.StateType == prefect.Running:
		case run.StateType == prefect.Paused:
			state := stateOf(t.c.Tx, store.FlowRunStates, run.StateID)
			paused := t.c.newState(t.run.id, prefect.Paused, "NotReady")
			paused.Details.PauseTimeout = state.Details.PauseTimeout
			paused.Details.PauseReschedule = state.Details.PauseReschedule
			t.reject(paused, "The flow is paused, new tasks can execute after resuming flow run: "+run.ID.String()+".")
		default:
			t.abort("The enclosing flow must be running to begin task execution.")
		}
	},
}

var copyTaskParameters = rule{
	name: "CopyTaskParametersID",
	from: states(prefect.Scheduled, prefect.Pending), to: states(prefect.Pending, prefect.Running),
	before: func(t *transition) {
		if t.proposed.Details.TaskParametersID.IsNull() {
			t.proposed.Details.TaskParametersID = t.initial.Details.TaskParametersID
		}
	},
}

var retryFailedTasks = rule{
	name: "RetryFailedTasks", from: states(prefect.Running), to: states(prefect.Failed),
	before: func(t *transition) {
		p := &t.task.EmpiricalPolicy
		retriable := t.proposed.Details.Retriable
		if retriable != nil && !*retriable || p.Retries == nil || t.task.RunCount > *p.Retries {
			return
		}
		delay := retryDelay(p.RetryDelay, t.task.RunCount)
		if p.RetryJitterFactor != nil && *p.RetryJitterFactor > 0 && delay > 0 {
			delay = clampedPoisson(delay, float64(*p.RetryJitterFactor), t.c.Rand.Float64())
		}
		t.reject(t.awaitingRetry(prefect.SecondsOf(delay)), "Retrying")
	},
}

// retryDelay is the delay before a retry: a number of seconds, or a list of them
// of which the last holds on.
func retryDelay(delay prefect.JSON, runCount int) float64 {
	var one float64
	var list []float64
	switch {
	case delay.Kind() == '0' && prefect.Unmarshal(delay, &one) == nil:
		return one
	case delay.Kind() == '[' && prefect.Unmarshal(delay, &list) == nil && len(list) > 0:
		return list[(min(runCount, len(list))-1+len(list))%len(list)]
	}
	return 0
}

// clampedPoisson stretches or shrinks an average to a wait between events of a
// Poisson process, cut above by a factor and below so that the average about
// stays; u is uniform in [0, 1).
func clampedPoisson(average, factor, u float64) float64 {
	upper := 1 + factor
	lower := 0.0
	if upper < 50 {
		power := math.Exp2(upper)
		lower = math.Log2(power / (power - 1))
	}
	low, high := 1-math.Exp(-lower), 1-math.Exp(-upper)
	return -math.Log(max(1-(low+u*(high-low)), 1e-10)) * average
}

var renameReruns = rule{
	name: "RenameReruns", from: anyState, to: states(prefect.Running),
	before: func(t *transition) {
		switch {
		case t.task.RunCount == 0 || t.initial == nil:
		case t.initial.Name == "AwaitingRetry":
			t.proposed.Name = "Retrying"
		default:
			t.proposed.Name = "Rerunning"
		}
	},
}

var trackFlowRunCount = rule{
	name: "UpdateFlowRunTrackerOnTasks", from: anyState, to: states(prefect.Running),
	after: func(t *transition) {
		if t.flowRun != nil {
			t.task.FlowRunRunCount = t.flowRun.RunCount
		}
	},
}

var insertCached = rule{
	name: "CacheInsertion", from: anyState, to: states(prefect.Completed),
	before: func(t *transition) {
		most := t.c.Settings.MaxCacheKeyLength
		if utf8.RuneCountInString(text(t.proposed.Details.CacheKey)) > most {
			t.reject(t.proposed, fmt.Sprintf("Cache key exceeded maximum allowed length of %d characters.", most))
		}
	},
	after: func(t *transition) {
		if !cacheable(t.proposed) {
			return
		}
		d := &t.proposed.Details
		entry := store.CachedState{Key: *d.CacheKey, Created: t.c.Now, Expiration: d.CacheExpiration, State: *t.proposed}
		if data, kept := keptData(t.proposed.Data); kept {
			entry.Data = data
		}
		t.fail(t.c.runOrSend(cacheGroup(t.c.Groups, entry.Key), &InsertCachedState{Entry: entry}))
	},
}
