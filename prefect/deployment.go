package prefect

// Deployment is a flow with what is needed to run it elsewhere: where its code is, with
// which parameters, when, and by which workers. It answers as the API's
// DeploymentResponse.
type Deployment struct {
	ID                     ID                        `json:"id" row:"1"`
	Created                Time                      `json:"created" row:"2"`
	Updated                Time                      `json:"updated" row:"3"`
	Name                   string                    `json:"name" row:"4"`
	Version                *string                   `json:"version" row:"5"`
	Description            *string                   `json:"description" row:"6"`
	FlowID                 ID                        `json:"flow_id" row:"7"`
	Paused                 bool                      `json:"paused" row:"8"`
	Schedules              []*DeploymentSchedule     `json:"schedules" row:"9"` // the newest first
	ConcurrencyLimit       *int                      `json:"concurrency_limit"` // always null: for old clients
	GlobalConcurrencyLimit *ConcurrencyLimitResponse `json:"global_concurrency_limit"`
	ConcurrencyOptions     *ConcurrencyOptions       `json:"concurrency_options" row:"10"`
	JobVariables           JSON                      `json:"job_variables" row:"11"`
	Parameters             JSON                      `json:"parameters" row:"12"`
	Tags                   []string                  `json:"tags" row:"13"`
	Labels                 Labels                    `json:"labels" row:"14"`
	WorkQueueName          *string                   `json:"work_queue_name" row:"15"`
	WorkQueueID            ID                        `json:"work_queue_id" row:"16"`
	LastPolled             Time                      `json:"last_polled" row:"17"`
	ParameterOpenAPISchema JSON                      `json:"parameter_openapi_schema" row:"18"`
	Path                   *string                   `json:"path" row:"19"`
	PullSteps              JSON                      `json:"pull_steps" row:"20"`
	Entrypoint             *string                   `json:"entrypoint" row:"21"`
	StorageDocumentID      ID                        `json:"storage_document_id" row:"22"`
	InfrastructureDocID    ID                        `json:"infrastructure_document_id" row:"23"`
	CreatedBy              *CreatedBy                `json:"created_by" row:"24"`
	UpdatedBy              *CreatedBy                `json:"updated_by" row:"25"`
	WorkPoolName           *string                   `json:"work_pool_name"`
	Status                 string                    `json:"status" row:"26"` // READY or NOT_READY
	EnforceParameterSchema bool                      `json:"enforce_parameter_schema" row:"27"`

	// ConcurrencyLimitID is the limit on the runs of the deployment at a time, null if
	// there is none.
	ConcurrencyLimitID ID `json:"-" cbor:"row28" row:"28"`
}

// DeploymentSchedule says when runs of a deployment are due. It is a part of its
// deployment's row.
type DeploymentSchedule struct {
	ID               ID      `json:"id" row:"1"`
	Created          Time    `json:"created" row:"2"`
	Updated          Time    `json:"updated" row:"3"`
	DeploymentID     ID      `json:"deployment_id" row:"4"`
	Schedule         JSON    `json:"schedule" row:"5"` // an interval, cron or rrule schedule, as the API prints it
	Active           bool    `json:"active" row:"6"`
	MaxScheduledRuns *int    `json:"max_scheduled_runs" row:"7"`
	Parameters       JSON    `json:"parameters" row:"8"`
	Slug             *string `json:"slug" row:"9"`
}

// ConcurrencyOptions says what becomes of a run that finds its deployment's limit full.
type ConcurrencyOptions struct {
	CollisionStrategy  string `json:"collision_strategy" check:"required,oneof=ENQUEUE|CANCEL_NEW" row:"1"`
	GracePeriodSeconds *int   `json:"grace_period_seconds,omitzero" check:"ge=60,le=86400" row:"2"`
}
