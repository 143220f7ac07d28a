package prefect

// FlowRun is one execution of a flow. It answers as the API's FlowRunResponse.
type FlowRun struct {
	ID                ID            `json:"id" row:"1"`
	Created           Time          `json:"created" row:"2"`
	Updated           Time          `json:"updated" row:"3"`
	Name              string        `json:"name" row:"4"`
	FlowID            ID            `json:"flow_id" row:"5"`
	StateID           ID            `json:"state_id" row:"6"`
	DeploymentID      ID            `json:"deployment_id" row:"7"`
	DeploymentVersion *string       `json:"deployment_version" row:"8"`
	WorkQueueID       ID            `json:"work_queue_id" row:"9"`
	WorkQueueName     *string       `json:"work_queue_name" row:"10"`
	FlowVersion       *string       `json:"flow_version" row:"11"`
	Parameters        JSON          `json:"parameters" row:"12"`
	IdempotencyKey    *string       `json:"idempotency_key" row:"13"`
	Context           JSON          `json:"context" row:"14"`
	EmpiricalPolicy   FlowRunPolicy `json:"empirical_policy" row:"15"`
	Tags              []string      `json:"tags" row:"16"`
	Labels            Labels        `json:"labels" row:"17"`
	ParentTaskRunID   ID            `json:"parent_task_run_id" row:"18"`
	StateType         StateType     `json:"state_type" row:"19"`
	StateName         *string       `json:"state_name" row:"20"`
	RunCount          int           `json:"run_count" row:"21"`

	ExpectedStartTime      Time `json:"expected_start_time" row:"22"`
	NextScheduledStartTime Time `json:"next_scheduled_start_time" row:"23"`
	StartTime              Time `json:"start_time" row:"24"`
	EndTime                Time `json:"end_time" row:"25"`

	TotalRunTime            Duration `json:"total_run_time" row:"26"`
	EstimatedRunTime        Duration `json:"estimated_run_time"`
	EstimatedStartTimeDelta Duration `json:"estimated_start_time_delta"`

	AutoScheduled            bool       `json:"auto_scheduled" row:"27"`
	InfrastructureDocumentID ID         `json:"infrastructure_document_id" row:"28"`
	InfrastructurePID        *string    `json:"infrastructure_pid" row:"29"`
	CreatedBy                *CreatedBy `json:"created_by" row:"30"`
	WorkPoolID               ID         `json:"work_pool_id"`
	WorkPoolName             *string    `json:"work_pool_name"`
	State                    *State     `json:"state"`
	JobVariables             JSON       `json:"job_variables" row:"31"`

	// StateTimestamp is that of the current state.
	StateTimestamp Time `json:"-" cbor:"row32" row:"32"`
	// PauseTimeout is when a paused run is given up; null if it never is.
	PauseTimeout Time `json:"-" cbor:"row33" row:"33"`
}

// FlowRunPolicy is a run's retry and pause policy, and what orchestration notes
// in it between transitions.
type FlowRunPolicy struct {
	MaxRetries        int       `json:"max_retries" row:"1"`
	RetryDelaySeconds Float     `json:"retry_delay_seconds" row:"2"`
	Retries           *int      `json:"retries" check:"fallback=max_retries" row:"3"`
	RetryDelay        *int      `json:"retry_delay" check:"fallback=retry_delay_seconds" row:"4"`
	PauseKeys         StringSet `json:"pause_keys" check:"nullable,default=[]" row:"5"`
	Resuming          *bool     `json:"resuming" check:"default=false" row:"6"`
	RetryType         RetryType `json:"retry_type" check:"nullable,literal" row:"7"`
}

// CreatedBy says who made an object: a schedule, a deployment or an automation.
type CreatedBy struct {
	ID           ID      `json:"id" row:"1"`
	Type         *string `json:"type" row:"2"`
	DisplayValue *string `json:"display_value" row:"3"`
}

// FlowRunCreate is the body of POST /flow_runs/.
type FlowRunCreate struct {
	_                        struct{}      `check:"closed"`
	State                    *StateCreate  `json:"state"`
	Name                     *string       `json:"name" check:"falsy"`
	FlowID                   ID            `json:"flow_id" check:"required"`
	FlowVersion              *string       `json:"flow_version"`
	Parameters               JSON          `json:"parameters" check:"object,parameters,default={}"`
	Context                  JSON          `json:"context" check:"object,default={}"`
	ParentTaskRunID          ID            `json:"parent_task_run_id"`
	InfrastructureDocumentID ID            `json:"infrastructure_document_id"`
	EmpiricalPolicy          FlowRunPolicy `json:"empirical_policy"`
	Tags                     []string      `json:"tags"`
	Labels                   Labels        `json:"labels" check:"nullable"`
	IdempotencyKey           *string       `json:"idempotency_key"`
	WorkPoolName             *string       `json:"work_pool_name"`
	WorkQueueName            *string       `json:"work_queue_name"`
	JobVariables             JSON          `json:"job_variables" check:"object,nullable"`
	DeploymentID             ID            `json:"deployment_id"`
}

// FlowRunUpdate is the body of PATCH /flow_runs/{id}.
type FlowRunUpdate struct {
	_                 struct{}           `check:"closed"`
	Name              Opt[*string]       `json:"name" check:"falsy"`
	FlowVersion       Opt[*string]       `json:"flow_version"`
	Parameters        Opt[JSON]          `json:"parameters" check:"object,parameters"`
	EmpiricalPolicy   Opt[FlowRunPolicy] `json:"empirical_policy"`
	Tags              Opt[[]string]      `json:"tags"`
	InfrastructurePID Opt[*string]       `json:"infrastructure_pid"`
	JobVariables      Opt[JSON]          `json:"job_variables" check:"object,nullable"`
}

// FlowRunInput is a value sent to a running or paused flow run.
type FlowRunInput struct {
	ID        ID      `json:"id" row:"1"`
	Created   Time    `json:"created" row:"2"`
	Updated   Time    `json:"updated" row:"3"`
	FlowRunID ID      `json:"flow_run_id" row:"4"`
	Key       string  `json:"key" row:"5"`
	Value     string  `json:"value" row:"6"`
	Sender    *string `json:"sender" row:"7"`
}

// FlowRunInputCreate is the body of POST /flow_runs/{id}/input.
type FlowRunInputCreate struct {
	_      struct{} `check:"params"`
	Key    string   `json:"key" check:"required,input_key"`
	Value  string   `json:"value" check:"required,bytes"`
	Sender *string  `json:"sender"`
}

// RetryType says how a run that awaits a retry comes back: in its process, or
// by being scheduled anew.
type RetryType uint8

// The retry types. Their numbers are stored.
const (
	NoRetryType RetryType = iota
	InProcess
	Reschedule
)

var retryTypeNames = [...]string{"", "in_process", "reschedule"}
