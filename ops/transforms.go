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
		t.makeTimestampUnique()
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
	*r.next = 0
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
	s.Details.FlowRunID, s.Details.TaskRunID = run.ID, run.ParentTaskRunID
	policy := &run.EmpiricalPolicy
	resuming := policy.Resuming != nil && *policy.Resuming
	if s.Type == prefect.Running && !resuming {
		run.RunCount++
	}
	if resuming && (s.Type == prefect.Running || s.Type.IsTerminal()) {
		policy.Resuming = new(bool)
	}
}

// makeTimestampUnique moves the state behind those of the run with the same time.
func (t *transition) makeTimestampUnique() {
	taken := map[prefect.Time]bool{}
	for id := *t.run.stateID; !id.IsNull(); {
		s := t.run.states.Get(t.c.Tx, key(id))
		if s == nil || s.Timestamp < t.proposed.Timestamp {
			break
		}
		taken[s.Timestamp] = true
		id = s.Previous
	}
	for taken[t.proposed.Timestamp] {
		t.proposed.Timestamp++
	}
}

// write stores the state, with its data beside it.
func (t *transition) write() {
	s := t.proposed
	s.RunID, s.Previous = t.run.id, *t.run.stateID
	if data, keep := keptData(s.Data); keep {
		a := artifactOf(data)
		a.ID, a.Created, a.Updated = t.c.NewID(t.run.id.Slot()), t.c.Now, t.c.Now
		a.FlowRunID, a.TaskRunID = s.Details.FlowRunID, s.Details.TaskRunID
		store.Artifacts.Put(t.c.Tx, a)
		s.ResultArtifact, s.Data = a.ID, a.Data
	}
	t.run.states.Put(t.c.Tx, s)
	*t.run.stateID, *t.run.updated = s.ID, t.c.Now
}

// put stores the run.
func (t *transition) put() {
	if t.task != nil {
		store.TaskRuns.Put(t.c.Tx, t.task)
	} else {
		store.FlowRuns.Put(t.c.Tx, t.flowRun)
	}
}

// keptData answers the data of a state if it is worth keeping: null is none,
// and unpersisted data says of itself that it is not.
func keptData(data prefect.JSON) (prefect.JSON, bool) {
	if prefect.IsNull(data) {
		return nil, false
	}
	return data, dataType(data) != "unpersisted"
}

// isPersisted reports whether a state holds a reference to a stored result.
func isPersisted(s *prefect.State) bool {
	return s != nil && s.Data.Kind() == '{' && dataType(s.Data) != "unpersisted"
}

func dataType(data prefect.JSON) string {
	var object struct {
		Type prefect.JSON `json:"type"`
	}
	if data.Kind() != '{' || prefect.Unmarshal(data, &object) != nil {
		return ""
	}
	text, _ := unquote(object.Type)
	return text
}

func unquote(v prefect.JSON) (text string, ok bool) {
	if v.Kind() != '"' {
		return "", false
	}
	return text, prefect.Unmarshal(v, &text) == nil
}

// artifactOf makes an artifact of a state's data, which may name and describe it.
func artifactOf(data prefect.JSON) *prefect.Artifact {
	a := &prefect.Artifact{Data: data}
	var object map[string]prefect.JSON
	if data.Kind() != '{' || prefect.Unmarshal(data, &object) != nil {
		return a
	}
	size := len(object)
	for name, field := range map[string]**string{
		"artifact_key": &a.Key, "artifact_type": &a.Type, "artifact_description": &a.Description,
	} {
		if text, ok := unquote(object[name]); ok {
			*field = &text
		}
		delete(object, name)
	}
	if len(object) < size {
		if rest, err := prefect.Marshal(object); err == nil {
			a.Data = rest
		}
	}
	return a
}
