package prefect

import "errors"

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
	CollisionStrategy  CollisionStrategy `json:"collision_strategy" check:"required" row:"1"`
	GracePeriodSeconds *int              `json:"grace_period_seconds" check:"ge=60,le=86400" row:"2"`
}

// CollisionStrategy is ENQUEUE or CANCEL_NEW.
type CollisionStrategy string

// CancelNew is the strategy that cancels a run which finds the limit full.
const CancelNew CollisionStrategy = "CANCEL_NEW"

// EnumValues lists the accepted texts.
func (CollisionStrategy) EnumValues() []string { return []string{"ENQUEUE", string(CancelNew)} }

// UnmarshalText reads the wire name.
func (s *CollisionStrategy) UnmarshalText(text []byte) error { return choose(s, text) }

// DeploymentFields are what both the making and the changing of a deployment may set.
type DeploymentFields struct {
	Paused                   Opt[bool]                `json:"paused"`
	ConcurrencyLimit         Opt[*int]                `json:"concurrency_limit" check:"gt=0"`
	ConcurrencyOptions       Opt[*ConcurrencyOptions] `json:"concurrency_options"`
	GlobalConcurrencyLimitID Opt[ID]                  `json:"global_concurrency_limit_id"`
	ParameterOpenAPISchema   Opt[JSON]                `json:"parameter_openapi_schema" check:"object,nullable"`
	Tags                     Opt[[]string]            `json:"tags"`
	PullSteps                Opt[[]JSON]              `json:"pull_steps" check:"nullable,each=object_item"`
	WorkQueueName            Opt[*string]             `json:"work_queue_name"`
	WorkPoolName             Opt[*string]             `json:"work_pool_name"`
	StorageDocumentID        Opt[ID]                  `json:"storage_document_id"`
	InfrastructureDocumentID Opt[ID]                  `json:"infrastructure_document_id"`
	Description              Opt[*string]             `json:"description"`
	Path                     Opt[*string]             `json:"path"`
	Version                  Opt[*string]             `json:"version"`
	Entrypoint               Opt[*string]             `json:"entrypoint"`
	VersionInfo              *VersionInfo             `json:"version_info"` // looked at, and not kept

	// What old clients sent, and nobody reads.
	WorkerPoolQueueID   JSON `json:"worker_pool_queue_id"`
	WorkerPoolName      JSON `json:"worker_pool_name"`
	WorkerPoolQueueName JSON `json:"worker_pool_queue_name"`
	WorkPoolQueueName   JSON `json:"work_pool_queue_name"`
}

// VersionInfo describes a version of a deployment.
type VersionInfo struct {
	Type    string `json:"type" check:"required"`
	Version string `json:"version" check:"required"`
}

// Check refuses two limits at once.
func (f *DeploymentFields) Check() error {
	if f.ConcurrencyLimit.Value != nil && !f.GlobalConcurrencyLimitID.Value.IsNull() {
		return errors.New("A deployment cannot have both a concurrency limit and a global concurrency limit.")
	}
	return nil
}

// Apply sets what was sent and needs no looking up: queue and limits are not set.
func (f *DeploymentFields) Apply(d *Deployment) error {
	set(&d.Paused, f.Paused)
	set(&d.ConcurrencyOptions, f.ConcurrencyOptions)
	set(&d.ParameterOpenAPISchema, f.ParameterOpenAPISchema)
	set(&d.Tags, f.Tags)
	set(&d.WorkQueueName, f.WorkQueueName)
	set(&d.StorageDocumentID, f.StorageDocumentID)
	set(&d.InfrastructureDocID, f.InfrastructureDocumentID)
	set(&d.Description, f.Description)
	set(&d.Path, f.Path)
	set(&d.Version, f.Version)
	set(&d.Entrypoint, f.Entrypoint)
	if !f.PullSteps.Set {
		return nil
	}
	d.PullSteps = nil
	if f.PullSteps.Value == nil {
		return nil
	}
	steps, err := Marshal(f.PullSteps.Value)
	d.PullSteps = steps
	return err
}

// set sets a field that was sent.
func set[T any](dst *T, o Opt[T]) {
	if o.Set {
		*dst = o.Value
	}
}

// DeploymentCreate is the body of POST /deployments/. Of a deployment that exists, what
// is not sent stays, but for the schedules and the parameters.
type DeploymentCreate struct {
	_      struct{} `check:"closed"`
	Name   string   `json:"name" check:"required,name_or_empty"`
	FlowID ID       `json:"flow_id" check:"required"`
	DeploymentFields
	Schedules              []DeploymentScheduleCreate `json:"schedules"`
	EnforceParameterSchema Opt[bool]                  `json:"enforce_parameter_schema"`
	Parameters             JSON                       `json:"parameters" check:"object,parameters,default={}"`
	Labels                 Labels                     `json:"labels" check:"nullable"`
	JobVariables           Opt[JSON]                  `json:"job_variables" check:"object"`
}

// DeploymentUpdate is the body of PATCH /deployments/{id}.
type DeploymentUpdate struct {
	_ struct{} `check:"closed"`
	DeploymentFields
	Schedules              Opt[[]DeploymentScheduleUpdate] `json:"schedules"`
	EnforceParameterSchema Opt[*bool]                      `json:"enforce_parameter_schema"`
	Parameters             Opt[JSON]                       `json:"parameters" check:"object,parameters,nullable"`
	JobVariables           Opt[JSON]                       `json:"job_variables" check:"object,nullable"`
}

// DeploymentScheduleCreate is a schedule as a client makes it.
type DeploymentScheduleCreate struct {
	_                struct{} `check:"closed"`
	Active           bool     `json:"active" check:"default=true"`
	Schedule         JSON     `json:"schedule" check:"required,schedule"`
	MaxScheduledRuns *int     `json:"max_scheduled_runs" check:"gt=0,max_scheduled_runs"`
	Parameters       JSON     `json:"parameters" check:"object,default={}"`
	Slug             *string  `json:"slug"`
	Replaces         *string  `json:"replaces"`
}

// DeploymentScheduleUpdate is a change of a schedule, or, in the list of a deployment's
// schedules, perhaps a new one. Null is the same as not sent.
type DeploymentScheduleUpdate struct {
	_                struct{} `check:"closed"`
	Active           *bool    `json:"active"`
	Schedule         JSON     `json:"schedule" check:"schedule,nullable"`
	MaxScheduledRuns *int     `json:"max_scheduled_runs" check:"gt=0,max_scheduled_runs"`
	Parameters       JSON     `json:"parameters" check:"object"`
	Slug             *string  `json:"slug"`
	Replaces         *string  `json:"replaces"` // the slug until now
}

// DeploymentFlowRunCreate is the body of POST /deployments/{id}/create_flow_run. What is
// not sent is taken from the deployment.
type DeploymentFlowRunCreate struct {
	_                        struct{}      `check:"closed"`
	State                    *StateCreate  `json:"state"`
	Name                     *string       `json:"name" check:"falsy"`
	Parameters               JSON          `json:"parameters" check:"object,parameters,default={}"`
	EnforceParameterSchema   *bool         `json:"enforce_parameter_schema"`
	Context                  JSON          `json:"context" check:"object,default={}"`
	InfrastructureDocumentID ID            `json:"infrastructure_document_id"`
	EmpiricalPolicy          FlowRunPolicy `json:"empirical_policy"`
	Tags                     []string      `json:"tags"`
	IdempotencyKey           *string       `json:"idempotency_key"`
	Labels                   Labels        `json:"labels" check:"nullable"`
	ParentTaskRunID          ID            `json:"parent_task_run_id"`
	WorkQueueName            *string       `json:"work_queue_name"`
	JobVariables             JSON          `json:"job_variables" check:"object,nullable"`
}
