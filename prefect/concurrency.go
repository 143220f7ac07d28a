package prefect

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
