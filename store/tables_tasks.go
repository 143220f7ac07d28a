package store

import "prefectd/prefect"

// QueuedTask is a deferred task run that waits for a task worker, or for the one
// that has it to say so.
type QueuedTask struct {
	TaskRunID prefect.ID   `row:"1"`
	TaskKey   string       `row:"2"`
	Retry     bool         `row:"3"` // it goes before those that nobody had yet
	Queued    prefect.Time `row:"4"`
	Claim     prefect.ID   `row:"5"` // of the worker that has it
	Until     prefect.Time `row:"6"` // the end of the claim; 0 if nobody has it
}

// Queued tasks live with their task run.
var (
	// TaskQueueByKey orders what waits for a worker of a task.
	TaskQueueByKey = &Index[QueuedTask]{
		Number: 1, Version: 1,
		Keys: func(q *QueuedTask, k Key, add func(Key)) {
			turn := byte(1)
			if q.Retry {
				turn = 0
			}
			if q.Until == 0 {
				add(k.String(q.TaskKey).Byte(turn).Time(q.Queued))
			}
		},
	}
	// TaskQueueByClaim orders what workers have by the end of their claims.
	TaskQueueByClaim = &Index[QueuedTask]{
		Number: 2, Version: 1,
		Keys: func(q *QueuedTask, k Key, add func(Key)) {
			if q.Until != 0 {
				add(k.Time(q.Until))
			}
		},
	}
	TaskQueue = NewTable("task_queue", 15, idLen,
		func(q *QueuedTask, k Key) Key { return k.ID(q.TaskRunID) },
		TaskQueueByKey, TaskQueueByClaim)
)
