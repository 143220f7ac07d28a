package ops

import (
	"context"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// foreman notes which workers have fallen silent, and what is not served because of it.
var foreman = Service{
	Name: "foreman", Coordination: true,
	Enabled: func(s *Settings) bool { return s.Foreman },
	Every:   func(s *Settings) prefect.Duration { return s.ForemanLoop },
	Round:   inspectWork,
}

// foremanStep bounds what one entry changes.
const foremanStep = 200

func inspectWork(ctx context.Context, b Backend, group int) (acted int, err error) {
	found, err := Ask[Silence](ctx, b, group, &FindSilence{Patience: b.Settings().patience()})
	if err != nil {
		return 0, err
	}
	for _, note := range found.steps(foremanStep) {
		n, err := Do[int](ctx, b, group, &NoteSilence{Silence: note})
		if err != nil {
			return acted, err
		}
		acted += n
	}
	return acted, nil
}

// Silence is what nothing has been heard of, and what waits in vain because of it.
type Silence struct {
	Workers     []prefect.ID // that sent no heartbeat
	Pools       []prefect.ID // that have no worker
	Deployments []prefect.ID // that nobody polls
	Queues      []prefect.ID // that nobody polls
}

// steps cuts it in pieces; workers come first, because pools depend on them.
func (s *Silence) steps(size int) (steps []Silence) {
	for ids := range slices.Chunk(s.Workers, size) {
		steps = append(steps, Silence{Workers: ids})
	}
	for ids := range slices.Chunk(s.Pools, size) {
		steps = append(steps, Silence{Pools: ids})
	}
	for ids := range slices.Chunk(s.Deployments, size) {
		steps = append(steps, Silence{Deployments: ids})
	}
	for ids := range slices.Chunk(s.Queues, size) {
		steps = append(steps, Silence{Queues: ids})
	}
	return steps
}

// Patience is how long the foreman waits for signs.
type Patience struct {
	Missed     int // heartbeats
	Usual      int // seconds between them, of a worker that did not say
	Deployment prefect.Duration
	Queue      prefect.Duration
}

func (s *Settings) patience() Patience {
	return Patience{
		s.MissedHeartbeats, s.UsualHeartbeat,
		prefect.Duration(s.DeploymentPollTimeout) * prefect.Second, prefect.Duration(s.QueuePollTimeout) * prefect.Second,
	}
}

// isSilent reports whether a worker counts as there but is not heard of.
func (p *Patience) isSilent(w *prefect.Worker, now prefect.Time) bool {
	seconds := p.Usual
	if w.HeartbeatInterval != nil {
		seconds = *w.HeartbeatInterval
	}
	return w.Status == prefect.Online && now.Sub(w.LastHeartbeat) > prefect.Duration(seconds*p.Missed)*prefect.Second
}

// isForgotten reports whether a queue was polled, but not for a while.
func (p *Patience) isForgotten(q *prefect.WorkQueue, now prefect.Time) bool {
	return *q.Status == prefect.Ready && !q.LastPolled.IsNull() && now.Sub(q.LastPolled) > p.Queue
}

// isAbandoned reports whether a deployment was polled, but for a while neither it nor
// its queue.
func (p *Patience) isAbandoned(tx *store.Tx, d *prefect.Deployment, now prefect.Time) bool {
	if d.Status != prefect.Ready || d.LastPolled.IsNull() || now.Sub(d.LastPolled) <= p.Deployment {
		return false
	}
	queue := store.WorkQueues.Get(tx, key(d.WorkQueueID))
	return queue == nil || queue.LastPolled.IsNull() || now.Sub(queue.LastPolled) > p.Deployment
}

// isUnserved reports whether a pool counts as ready but has no worker, if some are
// left out of account.
func isUnserved(tx *store.Tx, pool *prefect.WorkPool, without []prefect.ID) bool {
	if pool.Status == nil || *pool.Status != prefect.Ready {
		return false
	}
	for w := range store.WorkersByName.Rows(tx, store.Range{Prefix: key(pool.ID)}) {
		if w.Status == prefect.Online && !slices.Contains(without, w.ID) {
			return false
		}
	}
	return true
}

// FindSilence looks for it.
type FindSilence struct {
	Patience Patience
}

// Read answers a Silence.
func (q *FindSilence) Read(tx *store.Tx, now prefect.Time) (any, error) {
	var found Silence
	for w := range store.WorkersByHeartbeat.Rows(tx, store.Range{}) {
		if q.Patience.isSilent(w, now) {
			found.Workers = append(found.Workers, w.ID)
		}
	}
	for pool := range store.WorkPools.Rows(tx, store.Range{}) {
		if isUnserved(tx, pool, found.Workers) {
			found.Pools = append(found.Pools, pool.ID)
		}
	}
	for queue := range store.WorkQueues.Rows(tx, store.Range{}) {
		if q.Patience.isForgotten(queue, now) {
			found.Queues = append(found.Queues, queue.ID)
		}
	}
	found.Deployments = q.abandoned(tx, now)
	return found, nil
}

// abandoned looks at little of each deployment, since there may be many.
func (q *FindSilence) abandoned(tx *store.Tx, now prefect.Time) (ids []prefect.ID) {
	columns := store.Deployments.Project(prefect.ColumnSet(1, 16) | deploymentMarks)
	var d prefect.Deployment
	for s := store.Deployments.Scan(tx, store.Range{}); s.Next(); {
		if columns.Entry(s.Entry(), &d); q.Patience.isAbandoned(tx, &d, now) {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

// NoteSilence takes note of what was found, as far as it is still so.
type NoteSilence struct {
	Silence Silence
}

// Run answers how much was noted.
func (o *NoteSilence) Run(c *Context) (any, error) {
	noted, patience := 0, c.Settings.patience()
	for _, id := range o.Silence.Workers {
		if w := store.Workers.Get(c.Tx, key(id)); w != nil && patience.isSilent(w, c.Now) {
			w.Status, w.Updated = prefect.Offline, c.Now
			store.Workers.Put(c.Tx, w)
			noted++
		}
	}
	for _, id := range o.Silence.Pools {
		if pool := store.WorkPools.Get(c.Tx, key(id)); pool != nil && isUnserved(c.Tx, pool, nil) {
			c.setPoolStatus(pool, prefect.NotReady)
			pool.Updated = c.Now
			store.WorkPools.Put(c.Tx, pool)
			noted++
		}
	}
	for _, id := range o.Silence.Deployments {
		if d := store.Deployments.Get(c.Tx, key(id)); d != nil && patience.isAbandoned(c.Tx, d, c.Now) {
			c.setDeploymentStatus(d, prefect.NotReady)
			noted++
		}
	}
	for _, id := range o.Silence.Queues {
		if q := store.WorkQueues.Get(c.Tx, key(id)); q != nil && patience.isForgotten(q, c.Now) {
			q.Updated = c.Now
			c.setQueueStatus(q, prefect.NotReady)
			noted++
		}
	}
	return noted, nil
}
