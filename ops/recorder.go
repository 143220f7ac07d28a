package ops

import (
	"errors"
	"fmt"
	"strings"

	"prefectd/prefect"
	"prefectd/store"
)

// Clients run tasks by themselves and tell of it with events. Recording such an
// event makes or updates the task run and adds a state to it; no rule has a say,
// because it has happened already.

// tellsOfTaskRun reports whether an event tells that a client put a task run into
// a state.
func tellsOfTaskRun(e *prefect.Event) bool {
	return strings.HasPrefix(e.Event, "prefect.task-run") && e.Resource["prefect.orchestration"] == "client"
}

// taskRunReport is the payload of such an event.
type taskRunReport struct {
	State *struct {
		Type    prefect.StateType    `json:"type"`
		Name    *string              `json:"name"`
		Message *string              `json:"message"`
		Data    prefect.JSON         `json:"data"`
		Details prefect.StateDetails `json:"state_details"`
	} `json:"validated_state"`
	TaskRun *struct {
		Name                   *string                `json:"name"`
		TaskKey                *string                `json:"task_key"`
		DynamicKey             *string                `json:"dynamic_key"`
		CacheKey               *string                `json:"cache_key"`
		CacheExpiration        *prefect.Time          `json:"cache_expiration"`
		TaskVersion            *string                `json:"task_version"`
		EmpiricalPolicy        *prefect.TaskRunPolicy `json:"empirical_policy"`
		Tags                   *[]string              `json:"tags"`
		Labels                 *prefect.Labels        `json:"labels"`
		TaskInputs             *prefect.TaskInputs    `json:"task_inputs"`
		RunCount               *int                   `json:"run_count"`
		FlowRunRunCount        *int                   `json:"flow_run_run_count"`
		ExpectedStartTime      *prefect.Time          `json:"expected_start_time"`
		NextScheduledStartTime *prefect.Time          `json:"next_scheduled_start_time"`
		StartTime              *prefect.Time          `json:"start_time"`
		EndTime                *prefect.Time          `json:"end_time"`
		TotalRunTime           *prefect.Duration      `json:"total_run_time"`
	} `json:"task_run"`
}

func (r *taskRunReport) check() error {
	switch {
	case r.State == nil || r.State.Type == prefect.NoState:
		return errors.New("the payload has no validated_state")
	case r.TaskRun == nil || r.TaskRun.TaskKey == nil || r.TaskRun.DynamicKey == nil:
		return errors.New("the payload's task_run has no keys")
	}
	return nil
}

// recordTaskRun records an event of a task run. Events may come in any order: each
// adds its state, but the run only moves forward in time.
func (c *Context) recordTaskRun(e *prefect.Event) error {
	id, ok := objectID(e.Resource.ID(), "prefect.task-run.")
	if !ok {
		return fmt.Errorf("resource %q is no task run", e.Resource.ID())
	}
	var report taskRunReport
	if err := prefect.Unmarshal(e.Payload, &report); err != nil {
		return fmt.Errorf("payload of a task run's event: %w", err)
	}
	if err := report.check(); err != nil {
		return err
	}
	if store.TaskRunStates.Has(c.Tx, key(e.ID)) {
		return nil
	}
	flowRunID := relatedFlowRun(e)
	if !flowRunID.IsNull() && !store.FlowRuns.Has(c.Tx, key(flowRunID)) {
		return fmt.Errorf("flow run %s does not exist", flowRunID)
	}
	task := c.reportedTaskRun(id, flowRunID, &report)
	state := report.state(e, task.ID, flowRunID)
	if e.Occurred <= task.StateTimestamp {
		c.insertState(task, state)
		return nil
	}
	state.Previous = task.StateID
	store.TaskRunStates.Put(c.Tx, state)
	report.apply(task)
	if task.Name == "" {
		task.Name = c.runName(nil)
	}
	if !flowRunID.IsNull() {
		task.FlowRunID = flowRunID
	}
	task.Updated = c.Now
	task.StateID, task.StateType, task.StateName, task.StateTimestamp = state.ID, state.Type, &state.Name, state.Timestamp
	store.TaskRuns.Put(c.Tx, task)
	c.noteUnended(task)
	return nil
}

// reportedTaskRun finds the task run of an event: the one that has its keys in the
// flow run, else the one with its id, else a new one.
func (c *Context) reportedTaskRun(id, flowRunID prefect.ID, r *taskRunReport) *prefect.TaskRun {
	if !flowRunID.IsNull() {
		if task := taskRunByKey(c.Tx, flowRunID, *r.TaskRun.TaskKey, *r.TaskRun.DynamicKey); task != nil {
			return task
		}
	}
	if task := taskRun(c.Tx, id); task != nil {
		return task
	}
	return &prefect.TaskRun{ID: id, Created: c.Now, Tags: []string{}, TaskInputs: prefect.TaskInputs{}}
}

// state is the state that a report is about.
func (r *taskRunReport) state(e *prefect.Event, taskRunID, flowRunID prefect.ID) *prefect.State {
	s := &prefect.State{
		ID: e.ID, Type: r.State.Type, Name: r.State.Type.Title(), Timestamp: e.Occurred,
		Message: r.State.Message, Details: r.State.Details, RunID: taskRunID,
	}
	if r.State.Name != nil {
		s.Name = *r.State.Name
	}
	if !prefect.IsNull(r.State.Data) {
		s.Recorded = r.State.Data
	}
	s.Details.TaskRunID, s.Details.FlowRunID = taskRunID, flowRunID
	if s.Details.Deferred == nil {
		s.Details.Deferred = new(bool)
	}
	return s
}

// apply changes what was reported of a task run and leaves the rest.
func (r *taskRunReport) apply(task *prefect.TaskRun) {
	sent := r.TaskRun
	set(&task.Name, sent.Name)
	set(&task.TaskKey, sent.TaskKey)
	set(&task.DynamicKey, sent.DynamicKey)
	set(&task.CacheExpiration, sent.CacheExpiration)
	set(&task.EmpiricalPolicy, sent.EmpiricalPolicy)
	set(&task.Tags, sent.Tags)
	set(&task.Labels, sent.Labels)
	set(&task.TaskInputs, sent.TaskInputs)
	set(&task.RunCount, sent.RunCount)
	set(&task.FlowRunRunCount, sent.FlowRunRunCount)
	set(&task.ExpectedStartTime, sent.ExpectedStartTime)
	set(&task.NextScheduledStartTime, sent.NextScheduledStartTime)
	set(&task.StartTime, sent.StartTime)
	set(&task.EndTime, sent.EndTime)
	set(&task.TotalRunTime, sent.TotalRunTime)
	if sent.CacheKey != nil {
		task.CacheKey = sent.CacheKey
	}
	if sent.TaskVersion != nil {
		task.TaskVersion = sent.TaskVersion
	}
}

func set[T any](dst, sent *T) {
	if sent != nil {
		*dst = *sent
	}
}

// insertState adds a state that came late to a run's chain, behind the current one.
func (c *Context) insertState(task *prefect.TaskRun, late *prefect.State) {
	if current := store.TaskRunStates.Get(c.Tx, key(task.StateID)); current != nil {
		late.Previous, current.Previous = current.Previous, late.ID
		store.TaskRunStates.Put(c.Tx, current)
	}
	store.TaskRunStates.Put(c.Tx, late)
}
