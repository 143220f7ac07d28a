package httpapi

import (
	"prefectd/httpapi/schema"
	"prefectd/ops"
	"prefectd/prefect"
)

func concurrencyRoutes() []route {
	return []route{
		{Method: "POST", Path: "/v2/concurrency_limits/", Kind: write, Handle: createLimit, Doc: "Make a concurrency limit."},
		{Method: "GET", Path: "/v2/concurrency_limits/{id_or_name}", Kind: read, Handle: readLimit, Doc: "One concurrency limit."},
		{Method: "POST", Path: "/v2/concurrency_limits/filter", Kind: read, Handle: filterLimits, Doc: "Concurrency limits by name."},
		{Method: "PATCH", Path: "/v2/concurrency_limits/{id_or_name}", Kind: write, Handle: updateLimit, Doc: "Change what is sent of a concurrency limit."},
		{Method: "DELETE", Path: "/v2/concurrency_limits/{id_or_name}", Kind: write, Handle: deleteLimit, Doc: "Delete a concurrency limit."},
		{Method: "POST", Path: "/v2/concurrency_limits/increment", Kind: write, Handle: increment, Doc: "Take slots."},
		{Method: "POST", Path: "/v2/concurrency_limits/decrement", Kind: write, Handle: decrement, Doc: "Give slots back."},
		{Method: "POST", Path: "/v2/concurrency_limits/increment-with-lease", Kind: write, Handle: incrementWithLease, Doc: "Take slots, for as long as a lease lasts."},
		{Method: "POST", Path: "/v2/concurrency_limits/decrement-with-lease", Kind: write, Handle: decrementWithLease, Doc: "Give the slots of a lease back."},
		{Method: "POST", Path: "/v2/concurrency_limits/leases/{lease_id}/renew", Kind: write, Handle: renewLease, Doc: "Make a lease last longer."},
	}
}

// limit is the limit in the path.
func (c *call) limit() ops.LimitKey { return ops.ParseLimitKey(c.param("id_or_name")) }

func createLimit(c *call) error {
	var op ops.CreateLimit
	if err := c.decode(&op.Limit); err != nil {
		return err
	}
	l, err := ops.Do[*prefect.ConcurrencyLimit](c.ctx, c.backend, ops.Coordination, &op)
	if err != nil {
		return err
	}
	return c.reply(201, l)
}

func readLimit(c *call) error {
	return replyWith[*prefect.ConcurrencyLimitResponse](c)(
		ops.Ask[*prefect.ConcurrencyLimitResponse](c.ctx, c.backend, ops.Coordination, &ops.ReadLimit{Limit: c.limit()}))
}

func filterLimits(c *call) error {
	var q prefect.ConcurrencyLimitsQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	find := &ops.FindLimits{Window: ops.Window{From: offset, Limit: limit}}
	return replyWith[[]*prefect.ConcurrencyLimitResponse](c)(ops.Ask[[]*prefect.ConcurrencyLimitResponse](c.ctx, c.backend, ops.Coordination, find))
}

func updateLimit(c *call) error {
	op := &ops.UpdateLimit{Limit: c.limit()}
	if err := c.decode(&op.Update); err != nil {
		return err
	}
	return c.done(c.backend.Do(c.ctx, ops.Coordination, op))
}

func deleteLimit(c *call) error {
	return c.done(c.backend.Do(c.ctx, ops.Coordination, &ops.DeleteLimit{Limit: c.limit()}))
}

// rateLimit is the mode in which all limits have to decay.
const rateLimit = "rate_limit"

func increment(c *call) error {
	var body prefect.Increment
	if err := c.decode(&body); err != nil {
		return err
	}
	taken, err := c.take(&ops.TakeSlots{Names: body.Names, Slots: body.Slots, Rate: body.Mode == rateLimit})
	if err != nil {
		return err
	}
	return c.reply(200, taken.Limits)
}

func incrementWithLease(c *call) error {
	var body prefect.IncrementWithLease
	if err := c.decode(&body); err != nil {
		return err
	}
	op := &ops.TakeSlots{Names: body.Names, Slots: body.Slots, Rate: body.Mode == rateLimit, Lease: prefect.SecondsOf(body.LeaseDuration)}
	if body.Holder != nil {
		op.HolderType, op.Holder = body.Holder.Type, body.Holder.ID
	}
	taken, err := c.take(op)
	if err != nil {
		return err
	}
	return c.reply(200, struct {
		LeaseID prefect.ID                        `json:"lease_id"`
		Limits  []prefect.MinimalConcurrencyLimit `json:"limits"`
	}{taken.Lease, taken.Limits})
}

// take takes slots; that there are none is an error.
func (c *call) take(op *ops.TakeSlots) (ops.SlotsTaken, error) {
	taken, err := ops.Do[ops.SlotsTaken](c.ctx, c.backend, ops.Coordination, op)
	if err == nil && taken.Full {
		err = ops.Locked(taken.Wait)
	}
	return taken, err
}

func decrement(c *call) error {
	var body prefect.Decrement
	if err := c.decode(&body); err != nil {
		return err
	}
	op := &ops.GiveSlots{Names: body.Names, Slots: body.Slots}
	if body.OccupancySeconds != nil {
		op.Occupancy = *body.OccupancySeconds
	}
	return replyWith[[]prefect.MinimalConcurrencyLimit](c)(ops.Do[[]prefect.MinimalConcurrencyLimit](c.ctx, c.backend, ops.Coordination, op))
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
