package ops

import (
	"prefectd/prefect"
	"prefectd/store"
)

// progress points at what flow runs and task runs have in common.
type progress struct {
	id                                  prefect.ID
	stateID                             *prefect.ID
	stateType                           *prefect.StateType
	stateName                           **string
	stateTime, start, end, expect, next *prefect.Time
	total                               *prefect.Duration
	count                               *int
	updated                             *prefect.Time
	states                              *store.Table[prefect.State]
}

func progressOfFlowRun(r *prefect.FlowRun) progress {
	return progress{
		id: r.ID, stateID: &r.StateID, stateType: &r.StateType, stateName: &r.StateName, stateTime: &r.StateTimestamp,
		start: &r.StartTime, end: &r.EndTime, expect: &r.ExpectedStartTime, next: &r.NextScheduledStartTime,
		total: &r.TotalRunTime, count: &r.RunCount, updated: &r.Updated, states: store.FlowRunStates,
	}
}

func progressOfTaskRun(r *prefect.TaskRun) progress {
	return progress{
		id: r.ID, stateID: &r.StateID, stateType: &r.StateType, stateName: &r.StateName, stateTime: &r.StateTimestamp,
		start: &r.StartTime, end: &r.EndTime, expect: &r.ExpectedStartTime, next: &r.NextScheduledStartTime,
		total: &r.TotalRunTime, count: &r.RunCount, updated: &r.Updated, states: store.TaskRunStates,
	}
}

// transform brings the run in line with its new state.
func (t *transition) transform() {
	s, r := t.proposed, &t.run
	if t.task == nil {
		t.keepOrder()
	}
	from := typeOf(t.initial)
	*r.stateType, *r.stateName, *r.stateTime = s.Type, &s.Name, s.Timestamp
	if s.Type == prefect.Running && r.start.IsNull() {
		*r.start = s.Timestamp
	}
	if from.IsTerminal() && !s.Type.IsTerminal() {
		*r.end = 0
	}
	if s.Type.IsTerminal() && r.end.IsNull() {
		if r.start.IsNull() {
			*r.start = s.Timestamp
		}
		*r.end = s.Timestamp
	}
	if from == prefect.Running {
		*r.total += s.Timestamp.Sub(t.initial.Timestamp)
	}
	if r.expect.IsNull() {
		*r.expect = s.Timestamp
		if s.Type == prefect.Scheduled {
			*r.expect = s.Details.ScheduledTime
		}
	}
	if from == prefect.Scheduled {
		*r.next = 0
	}
	if s.Type == prefect.Scheduled {
		*r.next = s.Details.ScheduledTime
	}
	if t.task != nil {
		t.transformTaskRun()
	} else {
		t.transformFlowRun()
	}
}

func (t *transition) transformTaskRun() {
	s := t.proposed
	s.Details.FlowRunID, s.Details.TaskRunID = t.task.FlowRunID, t.task.ID
	if s.Type == prefect.Running {
		t.task.RunCount++
	}
}

func (t *transition) transformFlowRun() {
	s, run := t.proposed, t.flowRun
	s.Details.FlowRunID = run.ID
	if run.PauseTimeout = 0; s.Type == prefect.Paused {
		run.PauseTimeout = s.Details.PauseTimeout
	}
	if !run.ParentTaskRunID.IsNull() {
		s.Details.TaskRunID = run.ParentTaskRunID
	}
	policy := &run.EmpiricalPolicy
	resuming := t.client.knowsPauses() && policy.Resuming != nil && *policy.Resuming
	if s.Type == prefect.Running && !resuming {
		run.RunCount++
	}
	if resuming && (s.Type == prefect.Running || s.Type.IsTerminal()) {
		policy.Resuming = new(bool)
	}
}

// keepOrder puts the state behind the one before it, also if the clock went back or
// stood still: no two states of a flow run have the same time.
func (t *transition) keepOrder() {
	if t.initial != nil && t.proposed.Timestamp <= t.initial.Timestamp {
		t.proposed.Timestamp = t.initial.Timestamp + 1
	}
}

// write stores the state, with its data beside it.
func (t *transition) write() {
	s := t.proposed
	s.RunID, s.Previous = t.run.id, *t.run.stateID
	if data, keep := keptData(s.Data); keep {
		a := artifactOf(data)
		a.ID, a.Created, a.Updated = t.c.NewID(t.run.id.Slot()), t.c.Now, t.c.Now
		a.FlowRunID = s.Details.FlowRunID
		if t.task != nil {
			a.TaskRunID = t.task.ID
		}
		store.Artifacts.Put(t.c.Tx, a)
		s.ResultArtifact, s.Data = a.ID, a.Data
	}
	t.run.states.Put(t.c.Tx, s)
	*t.run.stateID = s.ID
}

// put stores the run.
func (t *transition) put() {
	*t.run.updated = t.c.Now
	if t.task != nil {
		store.TaskRuns.Put(t.c.Tx, t.task)
	} else {
		store.FlowRuns.Put(t.c.Tx, t.flowRun)
	}
	t.noteCancelled()
}
