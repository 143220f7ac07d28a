package ops

import (
	"prefectd/prefect"
	"prefectd/store"
)

// Leases live in the coordination group. There are no concurrency limits yet: a
// lease is over none, as it is for a name that has no limit.

// CreateLease makes a lease, and drops some that nobody gave back.
type CreateLease struct {
	Duration prefect.Duration
}

// droppedLeases is how many expired leases a new one clears away.
const droppedLeases = 10

// Run answers the lease's prefect.ID.
func (o *CreateLease) Run(c *Context) (any, error) {
	n := 0
	for lease := range store.LeasesByExpiration.Rows(c.Tx, store.Range{To: store.Key{}.Time(c.Now)}) {
		if n++; n > droppedLeases {
			break
		}
		store.Leases.Delete(c.Tx, key(lease.ID))
	}
	lease := &store.Lease{ID: c.NewID(byte(c.Rand.Uint32())), Created: c.Now, Expiration: c.Now.Add(o.Duration)}
	store.Leases.Put(c.Tx, lease)
	return lease.ID, nil
}

// RenewLease makes a lease last longer.
type RenewLease struct {
	ID       prefect.ID
	Duration prefect.Duration
}

// Run answers nothing; 410 for a lease that is gone.
func (o *RenewLease) Run(c *Context) (any, error) {
	lease := store.Leases.Get(c.Tx, key(o.ID))
	if lease == nil {
		return nil, &Error{Status: 410, Detail: "Lease not found - it may have expired or been revoked"}
	}
	lease.Expiration = c.Now.Add(o.Duration)
	store.Leases.Put(c.Tx, lease)
	return nil, nil
}

// ReleaseLease gives a lease back; one that is gone is no error.
type ReleaseLease struct {
	ID prefect.ID
}

// Run answers nothing.
func (o *ReleaseLease) Run(c *Context) (any, error) {
	store.Leases.Delete(c.Tx, key(o.ID))
	return nil, nil
}
