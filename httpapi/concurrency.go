package httpapi

import (
	"prefectd/httpapi/schema"
	"prefectd/ops"
	"prefectd/prefect"
)

// concurrencyRoutes are what a client needs to run tasks with tags. Limits cannot
// be made yet, so every lease is over none.
func concurrencyRoutes() []route {
	return []route{
		{Method: "POST", Path: "/v2/concurrency_limits/increment-with-lease", Kind: write, Handle: incrementWithLease, Doc: "Take slots, for as long as a lease lasts."},
		{Method: "POST", Path: "/v2/concurrency_limits/decrement-with-lease", Kind: write, Handle: decrementWithLease, Doc: "Give the slots of a lease back."},
		{Method: "POST", Path: "/v2/concurrency_limits/leases/{lease_id}/renew", Kind: write, Handle: renewLease, Doc: "Make a lease last longer."},
	}
}

func incrementWithLease(c *call) error {
	var body prefect.IncrementWithLease
	if err := c.decode(&body); err != nil {
		return err
	}
	id, err := ops.Do[prefect.ID](c.ctx, c.backend, ops.Coordination, &ops.CreateLease{Duration: prefect.SecondsOf(body.LeaseDuration)})
	if err != nil {
		return err
	}
	return c.reply(200, struct {
		LeaseID prefect.ID `json:"lease_id"`
		Limits  []struct{} `json:"limits"`
	}{LeaseID: id})
}

func decrementWithLease(c *call) error {
	var body prefect.DecrementWithLease
	if err := c.decode(&body); err != nil {
		return err
	}
	return c.done(c.backend.Do(c.ctx, ops.Coordination, &ops.ReleaseLease{ID: body.LeaseID}))
}

func renewLease(c *call) error {
	var path struct {
		ID prefect.ID `json:"lease_id" check:"required"`
	}
	text, err := prefect.Marshal(map[string]string{"lease_id": c.param("lease_id")})
	if err != nil {
		return err
	}
	if problems := schema.Decode(text, []any{"path"}, &path); len(problems) > 0 {
		return &invalid{problems: problems}
	}
	var body prefect.RenewLease
	if err := c.decode(&body); err != nil {
		return err
	}
	return c.done(c.backend.Do(c.ctx, ops.Coordination, &ops.RenewLease{ID: path.ID, Duration: prefect.SecondsOf(body.LeaseDuration)}))
}
