package prefect

// DeploymentFilter selects deployments.
type DeploymentFilter struct {
	_                    struct{}                          `check:"closed"`
	Operator             Operator                          `json:"operator,omitzero" check:"default=and_"`
	ID                   *FilterIDNot                      `json:"id,omitzero"`
	Name                 *FilterName                       `json:"name,omitzero"`
	FlowOrDeploymentName *FilterLike                       `json:"flow_or_deployment_name,omitzero"`
	Paused               *FilterBool                       `json:"paused,omitzero"`
	Tags                 *FilterTagsAny                    `json:"tags,omitzero"`
	WorkQueueName        *FilterText                       `json:"work_queue_name,omitzero"`
	ConcurrencyLimit     *DeploymentFilterConcurrencyLimit `json:"concurrency_limit,omitzero"`
}

// DeploymentFilterConcurrencyLimit is accepted for old clients, and ignored.
type DeploymentFilterConcurrencyLimit struct {
	_      struct{} `check:"closed"`
	GE     *int     `json:"ge_,omitzero"`
	LE     *int     `json:"le_,omitzero"`
	IsNull *bool    `json:"is_null_,omitzero"`
}

// FilterLike is a filter of a part of a text, in either case, where % and _ are
// wildcards.
type FilterLike struct {
	_    struct{} `check:"closed,nullable"`
	Like string   `json:"like_,omitzero"`
}

// FilterBool is a filter of a switch.
type FilterBool struct {
	_  struct{} `check:"closed"`
	Eq *bool    `json:"eq_,omitzero"`
}

// WorkPoolFilter selects work pools.
type WorkPoolFilter struct {
	_        struct{}    `check:"closed"`
	Operator Operator    `json:"operator,omitzero" check:"default=and_"`
	ID       *FilterID   `json:"id,omitzero"`
	Name     *FilterText `json:"name,omitzero"`
	Type     *FilterText `json:"type,omitzero"`
}

// WorkQueueFilter selects work queues.
type WorkQueueFilter struct {
	_        struct{}             `check:"closed"`
	Operator Operator             `json:"operator,omitzero" check:"default=and_"`
	ID       *FilterID            `json:"id,omitzero"`
	Name     *WorkQueueFilterName `json:"name,omitzero"`
}

// WorkQueueFilterName selects work queues by name. StartsWith are beginnings, in
// either case, where % and _ are wildcards.
type WorkQueueFilterName struct {
	_          struct{} `check:"closed,nullable"`
	Any        []string `json:"any_,omitzero"`
	StartsWith []string `json:"startswith_,omitzero"`
}
