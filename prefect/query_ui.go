package prefect

import "math"

// UIHistoryQuery is the body of POST /ui/flow_runs/history.
type UIHistoryQuery struct {
	_     struct{}    `check:"params"`
	Sort  FlowRunSort `json:"sort,omitzero" check:"default=EXPECTED_START_TIME_DESC"`
	Limit int         `json:"limit" check:"le=1000,default=1000"`
	RowOffset
	FlowsScope
}

// Window returns the rows that are asked for. A negative limit is none.
func (q *UIHistoryQuery) Window() (limit, offset int) {
	if limit = q.Limit; limit < 0 {
		limit = 1000
	}
	return limit, min(q.Offset, farthest)
}

// UIFlowRunsQuery is the body of POST /ui/flow_runs/count-task-runs.
type UIFlowRunsQuery struct {
	_          struct{} `check:"params"`
	FlowRunIDs []ID     `json:"flow_run_ids" check:"required,maxlen=200"`
}

// UIFlowsQuery is the body of POST /ui/flows/count-deployments and of
// POST /ui/flows/next-runs.
type UIFlowsQuery struct {
	_       struct{} `check:"params"`
	FlowIDs []ID     `json:"flow_ids" check:"required,maxlen=200"`
}

// UITaskRunCountsQuery is the body of POST /ui/task_runs/dashboard/counts.
type UITaskRunCountsQuery struct {
	_           struct{}          `check:"params"`
	TaskRuns    *TaskRunFilter    `json:"task_runs" check:"required"`
	Flows       *FlowFilter       `json:"flows,omitzero"`
	FlowRuns    *FlowRunFilter    `json:"flow_runs,omitzero"`
	Deployments *DeploymentFilter `json:"deployments,omitzero"`
	WorkPools   *WorkPoolFilter   `json:"work_pools,omitzero"`
	WorkQueues  *WorkQueueFilter  `json:"work_queues,omitzero"`
}

// DashboardBuckets is how many intervals the UI's dashboard shows.
const DashboardBuckets = 20

// Dashboard is the range of time that the UI's dashboard shows, in whole minutes.
type Dashboard struct {
	From  Time
	Width Duration // of an interval
}

// NewDashboard makes the dashboard for the time since from, until to or, if that
// is null, until now.
func NewDashboard(from, to, now Time) Dashboard {
	if to == 0 {
		to = now
	}
	start := from - from%Time(Minute)
	end := to - to%Time(Minute) + Time(Minute) - 1
	return Dashboard{start, Duration(math.RoundToEven(float64(end-start) / DashboardBuckets))}
}

// Bucket is the interval that a time is in, if it is in one.
func (d Dashboard) Bucket(t Time) (n int, ok bool) {
	if d.Width <= 0 || t < d.From {
		return 0, false
	}
	n = int(t.Sub(d.From) / d.Width)
	return n, n < DashboardBuckets
}
