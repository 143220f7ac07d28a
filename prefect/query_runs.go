package prefect

// FlowsScope is what a query of flows may be limited by.
type FlowsScope struct {
	Flows       *FlowFilter       `json:"flows,omitzero"`
	FlowRuns    *FlowRunFilter    `json:"flow_runs,omitzero"`
	TaskRuns    *TaskRunFilter    `json:"task_runs,omitzero"`
	Deployments *DeploymentFilter `json:"deployments,omitzero"`
	WorkPools   *WorkPoolFilter   `json:"work_pools,omitzero"`
}

// FlowsQuery is the body of POST /flows/filter.
type FlowsQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	RowOffset
	FlowsScope
	Sort FlowSort `json:"sort,omitzero" check:"default=NAME_ASC"`
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *FlowsQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// FlowsPageQuery is the body of POST /flows/paginate.
type FlowsPageQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	RowPage
	FlowsScope
	Sort FlowSort `json:"sort,omitzero" check:"default=NAME_ASC"`
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *FlowsPageQuery) Window(most int) (limit, offset int, err error) {
	return pageWindow(q.RowLimit, q.RowPage, most)
}

// FlowsCountQuery is the body of POST /flows/count.
type FlowsCountQuery struct {
	_ struct{} `check:"params"`
	FlowsScope
}

// FlowsBulkDelete is the body of POST /flows/bulk_delete.
type FlowsBulkDelete struct {
	_     struct{}    `check:"params"`
	Flows *FlowFilter `json:"flows,omitzero"`
	Limit int         `json:"limit" check:"ge=1,le=50,default=50"`
}

// FlowRunsScope is what a query of flow runs may be limited by.
type FlowRunsScope struct {
	FlowsScope
	WorkPoolQueues *WorkQueueFilter `json:"work_pool_queues,omitzero"`
}

// FlowRunsQuery is the body of POST /flow_runs/filter.
type FlowRunsQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	Sort FlowRunSort `json:"sort,omitzero" check:"default=ID_DESC"`
	RowOffset
	FlowRunsScope
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *FlowRunsQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// FlowRunsPageQuery is the body of POST /flow_runs/paginate.
type FlowRunsPageQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	Sort FlowRunSort `json:"sort,omitzero" check:"default=ID_DESC"`
	RowPage
	FlowRunsScope
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *FlowRunsPageQuery) Window(most int) (limit, offset int, err error) {
	return pageWindow(q.RowLimit, q.RowPage, most)
}

// FlowRunsCountQuery is the body of POST /flow_runs/count and of
// POST /flow_runs/lateness.
type FlowRunsCountQuery struct {
	_ struct{} `check:"params"`
	FlowRunsScope
}

// FlowRunsHistoryQuery is the body of POST /flow_runs/history.
type FlowRunsHistoryQuery struct {
	_ struct{} `check:"params"`
	HistoryRange
	FlowsScope
	WorkQueues *WorkQueueFilter `json:"work_queues,omitzero"`
}

// Scope is what the query is limited by.
func (q *FlowRunsHistoryQuery) Scope() FlowRunsScope {
	return FlowRunsScope{q.FlowsScope, q.WorkQueues}
}

// FlowRunsBulkDelete is the body of POST /flow_runs/bulk_delete.
type FlowRunsBulkDelete struct {
	_        struct{}       `check:"params"`
	FlowRuns *FlowRunFilter `json:"flow_runs,omitzero"`
	Limit    int            `json:"limit" check:"ge=1,le=50,default=50"`
}

// FlowRunsBulkSetState is the body of POST /flow_runs/bulk_set_state.
type FlowRunsBulkSetState struct {
	_        struct{}       `check:"params"`
	FlowRuns *FlowRunFilter `json:"flow_runs,omitzero"`
	State    StateCreate    `json:"state" check:"required"`
	Force    bool           `json:"force"`
	Limit    int            `json:"limit" check:"ge=1,le=50,default=50"`
}

// SetState is the body of POST /flow_runs/{id}/set_state and of
// POST /task_runs/{id}/set_state.
type SetState struct {
	_     struct{}    `check:"params"`
	State StateCreate `json:"state" check:"required"`
	Force bool        `json:"force"`
}

// Resume is the body of POST /flow_runs/{id}/resume.
type Resume struct {
	_        struct{} `check:"params"`
	RunInput JSON     `json:"run_input,omitzero" check:"object,nullable"`
}

// FlowRunInputFilter is the body of POST /flow_runs/{id}/input/filter. The prefix
// is a pattern; see Like.
type FlowRunInputFilter struct {
	_           struct{} `check:"params"`
	Prefix      string   `json:"prefix" check:"required"`
	Limit       int      `json:"limit" check:"default=1"`
	ExcludeKeys []string `json:"exclude_keys,omitzero"`
}

// Rows is how many of the inputs that were found are asked for; a negative limit is
// none.
func (f *FlowRunInputFilter) Rows(found int) int {
	if f.Limit < 0 {
		return found
	}
	return min(f.Limit, found)
}

// TaskRunsScope is what a query of task runs may be limited by.
type TaskRunsScope struct {
	Flows       *FlowFilter       `json:"flows,omitzero"`
	FlowRuns    *FlowRunFilter    `json:"flow_runs,omitzero"`
	TaskRuns    *TaskRunFilter    `json:"task_runs,omitzero"`
	Deployments *DeploymentFilter `json:"deployments,omitzero"`
}

// TaskRunsQuery is the body of POST /task_runs/filter.
type TaskRunsQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	Sort TaskRunSort `json:"sort,omitzero" check:"default=ID_DESC"`
	RowOffset
	TaskRunsScope
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *TaskRunsQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// TaskRunsPageQuery is the body of POST /task_runs/paginate.
type TaskRunsPageQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	Sort TaskRunSort `json:"sort,omitzero" check:"default=ID_DESC"`
	RowPage
	TaskRunsScope
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *TaskRunsPageQuery) Window(most int) (limit, offset int, err error) {
	return pageWindow(q.RowLimit, q.RowPage, most)
}

// TaskRunsCountQuery is the body of POST /task_runs/count.
type TaskRunsCountQuery struct {
	_ struct{} `check:"params"`
	TaskRunsScope
}

// TaskRunsHistoryQuery is the body of POST /task_runs/history.
type TaskRunsHistoryQuery struct {
	_ struct{} `check:"params"`
	HistoryRange
	TaskRunsScope
}

// LogsQuery is the body of POST /logs/filter.
type LogsQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	RowOffset
	Logs *LogFilter `json:"logs,omitzero"`
	Sort LogSort    `json:"sort,omitzero" check:"default=TIMESTAMP_ASC"`
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *LogsQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}
