package prefect

// WorkPool is where work of one kind of infrastructure waits for workers. It answers as
// the API's WorkPoolResponse.
type WorkPool struct {
	ID                   ID                   `json:"id" row:"1"`
	Created              Time                 `json:"created" row:"2"`
	Updated              Time                 `json:"updated" row:"3"`
	Name                 string               `json:"name" row:"4"`
	Description          *string              `json:"description" row:"5"`
	Type                 string               `json:"type" row:"6"`
	BaseJobTemplate      JSON                 `json:"base_job_template" row:"7"`
	IsPaused             bool                 `json:"is_paused" row:"8"`
	ConcurrencyLimit     *int                 `json:"concurrency_limit" row:"9"`
	Status               *string              `json:"status" row:"10"` // READY, NOT_READY or PAUSED
	DefaultQueueID       ID                   `json:"default_queue_id" row:"11"`
	StorageConfiguration StorageConfiguration `json:"storage_configuration" row:"12"`
	ActiveSlots          *int                 `json:"active_slots"`

	// StatusEventID is the event that told of the status, at StatusSince.
	StatusEventID ID   `json:"-" cbor:"row13" row:"13"`
	StatusSince   Time `json:"-" cbor:"row14" row:"14"`
}

// The statuses of work pools, work queues and deployments.
const (
	Ready      = "READY"
	NotReady   = "NOT_READY"
	PausedWork = "PAUSED"
)

// The statuses of workers.
const (
	Online  WorkerStatus = "ONLINE"
	Offline WorkerStatus = "OFFLINE"
)

// AgentPoolType is the type of pools for agents, which are gone: these pools have no
// status.
const AgentPoolType = "prefect-agent"

// DefaultAgentPool is the pool of the queues that were made without one.
const DefaultAgentPool = "default-agent-pool"

// WorkPoolCreate is the body of POST /work_pools/.
type WorkPoolCreate struct {
	_                    struct{}             `check:"closed"`
	Name                 string               `json:"name" check:"required,emptyish,name"`
	Description          *string              `json:"description"`
	Type                 string               `json:"type" check:"default=prefect-agent"`
	BaseJobTemplate      JSON                 `json:"base_job_template" check:"object,job_template,default={}"`
	IsPaused             bool                 `json:"is_paused"`
	ConcurrencyLimit     *int                 `json:"concurrency_limit" check:"ge=0"`
	StorageConfiguration StorageConfiguration `json:"storage_configuration"`
}

// WorkPoolUpdate is the body of PATCH /work_pools/{name}.
type WorkPoolUpdate struct {
	_                    struct{}                   `check:"closed"`
	Description          Opt[*string]               `json:"description"`
	IsPaused             Opt[*bool]                 `json:"is_paused"`
	BaseJobTemplate      Opt[JSON]                  `json:"base_job_template" check:"object,job_template"`
	ConcurrencyLimit     Opt[*int]                  `json:"concurrency_limit" check:"ge=0"`
	StorageConfiguration Opt[*StorageConfiguration] `json:"storage_configuration"`
}

// OnlyLimits reports whether the update changes nothing but what may be changed of a
// reserved pool.
func (u *WorkPoolUpdate) OnlyLimits() bool {
	return !u.Description.Set && !u.BaseJobTemplate.Set && !u.StorageConfiguration.Set
}

// StorageConfiguration says where what a run needs and makes is kept.
type StorageConfiguration struct {
	_                           struct{} `check:"closed"`
	BundleUploadStep            JSON     `json:"bundle_upload_step" check:"object,nullable" row:"1"`
	BundleExecutionStep         JSON     `json:"bundle_execution_step" check:"object,nullable" row:"2"`
	DefaultResultStorageBlockID ID       `json:"default_result_storage_block_id" row:"3"`
}

// WorkQueue is a part of a work pool. It answers as the API's WorkQueueResponse.
type WorkQueue struct {
	ID               ID           `json:"id" row:"1"`
	Created          Time         `json:"created" row:"2"`
	Updated          Time         `json:"updated" row:"3"`
	Name             string       `json:"name" row:"4"`
	Description      *string      `json:"description" row:"5"`
	IsPaused         bool         `json:"is_paused" row:"6"`
	ConcurrencyLimit *int         `json:"concurrency_limit" row:"7"`
	Priority         int          `json:"priority" row:"8"` // 1 is served first
	WorkPoolID       ID           `json:"work_pool_id" row:"9"`
	Filter           *QueueFilter `json:"filter" row:"10"`
	LastPolled       Time         `json:"last_polled" row:"11"`
	WorkPoolName     *string      `json:"work_pool_name"`
	Status           *string      `json:"status" row:"12"` // READY, NOT_READY or PAUSED
	ActiveSlots      *int         `json:"active_slots"`
}

// WorkQueueCreate is the body of POST /work_queues/ and of
// POST /work_pools/{work_pool_name}/queues.
type WorkQueueCreate struct {
	_                struct{}     `check:"closed"`
	Name             string       `json:"name" check:"required,name"`
	Description      *string      `json:"description" check:"default="`
	IsPaused         bool         `json:"is_paused"`
	ConcurrencyLimit *int         `json:"concurrency_limit" check:"ge=0"`
	Priority         *int         `json:"priority" check:"gt=0"`
	Filter           *QueueFilter `json:"filter"`
}

// WorkQueueUpdate is the body of PATCH of a work queue.
type WorkQueueUpdate struct {
	_                struct{}          `check:"closed"`
	Name             Opt[*string]      `json:"name" check:"name"`
	Description      Opt[*string]      `json:"description"`
	IsPaused         Opt[bool]         `json:"is_paused"`
	ConcurrencyLimit Opt[*int]         `json:"concurrency_limit" check:"ge=0"`
	Priority         Opt[*int]         `json:"priority" check:"gt=0"`
	LastPolled       Opt[Time]         `json:"last_polled"`
	Filter           Opt[*QueueFilter] `json:"filter"`
}

// QueueFilter selected runs for the queues of agents, which are gone.
type QueueFilter struct {
	Tags          StringSet `json:"tags" check:"nullable" row:"1"`
	DeploymentIDs []ID      `json:"deployment_ids" check:"nullable" row:"2"`
}

// Worker takes runs from a work pool and starts them. It answers as the API's
// WorkerResponse.
type Worker struct {
	ID                ID           `json:"id" row:"1"`
	Created           Time         `json:"created" row:"2"`
	Updated           Time         `json:"updated" row:"3"`
	Name              string       `json:"name" row:"4"`
	WorkPoolID        ID           `json:"work_pool_id" row:"5"`
	LastHeartbeat     Time         `json:"last_heartbeat_time" row:"6"`
	HeartbeatInterval *int         `json:"heartbeat_interval_seconds" row:"7"`
	Status            WorkerStatus `json:"status" row:"8"`
}

// Cleanup is a message to the workers of a pool: they are to remove what a run left
// behind. It is delivered to one of them at a time, again if that one does not do it.
type Cleanup struct {
	ID          ID     `json:"id" row:"1"`
	Key         string `json:"key" row:"2"` // by which a repeated message is recognised
	WorkPoolID  ID     `json:"work_pool_id" row:"3"`
	WorkQueueID ID     `json:"work_queue_id" row:"4"`
	Kind        string `json:"kind" row:"5"`
	Target      JSON   `json:"target" row:"6"`
	Data        JSON   `json:"data" row:"7"`
	Created     Time   `json:"created" row:"8"`
	Deliveries  int    `json:"deliveries" row:"9"`
	Token       string `json:"token" row:"10"`  // of the worker that has it; empty if none has
	Until       Time   `json:"until" row:"11"`  // the end of that worker's lease, or of the row if it is done
	Done        bool   `json:"done" row:"12"`   // kept for a while, to recognise a repeated message
	Failed      bool   `json:"failed" row:"13"` // done, because nobody did it
}
