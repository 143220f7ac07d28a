package ops

import (
	"cmp"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// queuesOf lists the queues of a work pool, those that are served first in front.
func queuesOf(tx *store.Tx, pool prefect.ID) []*prefect.WorkQueue {
	queues := slices.Collect(store.WorkQueuesByName.Rows(tx, store.Range{Prefix: key(pool)}))
	slices.SortStableFunc(queues, func(a, b *prefect.WorkQueue) int { return cmp.Compare(a.Priority, b.Priority) })
	return queues
}

// QueueKey says which work queue is meant: the one with an id, or with a name in a
// work pool.
type QueueKey struct {
	ID   prefect.ID
	Pool string
	Name string
}

// find reads the queue, nil if there is none.
func (k *QueueKey) find(tx *store.Tx) *prefect.WorkQueue {
	if !k.ID.IsNull() {
		return store.WorkQueues.Get(tx, key(k.ID))
	}
	pool := workPool(tx, k.Pool)
	if pool == nil {
		return nil
	}
	return store.WorkQueuesByName.Find(tx, key(pool.ID).String(k.Name))
}

// notFound is the 404 for it.
func (k *QueueKey) notFound() *Error {
	if !k.ID.IsNull() {
		return NotFound("work queue not found")
	}
	return NotFound("Work pool queue '" + k.Pool + "/" + k.Name + "' not found.")
}

// CreateWorkQueue makes a work queue in a pool or, without one, in that of the queues
// for agents.
type CreateWorkQueue struct {
	Pool  *string
	Queue prefect.WorkQueueCreate
}

// Run answers a *prefect.WorkQueue; 404 for an unknown pool, 409 for a name that is
// taken there.
func (o *CreateWorkQueue) Run(c *Context) (any, error) {
	if o.Pool == nil {
		return o.forAgents(c)
	}
	pool, err := findWorkPool(c.Tx, *o.Pool)
	if err != nil {
		return nil, err
	}
	if store.WorkQueuesByName.Has(c.Tx, key(pool.ID).String(o.Queue.Name)) {
		return nil, Conflict("A work queue with this name already exists in work pool '" + pool.Name + "'.")
	}
	return c.createWorkQueue(pool, &o.Queue), nil
}

func (o *CreateWorkQueue) forAgents(c *Context) (any, error) {
	pool, made := c.agentPool()
	queue := store.WorkQueuesByName.Find(c.Tx, key(pool.ID).String(o.Queue.Name))
	switch {
	case queue == nil:
		return c.createWorkQueue(pool, &o.Queue), nil
	case !made:
		return nil, Conflict("A work queue with this name already exists.")
	}
	return named(queue, pool), nil // the default queue, which has just been made
}

// agentPool is the pool of the queues for agents; it is made for the first of them.
func (c *Context) agentPool() (pool *prefect.WorkPool, made bool) {
	if pool = workPool(c.Tx, prefect.DefaultAgentPool); pool != nil {
		return pool, false
	}
	return c.createWorkPool(&prefect.WorkPoolCreate{Name: prefect.DefaultAgentPool, Type: prefect.AgentPoolType}), true
}

// named fills in the name of a queue's pool.
func named(q *prefect.WorkQueue, pool *prefect.WorkPool) *prefect.WorkQueue {
	q.WorkPoolName = &pool.Name
	return q
}

// createWorkQueue makes a work queue whose name is free.
func (c *Context) createWorkQueue(pool *prefect.WorkPool, body *prefect.WorkQueueCreate) *prefect.WorkQueue {
	status := prefect.NotReady
	queue := &prefect.WorkQueue{
		ID: c.freshID(), Created: c.Now, Updated: c.Now, Name: body.Name, Description: body.Description,
		IsPaused: body.IsPaused, ConcurrencyLimit: body.ConcurrencyLimit,
		WorkPoolID: pool.ID, Filter: body.Filter, Status: &status,
	}
	if body.Priority != nil {
		c.prioritize(queue, *body.Priority)
	} else {
		queue.Priority = freePriority(queuesOf(c.Tx, pool.ID))
	}
	store.WorkQueues.Put(c.Tx, queue)
	c.emitWorkQueue("created", queue)
	if queue.ConcurrencyLimit != nil {
		queue.ActiveSlots = new(int)
	}
	return named(queue, pool)
}

// freePriority is the lowest number that no queue of a sorted list has, of those below
// which none is free.
func freePriority(queues []*prefect.WorkQueue) int {
	for i, q := range queues {
		if q.Priority != i+1 {
			return i + 1
		}
	}
	return len(queues) + 1
}

// prioritize gives a queue a priority; the others of its pool make room, as few of
// them as can be. The caller stores the queue itself.
func (c *Context) prioritize(queue *prefect.WorkQueue, priority int) {
	queue.Priority = priority
	last := priority
	for _, q := range queuesOf(c.Tx, queue.WorkPoolID) {
		if q.ID == queue.ID || q.Priority < priority {
			continue
		}
		if q.Priority > last {
			return
		}
		last++
		q.Priority = last
		store.WorkQueues.Put(c.Tx, q)
	}
}

// UpdateWorkQueue changes what was sent of a work queue.
type UpdateWorkQueue struct {
	Queue  QueueKey
	Update prefect.WorkQueueUpdate
}

// Run answers nothing; 404 for an unknown queue, 409 for a name that is taken in its
// pool, or for null where the queue must have a value.
func (o *UpdateWorkQueue) Run(c *Context) (any, error) {
	queue, err := o.Queue.inPool(c.Tx)
	if err != nil {
		if !o.Queue.ID.IsNull() {
			err = NotFound("Work Queue " + o.Queue.ID.String() + " not found")
		}
		return nil, err
	}
	u := &o.Update
	if u.Name.Set && (u.Name.Value == nil || c.isTaken(queue, *u.Name.Value)) || u.Priority.Set && u.Priority.Value == nil {
		return nil, IntegrityConflict()
	}
	before := *queue
	o.apply(c, queue)
	queue.Updated = c.Now
	store.WorkQueues.Put(c.Tx, queue)
	if err := c.tellQueueUpdate(&before, queue); err != nil {
		return nil, err
	}
	if *queue.Status != *before.Status {
		c.emitWorkQueue(kebab(*queue.Status), queue)
	}
	return nil, nil
}

// inPool is find with a 404 for the pool too.
func (k *QueueKey) inPool(tx *store.Tx) (*prefect.WorkQueue, error) {
	if k.ID.IsNull() {
		if _, err := findWorkPool(tx, k.Pool); err != nil {
			return nil, err
		}
	}
	if queue := k.find(tx); queue != nil {
		return queue, nil
	}
	return nil, k.notFound()
}

// isTaken reports whether another queue of the pool has a name.
func (c *Context) isTaken(queue *prefect.WorkQueue, name string) bool {
	other := store.WorkQueuesByName.Find(c.Tx, key(queue.WorkPoolID).String(name))
	return other != nil && other.ID != queue.ID
}

func (o *UpdateWorkQueue) apply(c *Context, queue *prefect.WorkQueue) {
	u := &o.Update
	if u.Name.Set {
		queue.Name = *u.Name.Value
	}
	if u.Description.Set {
		queue.Description = u.Description.Value
	}
	if u.ConcurrencyLimit.Set {
		queue.ConcurrencyLimit = u.ConcurrencyLimit.Value
	}
	if u.Filter.Set {
		queue.Filter = u.Filter.Value
	}
	if u.LastPolled.Set {
		queue.LastPolled = u.LastPolled.Value
	}
	if u.Priority.Set {
		c.prioritize(queue, *u.Priority.Value)
	}
	if u.IsPaused.Set {
		queue.IsPaused = u.IsPaused.Value
		status := c.statusOfQueue(queue)
		queue.Status = &status
	}
}

// recentPoll is how long a work queue counts as polled.
const recentPoll = 60 * prefect.Second

// statusOfQueue is the status of a queue that has been paused or not. One that was not
// paused keeps its own.
func (c *Context) statusOfQueue(queue *prefect.WorkQueue) string {
	switch {
	case queue.IsPaused:
		return prefect.PausedWork
	case *queue.Status != prefect.PausedWork:
		return *queue.Status
	case !queue.LastPolled.IsNull() && c.Now.Sub(queue.LastPolled) <= recentPoll:
		return prefect.Ready
	}
	return prefect.NotReady
}

func (c *Context) tellQueueUpdate(before, after *prefect.WorkQueue) error {
	var changes fieldChanges
	for _, f := range []struct {
		name     string
		from, to any
	}{
		{"name", before.Name, after.Name},
		{"description", before.Description, after.Description},
		{"concurrency_limit", before.ConcurrencyLimit, after.ConcurrencyLimit},
		{"priority", before.Priority, after.Priority},
	} {
		if err := changes.add(f.name, f.from, f.to); err != nil {
			return err
		}
	}
	return c.emitWorkQueueUpdate(after, &changes)
}

// DeleteWorkQueue removes a work queue. The priorities of the others stay.
type DeleteWorkQueue struct {
	Queue QueueKey
}

// Run answers nothing; 404 for an unknown queue, 409 for its pool's default one.
func (o *DeleteWorkQueue) Run(c *Context) (any, error) {
	queue, err := o.Queue.inPool(c.Tx)
	if err != nil {
		return nil, err
	}
	if pool := store.WorkPools.Get(c.Tx, key(queue.WorkPoolID)); pool != nil && pool.DefaultQueueID == queue.ID {
		return nil, Conflict("Can't delete a pool's default queue.")
	}
	c.removeWorkQueue(queue)
	return nil, nil
}

// removeWorkQueue removes a queue and takes its deployments out of it. Flow runs are
// in other groups and keep its id; whoever reads them finds that it is gone.
func (c *Context) removeWorkQueue(queue *prefect.WorkQueue) {
	c.emitWorkQueue("deleted", queue)
	store.WorkQueues.Delete(c.Tx, key(queue.ID))
	for d := range store.DeploymentsByQueue.Rows(c.Tx, store.Range{Prefix: key(queue.ID)}) {
		d.WorkQueueID = prefect.NoID
		store.Deployments.Put(c.Tx, d)
	}
}
