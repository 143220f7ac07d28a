package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

// tagLimitRoutes are the older ones, of limits on tags.
func tagLimitRoutes() []route {
	return []route{
		{Method: "POST", Path: "/concurrency_limits/", Kind: write, Handle: setTagLimit, Doc: "Make or change the limit on the task runs of a tag."},
		{Method: "GET", Path: "/concurrency_limits/{id}", Kind: read, Handle: readTagLimit, Doc: "One limit on a tag."},
		{Method: "GET", Path: "/concurrency_limits/tag/{tag}", Kind: read, Handle: readTagLimit, Doc: "The limit on a tag."},
		{Method: "POST", Path: "/concurrency_limits/filter", Kind: read, Handle: filterTagLimits, Doc: "The limits on tags."},
		{Method: "POST", Path: "/concurrency_limits/tag/{tag}/reset", Kind: write, Handle: resetTagLimit, Doc: "Take the slots of a tag away, and give some anew."},
		{Method: "DELETE", Path: "/concurrency_limits/{id}", Kind: write, Handle: deleteTagLimit, Doc: "Delete a limit on a tag."},
		{Method: "DELETE", Path: "/concurrency_limits/tag/{tag}", Kind: write, Handle: deleteTagLimit, Doc: "Delete the limit on a tag."},
		{Method: "POST", Path: "/concurrency_limits/increment", Kind: write, Handle: takeTagSlots, Doc: "Take slots of tags for a task run."},
		{Method: "POST", Path: "/concurrency_limits/decrement", Kind: write, Handle: giveTagSlots, Doc: "Give slots of tags back."},
	}
}

// tagLimit is the limit in the path, by its id or its tag.
func (c *call) tagLimit() ops.TagLimitKey {
	if _, byID := c.req.UserValue("id").(string); byID {
		return ops.TagLimitKey{ID: c.id("id")}
	}
	return ops.TagLimitKey{Tag: c.param("tag")}
}

func setTagLimit(c *call) error {
	var op ops.SetTagLimit
	if err := c.decode(&op.Limit); err != nil {
		return err
	}
	return replyUpserted[prefect.TagLimit](c)(ops.Do[ops.Upserted[prefect.TagLimit]](c.ctx, c.backend, ops.Coordination, &op))
}

func readTagLimit(c *call) error {
	return replyWith[*prefect.TagLimit](c)(ops.Ask[*prefect.TagLimit](c.ctx, c.backend, ops.Coordination, &ops.ReadTagLimit{Limit: c.tagLimit()}))
}

func filterTagLimits(c *call) error {
	var q prefect.ConcurrencyLimitsQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	find := &ops.FindTagLimits{Window: ops.Window{From: offset, Limit: limit}}
	return replyWith[[]*prefect.TagLimit](c)(ops.Ask[[]*prefect.TagLimit](c.ctx, c.backend, ops.Coordination, find))
}

// nothing answers null for an operation that has nothing to say.
func (c *call) nothing(_ any, err error) error {
	if err != nil {
		return err
	}
	return c.reply(200, nil)
}

func resetTagLimit(c *call) error {
	var body prefect.TagLimitReset
	if err := c.decode(&body); err != nil {
		return err
	}
	return c.nothing(c.backend.Do(c.ctx, ops.Coordination, &ops.ResetTagLimit{Tag: c.param("tag"), Slots: body.Slots}))
}

func deleteTagLimit(c *call) error {
	return c.nothing(c.backend.Do(c.ctx, ops.Coordination, &ops.DeleteTagLimit{Limit: c.tagLimit()}))
}

func takeTagSlots(c *call) error {
	var op ops.TakeTagSlots
	if err := c.decode(&op.TagSlots); err != nil {
		return err
	}
	return replyWith[[]prefect.MinimalConcurrencyLimit](c)(ops.Do[[]prefect.MinimalConcurrencyLimit](c.ctx, c.backend, ops.Coordination, &op))
}

func giveTagSlots(c *call) error {
	var op ops.GiveTagSlots
	if err := c.decode(&op.TagSlots); err != nil {
		return err
	}
	return replyWith[[]prefect.MinimalConcurrencyLimit](c)(ops.Do[[]prefect.MinimalConcurrencyLimit](c.ctx, c.backend, ops.Coordination, &op))
}
