package prefect

// ConcurrencyLimit bounds what goes on under a name at a time, or, with a decay, how much
// of it begins in a time. It answers as the API's ConcurrencyLimitV2.
type ConcurrencyLimit struct {
	ID                  ID     `json:"id" row:"1"`
	Created             Time   `json:"created" row:"2"`
	Updated             Time   `json:"updated" row:"3"`
	Active              bool   `json:"active" row:"4"`
	Name                string `json:"name" row:"5"`
	Limit               int    `json:"limit" row:"6"`
	ActiveSlots         int    `json:"active_slots" row:"7"`
	DeniedSlots         int    `json:"denied_slots" row:"8"`
	SlotDecayPerSecond  Float  `json:"slot_decay_per_second" row:"9"`
	AvgOccupancySeconds Float  `json:"avg_slot_occupancy_seconds" row:"10"`

	// ActiveSince and DeniedSince are when ActiveSlots and DeniedSlots were counted: they
	// decay from then on.
	ActiveSince Time `json:"-" cbor:"row11" row:"11"`
	DeniedSince Time `json:"-" cbor:"row12" row:"12"`
}

// ConcurrencyLimitResponse is a limit as most endpoints tell of it.
type ConcurrencyLimitResponse struct {
	ID                 ID     `json:"id"`
	Created            Time   `json:"created"`
	Updated            Time   `json:"updated"`
	Active             bool   `json:"active"`
	Name               string `json:"name"`
	Limit              int    `json:"limit"`
	ActiveSlots        int    `json:"active_slots"` // after decay
	SlotDecayPerSecond Float  `json:"slot_decay_per_second"`
}

// MinimalConcurrencyLimit is a limit as those hear of it that take slots.
type MinimalConcurrencyLimit struct {
	ID    ID     `json:"id"`
	Name  string `json:"name"`
	Limit int    `json:"limit"`
}

// ConcurrencyLimitCreate is the body of POST /v2/concurrency_limits/.
type ConcurrencyLimitCreate struct {
	_                  struct{} `check:"closed"`
	Active             bool     `json:"active" check:"default=true"`
	Name               string   `json:"name" check:"required,name"`
	Limit              int      `json:"limit" check:"required,ge=0"`
	ActiveSlots        int      `json:"active_slots" check:"ge=0"`
	DeniedSlots        int      `json:"denied_slots" check:"ge=0"`
	SlotDecayPerSecond float64  `json:"slot_decay_per_second" check:"ge=0"`
}

// ConcurrencyLimitUpdate is the body of PATCH /v2/concurrency_limits/{id_or_name}.
type ConcurrencyLimitUpdate struct {
	_                  struct{}      `check:"closed"`
	Active             Opt[*bool]    `json:"active"`
	Name               Opt[*string]  `json:"name" check:"name"`
	Limit              Opt[*int]     `json:"limit" check:"ge=0"`
	ActiveSlots        Opt[*int]     `json:"active_slots" check:"ge=0"`
	DeniedSlots        Opt[*int]     `json:"denied_slots" check:"ge=0"`
	SlotDecayPerSecond Opt[*float64] `json:"slot_decay_per_second" check:"ge=0"`
}

// ConcurrencyLimitsQuery is the body of POST /v2/concurrency_limits/filter, and of the
// older POST /concurrency_limits/filter.
type ConcurrencyLimitsQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	RowOffset
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *ConcurrencyLimitsQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// Increment is the body of POST /v2/concurrency_limits/increment.
type Increment struct {
	_               struct{} `check:"params"`
	Slots           int      `json:"slots" check:"required,gt=0"`
	Names           []string `json:"names" check:"required,minlen=1"`
	Mode            string   `json:"mode" check:"oneof=concurrency|rate_limit,default=concurrency"`
	CreateIfMissing *bool    `json:"create_if_missing"` // ignored
}

// Decrement is the body of POST /v2/concurrency_limits/decrement.
type Decrement struct {
	_                struct{} `check:"params"`
	Slots            int      `json:"slots" check:"required,gt=0"`
	Names            []string `json:"names" check:"required,minlen=1"`
	OccupancySeconds *float64 `json:"occupancy_seconds" check:"gt=0"`
	CreateIfMissing  *bool    `json:"create_if_missing"` // ignored
}

// TagLimit is a limit on the task runs of a tag, as the older routes tell of it.
type TagLimit struct {
	ID          ID     `json:"id"`
	Created     Time   `json:"created"`
	Updated     Time   `json:"updated"`
	Tag         string `json:"tag"`
	Limit       int    `json:"concurrency_limit"`
	ActiveSlots []ID   `json:"active_slots"` // the task runs that have one
}

// TagLimitCreate is the body of POST /concurrency_limits/.
type TagLimitCreate struct {
	_     struct{} `check:"closed"`
	Tag   string   `json:"tag" check:"required"`
	Limit int      `json:"concurrency_limit" check:"required"`
}

// TagLimitReset is the body of POST /concurrency_limits/tag/{tag}/reset.
type TagLimitReset struct {
	_     struct{} `check:"params"`
	Slots []ID     `json:"slot_override" check:"nullable"` // the task runs that have one afterwards
}

// TagSlots is the body of POST /concurrency_limits/increment and /decrement.
type TagSlots struct {
	_         struct{} `check:"params"`
	Names     []string `json:"names" check:"required"`
	TaskRunID ID       `json:"task_run_id" check:"required"`
}

// IncrementWithLease is the body of POST /v2/concurrency_limits/increment-with-lease.
type IncrementWithLease struct {
	_             struct{}     `check:"params"`
	Slots         int          `json:"slots" check:"required,gt=0"`
	Names         []string     `json:"names" check:"required,minlen=1"`
	Mode          string       `json:"mode" check:"oneof=concurrency|rate_limit,default=concurrency"`
	LeaseDuration float64      `json:"lease_duration" check:"ge=60,le=86400,default=300"`
	Holder        *LeaseHolder `json:"holder"`
}

// LeaseHolder says what holds a lease.
type LeaseHolder struct {
	_    struct{} `check:"closed"`
	Type string   `json:"type" check:"required,oneof=flow_run|task_run|deployment"`
	ID   ID       `json:"id" check:"required"`
}

// DecrementWithLease is the body of POST /v2/concurrency_limits/decrement-with-lease.
type DecrementWithLease struct {
	_       struct{} `check:"params"`
	LeaseID ID       `json:"lease_id" check:"required"`
}

// RenewLease is the body of POST /v2/concurrency_limits/leases/{lease_id}/renew.
type RenewLease struct {
	_             struct{} `check:"params"`
	LeaseDuration float64  `json:"lease_duration" check:"ge=60,le=86400,default=300"`
}
