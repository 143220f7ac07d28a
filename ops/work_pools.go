package ops

import (
	"strings"

	"prefectd/prefect"
	"prefectd/store"
)

// Work pools, their queues and their workers live in the coordination group.

// workPool finds a work pool by its name; nil if there is none.
func workPool(tx *store.Tx, name string) *prefect.WorkPool {
	return store.WorkPoolsByName.Find(tx, store.Key{}.String(name))
}

// findWorkPool is workPool with a 404.
func findWorkPool(tx *store.Tx, name string) (*prefect.WorkPool, error) {
	if pool := workPool(tx, name); pool != nil {
		return pool, nil
	}
	return nil, NotFound(`Work pool "` + name + `" not found.`)
}

// isReserved reports whether a work pool's name is one of the server's own.
func isReserved(name string) bool { return strings.HasPrefix(strings.ToLower(name), "prefect") }

const reservedPools = "Work pools starting with 'Prefect' are reserved for internal use"

// CreateWorkPool makes a work pool with its default queue.
type CreateWorkPool struct {
	Pool prefect.WorkPoolCreate
}

// Run answers a *prefect.WorkPool; 403 for a reserved name, 409 for one that is taken,
// 422 for defaults of job variables that their schema does not allow.
func (o *CreateWorkPool) Run(c *Context) (any, error) {
	if isReserved(o.Pool.Name) {
		return nil, Forbidden(reservedPools + ".")
	}
	if err := checkJobDefaults(o.Pool.BaseJobTemplate); err != nil {
		return nil, err
	}
	if workPool(c.Tx, o.Pool.Name) != nil {
		return nil, Conflict("A work pool with this name already exists.")
	}
	return c.createWorkPool(&o.Pool), nil
}

// createWorkPool makes a work pool whose name is free.
func (c *Context) createWorkPool(body *prefect.WorkPoolCreate) *prefect.WorkPool {
	pool := &prefect.WorkPool{
		ID: c.freshID(), Created: c.Now, Updated: c.Now,
		Name: body.Name, Description: body.Description, Type: body.Type,
		BaseJobTemplate: orObject(body.BaseJobTemplate), IsPaused: body.IsPaused,
		ConcurrencyLimit: body.ConcurrencyLimit, StorageConfiguration: body.StorageConfiguration,
	}
	status := prefect.NotReady
	if pool.IsPaused {
		status = prefect.PausedWork
	}
	store.WorkPools.Put(c.Tx, pool)
	description := "The work pool's default queue."
	pool.DefaultQueueID = c.createWorkQueue(pool, &prefect.WorkQueueCreate{Name: "default", Description: &description}).ID
	c.emitWorkPool("created", pool)
	c.setPoolStatus(pool, status)
	pool.StatusEventID, pool.StatusSince = prefect.NoID, 0 // the first event is followed by none
	store.WorkPools.Put(c.Tx, pool)
	if pool.ConcurrencyLimit != nil {
		pool.ActiveSlots = new(int)
	}
	return pool
}

// UpdateWorkPool changes what was sent of a work pool.
type UpdateWorkPool struct {
	Name   string
	Update prefect.WorkPoolUpdate
}

// Run answers nothing; 404 for an unknown pool, 403 for what a reserved one has fixed,
// 409 for null where the pool must have a value.
func (o *UpdateWorkPool) Run(c *Context) (any, error) {
	u := &o.Update
	if isReserved(o.Name) && !u.OnlyLimits() {
		return nil, Forbidden(reservedPools + " and can only be updated to set concurrency limits or pause.")
	}
	pool, err := findWorkPool(c.Tx, o.Name)
	if err != nil {
		return nil, err
	}
	if u.IsPaused.Set && u.IsPaused.Value == nil || u.StorageConfiguration.Set && u.StorageConfiguration.Value == nil {
		return nil, IntegrityConflict()
	}
	before := *pool
	o.apply(pool)
	if u.IsPaused.Set {
		c.setPoolStatus(pool, c.statusOfPool(pool))
	}
	pool.Updated = c.Now
	store.WorkPools.Put(c.Tx, pool)
	return nil, c.tellPoolUpdate(&before, pool)
}

// PauseWorkPool pauses a work pool, or sets it going again.
type PauseWorkPool struct {
	ID     prefect.ID
	Paused bool
}

// Run answers nothing; 404 for an unknown pool.
func (o *PauseWorkPool) Run(c *Context) (any, error) {
	pool := store.WorkPools.Get(c.Tx, key(o.ID))
	if pool == nil {
		return nil, NotFound("Work pool not found.")
	}
	return (&UpdateWorkPool{Name: pool.Name, Update: prefect.WorkPoolUpdate{IsPaused: prefect.Opt[*bool]{Set: true, Value: &o.Paused}}}).Run(c)
}

func (o *UpdateWorkPool) apply(pool *prefect.WorkPool) {
	u := &o.Update
	if u.Description.Set {
		pool.Description = u.Description.Value
	}
	if u.IsPaused.Set {
		pool.IsPaused = *u.IsPaused.Value
	}
	if u.BaseJobTemplate.Set {
		pool.BaseJobTemplate = u.BaseJobTemplate.Value
	}
	if u.ConcurrencyLimit.Set {
		pool.ConcurrencyLimit = u.ConcurrencyLimit.Value
	}
	if u.StorageConfiguration.Set {
		pool.StorageConfiguration = *u.StorageConfiguration.Value
	}
}

func (c *Context) tellPoolUpdate(before, after *prefect.WorkPool) error {
	var changes fieldChanges
	for _, f := range []struct {
		name     string
		from, to any
	}{
		{"description", before.Description, after.Description},
		{"base_job_template", before.BaseJobTemplate, after.BaseJobTemplate},
		{"concurrency_limit", before.ConcurrencyLimit, after.ConcurrencyLimit},
		{"storage_configuration", before.StorageConfiguration, after.StorageConfiguration},
	} {
		if err := changes.add(f.name, f.from, f.to); err != nil {
			return err
		}
	}
	return c.emitWorkPoolUpdate(after, &changes)
}

// statusOfPool is the status that follows from whether a pool is paused and has a
// worker that is there.
func (c *Context) statusOfPool(pool *prefect.WorkPool) string {
	switch {
	case pool.IsPaused:
		return prefect.PausedWork
	case hasWorkerOnline(c.Tx, pool.ID):
		return prefect.Ready
	}
	return prefect.NotReady
}

// DeleteWorkPool removes a work pool with its queues and workers. Deployments and runs
// that were in it are in none.
type DeleteWorkPool struct {
	Name string
}

// Run answers nothing; 404 for an unknown pool, 403 for a reserved one.
func (o *DeleteWorkPool) Run(c *Context) (any, error) {
	if isReserved(o.Name) {
		return nil, Forbidden(reservedPools + " and can not be deleted.")
	}
	pool, err := findWorkPool(c.Tx, o.Name)
	if err != nil {
		return nil, err
	}
	for _, q := range queuesOf(c.Tx, pool.ID) {
		c.removeWorkQueue(q)
	}
	for w := range store.WorkersByName.Rows(c.Tx, store.Range{Prefix: key(pool.ID)}) {
		store.Workers.Delete(c.Tx, key(w.ID))
	}
	for m := range store.CleanupsByPool.Rows(c.Tx, store.Range{Prefix: key(pool.ID)}) {
		store.Cleanups.Delete(c.Tx, key(m.ID))
	}
	c.emitWorkPool("deleted", pool)
	store.WorkPools.Delete(c.Tx, key(pool.ID))
	return nil, nil
}
