package ops

import (
	"cmp"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// How long a worker may be silent before answers call it offline: so many times its
// interval, or that of one which did not say (seconds). The foreman has settings for
// when it notes that.
const (
	missedHeartbeats = 3
	usualHeartbeat   = 30
)

// worker finds a worker of a pool; nil if there is none.
func worker(tx *store.Tx, pool prefect.ID, name string) *prefect.Worker {
	return store.WorkersByName.Find(tx, key(pool).String(name))
}

// hasWorkerOnline reports whether a pool has a worker that is there.
func hasWorkerOnline(tx *store.Tx, pool prefect.ID) bool {
	for w := range store.WorkersByName.Rows(tx, store.Range{Prefix: key(pool)}) {
		if w.Status == prefect.Online {
			return true
		}
	}
	return false
}

// RecordHeartbeat notes a sign of a worker; the first one makes it.
type RecordHeartbeat struct {
	Pool     string
	Worker   string
	Interval *int // seconds; nil leaves what is known
}

// Run answers nothing; 404 for an unknown pool.
func (o *RecordHeartbeat) Run(c *Context) (any, error) {
	pool, err := findWorkPool(c.Tx, o.Pool)
	if err != nil {
		return nil, err
	}
	c.recordHeartbeat(pool, o.Worker, o.Interval)
	return nil, nil
}

// recordHeartbeat notes the sign, and that its pool has a worker.
func (c *Context) recordHeartbeat(pool *prefect.WorkPool, name string, interval *int) {
	w := worker(c.Tx, pool.ID, name)
	if w == nil {
		w = &prefect.Worker{ID: c.freshID(), Created: c.Now, Updated: c.Now, Name: name, WorkPoolID: pool.ID}
	}
	w.LastHeartbeat, w.Status = c.Now, prefect.Online
	if interval != nil {
		w.HeartbeatInterval = interval
	}
	store.Workers.Put(c.Tx, w)
	if pool.Status != nil && *pool.Status == prefect.NotReady {
		c.setPoolStatus(pool, prefect.Ready)
		pool.Updated = c.Now
		store.WorkPools.Put(c.Tx, pool)
	}
}

// DeleteWorker forgets a worker.
type DeleteWorker struct {
	Pool   string
	Worker string
}

// Run answers nothing; 404 for an unknown pool or worker.
func (o *DeleteWorker) Run(c *Context) (any, error) {
	pool, err := findWorkPool(c.Tx, o.Pool)
	if err != nil {
		return nil, err
	}
	w := worker(c.Tx, pool.ID, o.Worker)
	if w == nil {
		return nil, NotFound("Worker not found.")
	}
	store.Workers.Delete(c.Tx, key(w.ID))
	return nil, nil
}

// FindWorkers finds workers of a pool, the last heard of first.
type FindWorkers struct {
	Pool   string
	Filter *prefect.WorkerFilter
	Window
}

// Read answers a []*prefect.Worker; 404 for an unknown pool. The filter goes by the
// status that was noted; the answer has the one that follows from the last sign.
func (q *FindWorkers) Read(tx *store.Tx, now prefect.Time) (any, error) {
	pool, err := findWorkPool(tx, q.Pool)
	if err != nil {
		return nil, err
	}
	workers := matching(store.WorkersByName.Rows(tx, store.Range{Prefix: key(pool.ID)}), q.Filter.Compile())
	slices.SortStableFunc(workers, func(a, b *prefect.Worker) int { return cmp.Compare(b.LastHeartbeat, a.LastHeartbeat) })
	workers = part(q.Window, workers)
	for _, w := range workers {
		w.Status = prefect.Offline
		if isThere(w, now) {
			w.Status = prefect.Online
		}
	}
	return workers, nil
}

// isThere reports whether a worker was heard of lately, as answers tell it. An interval
// of zero seconds is none.
func isThere(w *prefect.Worker, now prefect.Time) bool {
	seconds := usualHeartbeat
	if w.HeartbeatInterval != nil && *w.HeartbeatInterval != 0 {
		seconds = *w.HeartbeatInterval
	}
	return now.Sub(w.LastHeartbeat) < prefect.Duration(seconds*missedHeartbeats)*prefect.Second
}
