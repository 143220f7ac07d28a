package prefect

// ConcurrencyLimit bounds what goes on under a name at a time, or, with a decay, how much
// of it begins in a time. It answers as the API's ConcurrencyLimitV2.
type ConcurrencyLimit struct {
	ID                  ID     `json:"id" row:"1"`
	Created             Time   `json:"created" row:"2"`
	Updated             Time   `json:"updated" row:"3"` // slots decay since then
	Active              bool   `json:"active" row:"4"`
	Name                string `json:"name" row:"5"`
	Limit               int    `json:"limit" row:"6"`
	ActiveSlots         int    `json:"active_slots" row:"7"`
	DeniedSlots         int    `json:"denied_slots" row:"8"`
	SlotDecayPerSecond  Float  `json:"slot_decay_per_second" row:"9"`
	AvgOccupancySeconds Float  `json:"avg_slot_occupancy_seconds" row:"10"`
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
