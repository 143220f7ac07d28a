package prefect

// WorkPoolsQuery is the body of POST /work_pools/filter.
type WorkPoolsQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	WorkPools *WorkPoolFilter `json:"work_pools,omitzero"`
	RowOffset
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *WorkPoolsQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// WorkPoolsCountQuery is the body of POST /work_pools/count.
type WorkPoolsCountQuery struct {
	_         struct{}        `check:"params"`
	WorkPools *WorkPoolFilter `json:"work_pools,omitzero"`
}

// WorkQueuesQuery is the body of POST /work_queues/filter and of
// POST /work_pools/{work_pool_name}/queues/filter.
type WorkQueuesQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	WorkQueues *WorkQueueFilter `json:"work_queues,omitzero"`
	RowOffset
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *WorkQueuesQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// WorkersQuery is the body of POST /work_pools/{work_pool_name}/workers/filter.
type WorkersQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	Workers *WorkerFilter `json:"workers,omitzero"`
	RowOffset
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *WorkersQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// WorkerHeartbeat is the body of POST /work_pools/{work_pool_name}/workers/heartbeat.
type WorkerHeartbeat struct {
	_                 struct{} `check:"params"`
	Name              string   `json:"name" check:"required"`
	HeartbeatInterval *int     `json:"heartbeat_interval_seconds"`
}

// SlotsQuery is the body of POST /work_queues/{id}/concurrency_status.
type SlotsQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	RowPage
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *SlotsQuery) Window(most int) (limit, offset int, err error) {
	return pageWindow(q.RowLimit, q.RowPage, most)
}

// PoolSlotsQuery is the body of POST /work_pools/{name}/concurrency_status.
type PoolSlotsQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	RowPage
	FlowRunLimit int `json:"flow_run_limit" check:"ge=0,le=200,default=10"`
}

// Window returns the queues that are asked for, of at most so many; the error is the
// text of a 422.
func (q *PoolSlotsQuery) Window(most int) (limit, offset int, err error) {
	return pageWindow(q.RowLimit, q.RowPage, most)
}

// PollQuery is the body of POST /work_pools/{name}/get_scheduled_flow_runs.
type PollQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	WorkQueueNames  []string `json:"work_queue_names,omitzero"`
	ScheduledBefore Time     `json:"scheduled_before,omitzero"`
	ScheduledAfter  Time     `json:"scheduled_after,omitzero"`
}

// Window returns how many runs are asked for, of at most so many; the error is the
// text of a 422.
func (q *PollQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, RowOffset{}, most)
}

// QueuePollQuery is the body of POST /work_queues/{id}/get_runs.
type QueuePollQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	ScheduledBefore Time `json:"scheduled_before,omitzero"`
}

// Window returns how many runs are asked for, of at most so many; the error is the
// text of a 422.
func (q *QueuePollQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, RowOffset{}, most)
}
