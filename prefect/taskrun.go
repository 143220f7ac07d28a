package prefect

// TaskRun is one execution of a task.
type TaskRun struct {
	ID              ID            `json:"id" row:"1"`
	Created         Time          `json:"created" row:"2"`
	Updated         Time          `json:"updated" row:"3"`
	Name            string        `json:"name" row:"4"`
	FlowRunID       ID            `json:"flow_run_id" row:"5"`
	TaskKey         string        `json:"task_key" row:"6"`
	DynamicKey      string        `json:"dynamic_key" row:"7"`
	CacheKey        *string       `json:"cache_key" row:"8"`
	CacheExpiration Time          `json:"cache_expiration" row:"9"`
	TaskVersion     *string       `json:"task_version" row:"10"`
	EmpiricalPolicy TaskRunPolicy `json:"empirical_policy" row:"11"`
	Tags            []string      `json:"tags" row:"12"`
	Labels          Labels        `json:"labels" row:"13"`
	StateID         ID            `json:"state_id" row:"14"`
	TaskInputs      TaskInputs    `json:"task_inputs" row:"15"`
	StateType       StateType     `json:"state_type" row:"16"`
	StateName       *string       `json:"state_name" row:"17"`
	RunCount        int           `json:"run_count" row:"18"`
	FlowRunRunCount int           `json:"flow_run_run_count" row:"19"`

	ExpectedStartTime      Time `json:"expected_start_time" row:"20"`
	NextScheduledStartTime Time `json:"next_scheduled_start_time" row:"21"`
	StartTime              Time `json:"start_time" row:"22"`
	EndTime                Time `json:"end_time" row:"23"`

	TotalRunTime            Duration `json:"total_run_time" row:"24"`
	EstimatedRunTime        Duration `json:"estimated_run_time"`
	EstimatedStartTimeDelta Duration `json:"estimated_start_time_delta"`
	State                   *State   `json:"state"`

	// StateTimestamp is that of the current state, SubflowRun the flow run that
	// runs as this task run, if any.
	StateTimestamp Time `json:"-" cbor:"row25" row:"25"`
	SubflowRunID   ID   `json:"-" cbor:"row26" row:"26"`
}

// TaskRunPolicy is a task run's retry policy. RetryDelay is a number or a list
// of numbers, in seconds.
type TaskRunPolicy struct {
	MaxRetries        int    `json:"max_retries" row:"1"`
	RetryDelaySeconds Float  `json:"retry_delay_seconds" row:"2"`
	Retries           *int   `json:"retries" check:"fallback=max_retries" row:"3"`
	RetryDelay        JSON   `json:"retry_delay" check:"nullable,retry_delay,fallback=retry_delay_seconds" row:"4"`
	RetryJitterFactor *Float `json:"retry_jitter_factor" check:"jitter_factor" row:"5"`
}

// TaskInputs names, per parameter, where a task run's arguments came from.
type TaskInputs map[string][]TaskInput

// TaskInput is one source of an argument: input_type task_run or flow_run with
// the run's id, parameter with its name, constant with a type.
type TaskInput struct {
	InputType string `json:"input_type"`
	ID        ID     `json:"id,omitzero"`
	Name      string `json:"name,omitempty"`
	Type      string `json:"type,omitempty"`
}

// TaskRunCreate is the body of POST /task_runs/.
type TaskRunCreate struct {
	_               struct{}      `check:"closed"`
	ID              ID            `json:"id"`
	State           *StateCreate  `json:"state"`
	Name            *string       `json:"name" check:"falsy"`
	FlowRunID       ID            `json:"flow_run_id"`
	TaskKey         string        `json:"task_key" check:"required"`
	DynamicKey      string        `json:"dynamic_key" check:"required"`
	CacheKey        *string       `json:"cache_key" check:"cache_key"`
	CacheExpiration Time          `json:"cache_expiration"`
	TaskVersion     *string       `json:"task_version"`
	EmpiricalPolicy TaskRunPolicy `json:"empirical_policy"`
	Tags            []string      `json:"tags"`
	Labels          Labels        `json:"labels" check:"nullable"`
	TaskInputs      TaskInputs    `json:"task_inputs"`
}

// TaskRunUpdate is the body of PATCH /task_runs/{id}.
type TaskRunUpdate struct {
	_    struct{}     `check:"closed"`
	Name Opt[*string] `json:"name" check:"falsy"`
}
