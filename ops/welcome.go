package ops

import (
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// WelcomeWorker lets a worker in to the channel of its pool, and notes that it is there.
type WelcomeWorker struct {
	Pool     string
	Worker   string
	Interval int // seconds between its heartbeats
	Queues   []string
	Type     string       // of the pool, if it is to be made
	Create   bool         // make the pool if there is none
	Template prefect.JSON // for a pool that has none
}

// Welcome is what a worker is told: its pool, and the queues that it works for.
type Welcome struct {
	Pool   *prefect.WorkPool
	Queues []*prefect.WorkQueue
}

// Run answers a *Welcome; 404 for an unknown pool or queue, 403 for a reserved one that
// is not there, 422 for a template that breaks its own schema.
func (o *WelcomeWorker) Run(c *Context) (any, error) {
	pool, err := o.pool(c)
	if err != nil {
		return nil, err
	}
	queues := queuesOf(c.Tx, pool.ID)
	if len(o.Queues) > 0 {
		if queues, err = chosen(&PoolQueues{pool, queues}, distinctTexts(o.Queues)); err != nil {
			return nil, err
		}
	}
	if isEmpty(pool.BaseJobTemplate) && !isEmpty(o.Template) {
		if err := o.fill(c, pool); err != nil {
			return nil, err
		}
	}
	c.recordHeartbeat(pool, o.Worker, &o.Interval)
	return &Welcome{pool, queues}, nil
}

func distinctTexts(texts []string) (kept []string) {
	for _, text := range texts {
		if !slices.Contains(kept, text) {
			kept = append(kept, text)
		}
	}
	return kept
}

func (o *WelcomeWorker) pool(c *Context) (*prefect.WorkPool, error) {
	pool, err := findWorkPool(c.Tx, o.Pool)
	switch {
	case pool != nil || !o.Create:
		return pool, err
	case isReserved(o.Pool):
		return nil, Forbidden(reservedPools + ".")
	}
	if err := checkJobDefaults(o.Template); err != nil {
		return nil, err
	}
	return c.createWorkPool(&prefect.WorkPoolCreate{Name: o.Pool, Type: o.Type, BaseJobTemplate: o.Template}), nil
}

// fill gives the pool the worker's template.
func (o *WelcomeWorker) fill(c *Context, pool *prefect.WorkPool) error {
	if err := checkJobDefaults(o.Template); err != nil {
		return err
	}
	before := *pool
	pool.BaseJobTemplate, pool.Updated = o.Template, c.Now
	store.WorkPools.Put(c.Tx, pool)
	return c.tellPoolUpdate(&before, pool)
}
