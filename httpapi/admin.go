package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

func adminRoutes() []route {
	return []route{
		{Method: "GET", Path: "/admin/version", Kind: stale, Handle: packageVersion, Doc: "The version of the reference that this server stands in for."},
		{Method: "GET", Path: "/admin/settings", Kind: stale, Handle: settings, Doc: "The settings in effect, without secrets."},
		{Method: "GET", Path: "/admin/storage", Kind: read, Handle: defaultStorage, Doc: "The block that results are stored in by default."},
		{Method: "PUT", Path: "/admin/storage", Kind: write, Handle: setDefaultStorage, Doc: "Sets that block."},
		{Method: "DELETE", Path: "/admin/storage", Kind: write, Handle: clearDefaultStorage, Doc: "Unsets it."},
	}
}

// referenceVersion is the release of the Python server whose clients are served.
const referenceVersion = "3.9.1"

func packageVersion(c *call) error { return c.reply(200, referenceVersion) }

func settings(c *call) error { return c.reply(200, c.config.Settings) }

// resultStorage is the block that results are stored in.
type resultStorage struct {
	Block prefect.ID `json:"default_result_storage_block_id" check:"required"`
}

func defaultStorage(c *call) error {
	id, err := ops.Ask[prefect.ID](c.ctx, c.backend, ops.Coordination, &ops.ReadDefaultStorage{})
	if err != nil {
		return err
	}
	return c.reply(200, resultStorage{id})
}

func setDefaultStorage(c *call) error {
	var body resultStorage
	if err := c.decode(&body); err != nil {
		return err
	}
	if _, err := c.backend.Do(c.ctx, ops.Coordination, &ops.SetDefaultStorage{Block: body.Block}); err != nil {
		return err
	}
	return c.reply(200, body)
}

func clearDefaultStorage(c *call) error {
	return c.done(c.backend.Do(c.ctx, ops.Coordination, &ops.SetDefaultStorage{}))
}
