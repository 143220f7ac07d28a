package prefect

// DeploymentsScope is what a query of deployments may be limited by.
type DeploymentsScope = FlowRunsScope

// DeploymentsQuery is the body of POST /deployments/filter.
type DeploymentsQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	RowOffset
	DeploymentsScope
	Sort DeploymentSort `json:"sort,omitzero" check:"default=NAME_ASC"`
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *DeploymentsQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// DeploymentsPageQuery is the body of POST /deployments/paginate.
type DeploymentsPageQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	RowPage
	DeploymentsScope
	Sort DeploymentSort `json:"sort,omitzero" check:"default=NAME_ASC"`
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *DeploymentsPageQuery) Window(most int) (limit, offset int, err error) {
	return pageWindow(q.RowLimit, q.RowPage, most)
}

// DeploymentsCountQuery is the body of POST /deployments/count.
type DeploymentsCountQuery struct {
	_ struct{} `check:"params"`
	DeploymentsScope
}

// DeploymentsBulkDelete is the body of POST /deployments/bulk_delete.
type DeploymentsBulkDelete struct {
	_           struct{}          `check:"params"`
	Deployments *DeploymentFilter `json:"deployments,omitzero"`
	Limit       int               `json:"limit" check:"ge=1,le=50,default=50"`
}

// ScheduledRunsQuery is the body of POST /deployments/get_scheduled_flow_runs.
type ScheduledRunsQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	DeploymentIDs   []ID `json:"deployment_ids" check:"required"`
	ScheduledBefore Time `json:"scheduled_before"`
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *ScheduledRunsQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, RowOffset{}, most)
}

// ScheduleNow is the body of POST /deployments/{id}/schedule: which runs to make.
type ScheduleNow struct {
	_         struct{} `check:"params"`
	StartTime Time     `json:"start_time"`
	EndTime   Time     `json:"end_time"`
	MinTime   *float64 `json:"min_time"` // seconds
	MinRuns   *int     `json:"min_runs"`
	MaxRuns   *int     `json:"max_runs"`
}

// DeploymentSort is an order of deployments. The zero value is by name.
type DeploymentSort string

// The orders of deployments.
const (
	DeploymentCreatedDesc DeploymentSort = "CREATED_DESC"
	DeploymentUpdatedDesc DeploymentSort = "UPDATED_DESC"
	DeploymentNameAsc     DeploymentSort = "NAME_ASC"
	DeploymentNameDesc    DeploymentSort = "NAME_DESC"
)

// EnumValues lists the accepted texts.
func (DeploymentSort) EnumValues() []string {
	return []string{"CREATED_DESC", "UPDATED_DESC", "NAME_ASC", "NAME_DESC"}
}

// UnmarshalText reads the wire name.
func (s *DeploymentSort) UnmarshalText(text []byte) error { return choose(s, text) }
