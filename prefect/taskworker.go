package prefect

// TaskWorkersRead is the body of POST /task_workers/filter.
type TaskWorkersRead struct {
	_      struct{}          `check:"params"`
	Filter *TaskWorkerFilter `json:"task_worker_filter"`
}

// TaskWorkerFilter selects the task workers of any of some tasks; of all, if there
// are none.
type TaskWorkerFilter struct {
	TaskKeys []string `json:"task_keys" check:"required"`
}

// TaskWorker is a client that runs deferred task runs of some tasks.
type TaskWorker struct {
	Identifier string   `json:"identifier"`
	TaskKeys   []string `json:"task_keys"`
	Timestamp  Time     `json:"timestamp"` // when it was last known to be there
}
