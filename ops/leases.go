package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// RenewLease makes a lease last longer, or shorter, from now on.
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

// ReleaseLease gives back what a lease holds; one that is gone is no error.
type ReleaseLease struct {
	ID prefect.ID
}

// Run answers nothing.
func (o *ReleaseLease) Run(c *Context) (any, error) {
	if lease := store.Leases.Get(c.Tx, key(o.ID)); lease != nil {
		c.endLease(lease)
	}
	return nil, nil
}

// endLease gives back what a lease holds.
func (c *Context) endLease(lease *store.Lease) {
	held := c.Now.Sub(lease.Created).Seconds()
	for _, id := range lease.Limits {
		if l := store.ConcurrencyLimits.Get(c.Tx, key(id)); l != nil {
			c.giveSlots(l, lease.Slots, held)
		}
	}
	store.Leases.Delete(c.Tx, key(lease.ID))
}

// ExpireLeases ends the leases that have expired.
type ExpireLeases struct {
	Limit int
}

// Run answers how many they were.
func (o *ExpireLeases) Run(c *Context) (any, error) {
	var over []*store.Lease
	for lease := range store.LeasesByExpiration.Rows(c.Tx, store.Range{To: store.Key{}.Time(c.Now)}) {
		if over = append(over, lease); len(over) == o.Limit {
			break
		}
	}
	for _, lease := range over {
		c.endLease(lease)
	}
	return len(over), nil
}

// LeasesExpired reports whether a lease has expired.
type LeasesExpired struct{}

// Read answers a bool.
func (q *LeasesExpired) Read(tx *store.Tx, now prefect.Time) (any, error) {
	for range store.LeasesByExpiration.Rows(tx, store.Range{To: store.Key{}.Time(now)}) {
		return true, nil
	}
	return false, nil
}

// expiredAtOnce is how many leases an operation ends.
const expiredAtOnce = 100

// repossessor ends leases that nobody renewed.
var repossessor = Service{
	Name: "repossessor", Coordination: true,
	Enabled: func(s *Settings) bool { return s.Repossessor.Enabled },
	Every:   func(s *Settings) prefect.Duration { return s.Repossessor.Every },
	Round: func(ctx context.Context, b Backend, group int) (acted int, err error) {
		for {
			some, err := Ask[bool](ctx, b, group, &LeasesExpired{})
			if err != nil || !some {
				return acted, err
			}
			n, err := Do[int](ctx, b, group, &ExpireLeases{Limit: expiredAtOnce})
			acted += n
			if err != nil || n < expiredAtOnce {
				return acted, err
			}
		}
	},
}
