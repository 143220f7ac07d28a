package store

import (
	"slices"

	"prefectd/prefect"
)

// flowRunCover is what the two orders of flow runs that lists and figures walk
// carry, so that they need the row only of a run that they return.
var flowRunCover = prefect.ColumnSet(4, 5, 7, 9, 19, 20, 22, 23, 24, 25, 26, 32)

// startOf is the time by which runs are listed: when a run started, or is
// expected to.
func startOf(r *prefect.FlowRun) prefect.Time {
	if r.StartTime != 0 {
		return r.StartTime
	}
	return r.ExpectedStartTime
}

// retriedInProcess takes the place of the state of a run that is scheduled, but waits
// in its process and not for a worker.
const retriedInProcess = 0xff

// Flow runs and everything below them live in the run group of the flow run's slot.
var (
	// FlowRunsByState orders the runs of each state type by start: one index for
	// lists by start (the types merged), by state, and for counts by state.
	FlowRunsByState = &Index[prefect.FlowRun]{
		Number: 1, Version: 4, Cover: flowRunCover, TalliedBy: 1,
		Keys: func(r *prefect.FlowRun, k Key, add func(Key)) { add(k.Byte(byte(r.StateType)).Time(startOf(r))) },
	}
	// FlowRunsByExpected serves history and the sorts by expected start.
	FlowRunsByExpected = &Index[prefect.FlowRun]{
		Number: 2, Version: 3, Cover: flowRunCover,
		Keys: func(r *prefect.FlowRun, k Key, add func(Key)) { add(k.Time(r.ExpectedStartTime)) },
	}
	FlowRunsByEnd = &Index[prefect.FlowRun]{
		Number: 3, Version: 1,
		Keys: func(r *prefect.FlowRun, k Key, add func(Key)) {
			if r.EndTime != 0 {
				add(k.Time(r.EndTime))
			}
		},
	}
	FlowRunsByName = &Index[prefect.FlowRun]{
		Number: 4, Version: 1,
		Keys: func(r *prefect.FlowRun, k Key, add func(Key)) { add(k.String(r.Name)) },
	}
	// FlowRunsByNext holds the runs that wait for a scheduled time.
	FlowRunsByNext = &Index[prefect.FlowRun]{
		Number: 5, Version: 1,
		Keys: func(r *prefect.FlowRun, k Key, add func(Key)) {
			if r.NextScheduledStartTime != 0 {
				add(k.Time(r.NextScheduledStartTime))
			}
		},
	}
	FlowRunsByFlow = &Index[prefect.FlowRun]{
		Number: 6, Version: 1,
		Keys: func(r *prefect.FlowRun, k Key, add func(Key)) { add(k.ID(r.FlowID).Time(startOf(r))) },
	}
	FlowRunsByDeployment = &Index[prefect.FlowRun]{
		Number: 7, Version: 1,
		Keys: func(r *prefect.FlowRun, k Key, add func(Key)) {
			if !r.DeploymentID.IsNull() {
				add(k.ID(r.DeploymentID).Time(startOf(r)))
			}
		},
	}
	FlowRunsByTag = &Index[prefect.FlowRun]{
		Number: 8, Version: 1,
		Keys: func(r *prefect.FlowRun, k Key, add func(Key)) {
			for i, tag := range r.Tags {
				if !slices.Contains(r.Tags[:i], tag) {
					add(k.String(tag).Time(startOf(r)))
				}
			}
		},
	}
	FlowRunsByIdempotencyKey = &Index[prefect.FlowRun]{
		Number: 9, Version: 1, Unique: true,
		Keys: func(r *prefect.FlowRun, k Key, add func(Key)) {
			if r.IdempotencyKey != nil {
				add(k.ID(r.FlowID).String(*r.IdempotencyKey))
			}
		},
	}
	FlowRunsByParent = &Index[prefect.FlowRun]{
		Number: 10, Version: 1,
		Keys: func(r *prefect.FlowRun, k Key, add func(Key)) {
			if !r.ParentTaskRunID.IsNull() {
				add(k.ID(r.ParentTaskRunID))
			}
		},
	}
	// FlowRunsByQueue holds the runs of each work queue by state, and those that wait
	// for a scheduled time by that: so that a poll reads what is due, and counts the
	// slots that are occupied.
	FlowRunsByQueue = &Index[prefect.FlowRun]{
		Number: 11, Version: 1, TalliedBy: idLen + 1,
		Keys: func(r *prefect.FlowRun, k Key, add func(Key)) {
			switch {
			case r.WorkQueueID.IsNull():
			case r.StateType != prefect.Scheduled:
				add(k.ID(r.WorkQueueID).Byte(byte(r.StateType)).Time(startOf(r)))
			case r.EmpiricalPolicy.RetryType == prefect.InProcess:
				add(k.ID(r.WorkQueueID).Byte(retriedInProcess).Time(r.NextScheduledStartTime))
			default:
				add(k.ID(r.WorkQueueID).Byte(byte(prefect.Scheduled)).Time(r.NextScheduledStartTime))
			}
		},
	}
	// FlowRunsByDue orders the runs that must not stay as they are for ever by what
	// they wait for, and the time that their deadline is counted from.
	FlowRunsByDue = &Index[prefect.FlowRun]{
		Number: 15, Version: 1,
		Keys: func(r *prefect.FlowRun, k Key, add func(Key)) {
			if due, since := DueOf(r); due != NotDue {
				add(k.Byte(byte(due)).Time(since))
			}
		},
	}
	FlowRuns = NewTable("flow_runs", 2, idLen,
		func(r *prefect.FlowRun, k Key) Key { return k.ID(r.ID) },
		FlowRunsByState, FlowRunsByExpected, FlowRunsByEnd, FlowRunsByName, FlowRunsByNext, FlowRunsByFlow,
		FlowRunsByDeployment, FlowRunsByTag, FlowRunsByIdempotencyKey, FlowRunsByParent, FlowRunsByQueue, FlowRunsByDue)
)

// Due is what a flow run waits for that has a deadline.
type Due byte

// What flow runs wait for. The numbers are stored.
const (
	NotDue    Due = iota
	DueStart      // to be picked up, since the time that it is scheduled for
	DueResume     // to be resumed, until the end of its pause
	DueCancel     // to be ended, since it is cancelling
)

// DueOf is what a flow run waits for, and the time that its deadline is counted from.
func DueOf(r *prefect.FlowRun) (Due, prefect.Time) {
	switch {
	case r.StateType == prefect.Scheduled && r.NextScheduledStartTime != 0 && r.StateName != nil && *r.StateName == prefect.Scheduled.Title():
		return DueStart, r.NextScheduledStartTime
	case r.StateType == prefect.Paused && r.PauseTimeout != 0:
		return DueResume, r.PauseTimeout
	case r.StateType == prefect.Cancelling:
		return DueCancel, r.StateTimestamp
	}
	return NotDue, 0
}

// CancelledRun notes a cancelled flow run below which something may not have ended.
type CancelledRun struct {
	RunID prefect.ID   `row:"1"`
	Since prefect.Time `row:"2"` // when there last was a reason to look
}

// CancelledRuns live with their flow run.
var CancelledRuns = NewTable("cancelled_runs", 28, idLen,
	func(r *CancelledRun, k Key) Key { return k.ID(r.RunID) })

var taskRunCover = prefect.ColumnSet(4, 5, 16, 17, 20, 21, 22, 23, 24, 25, 26)

// Task runs live with their flow run; those without one by their own slot.
var (
	// TaskRunsByKey finds a run by what makes it unique within its flow run (without
	// one, several may have it), and lists a flow run's task runs; an entry tells
	// which stands for a flow run.
	TaskRunsByKey = &Index[prefect.TaskRun]{
		Number: 1, Version: 3, Cover: prefect.ColumnSet(26),
		Keys: func(r *prefect.TaskRun, k Key, add func(Key)) {
			add(k.ID(r.FlowRunID).String(r.TaskKey).String(r.DynamicKey))
		},
	}
	// TaskRunsByState orders the runs of each state type by start; not started
	// ones come first.
	TaskRunsByState = &Index[prefect.TaskRun]{
		Number: 2, Version: 2, TalliedBy: 1,
		Keys: func(r *prefect.TaskRun, k Key, add func(Key)) { add(k.Byte(byte(r.StateType)).Time(r.StartTime)) },
	}
	// TaskRunsByExpected serves history, and lists that must look at many runs.
	TaskRunsByExpected = &Index[prefect.TaskRun]{
		Number: 3, Version: 2, Cover: taskRunCover,
		Keys: func(r *prefect.TaskRun, k Key, add func(Key)) { add(k.Time(r.ExpectedStartTime)) },
	}
	TaskRunsByEnd = &Index[prefect.TaskRun]{
		Number: 4, Version: 1,
		Keys: func(r *prefect.TaskRun, k Key, add func(Key)) {
			if r.EndTime != 0 {
				add(k.Time(r.EndTime))
			}
		},
	}
	TaskRunsByName = &Index[prefect.TaskRun]{
		Number: 5, Version: 1,
		Keys: func(r *prefect.TaskRun, k Key, add func(Key)) { add(k.String(r.Name)) },
	}
	TaskRunsByNext = &Index[prefect.TaskRun]{
		Number: 6, Version: 1,
		Keys: func(r *prefect.TaskRun, k Key, add func(Key)) {
			if r.NextScheduledStartTime != 0 {
				add(k.Time(r.NextScheduledStartTime))
			}
		},
	}
	TaskRuns = NewTable("task_runs", 3, idLen,
		func(r *prefect.TaskRun, k Key) Key { return k.ID(r.ID) },
		TaskRunsByKey, TaskRunsByState, TaskRunsByExpected, TaskRunsByEnd, TaskRunsByName, TaskRunsByNext)
)

// States are found by id; those of one run are a chain, from the run's state_id
// along Previous (in the order of their arrival).
var (
	FlowRunStates = NewTable("flow_run_states", 4, idLen,
		func(s *prefect.State, k Key) Key { return k.ID(s.ID) })
	TaskRunStates = NewTable("task_run_states", 5, idLen,
		func(s *prefect.State, k Key) Key { return k.ID(s.ID) })
)
