package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// QueueRef is what a flow run or a deployment needs to know of its work queue.
type QueueRef struct {
	ID       prefect.ID
	Name     string
	PoolID   prefect.ID
	PoolName string
	PoolType string
}

func refOfQueue(tx *store.Tx, queue *prefect.WorkQueue) *QueueRef {
	if queue == nil {
		return nil
	}
	pool := store.WorkPools.Get(tx, key(queue.WorkPoolID))
	if pool == nil {
		return nil
	}
	return &QueueRef{ID: queue.ID, Name: queue.Name, PoolID: pool.ID, PoolName: pool.Name, PoolType: pool.Type}
}

// ReadQueueRefs reads what is to be known of some work queues.
type ReadQueueRefs struct {
	IDs []prefect.ID
}

// Read answers a map[prefect.ID]*QueueRef, without those that are gone.
func (q *ReadQueueRefs) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	refs := make(map[prefect.ID]*QueueRef, len(q.IDs))
	for _, id := range q.IDs {
		if ref := refOfQueue(tx, store.WorkQueues.Get(tx, key(id))); ref != nil {
			refs[id] = ref
		}
	}
	return refs, nil
}

// FindQueueRef finds a work queue by its name in a pool, or the pool's default one.
type FindQueueRef struct {
	Pool  string
	Queue *string
}

// Read answers a *QueueRef; 404 for an unknown pool or queue.
func (q *FindQueueRef) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	if q.Queue != nil {
		at := QueueKey{Pool: q.Pool, Name: *q.Queue}
		if ref := refOfQueue(tx, at.find(tx)); ref != nil {
			return ref, nil
		}
		return nil, at.notFound()
	}
	pool, err := findWorkPool(tx, q.Pool)
	if err != nil {
		return nil, err
	}
	return refOfQueue(tx, store.WorkQueues.Get(tx, key(pool.DefaultQueueID))), nil
}

// EnsureQueue finds a work queue, and makes it if its pool has none of that name.
type EnsureQueue struct {
	Pool  *string // nil for the pool of the queues for agents, which is made too
	Queue *string // nil for the default one
}

// Run answers a *QueueRef; 404 for an unknown pool.
func (o *EnsureQueue) Run(c *Context) (any, error) {
	pool, err := o.pool(c)
	if err != nil {
		return nil, err
	}
	name := "default"
	if o.Queue != nil {
		name = *o.Queue
	}
	queue := store.WorkQueuesByName.Find(c.Tx, key(pool.ID).String(name))
	switch {
	case o.Queue == nil:
		queue = store.WorkQueues.Get(c.Tx, key(pool.DefaultQueueID))
	case queue == nil:
		queue = c.createWorkQueue(pool, &prefect.WorkQueueCreate{Name: name, Description: new(string)})
	}
	return refOfQueue(c.Tx, queue), nil
}

func (o *EnsureQueue) pool(c *Context) (*prefect.WorkPool, error) {
	if o.Pool != nil {
		return findWorkPool(c.Tx, *o.Pool)
	}
	pool, _ := c.agentPool()
	return pool, nil
}

// QueueIDs lists the work queues that pass two filters: one of their pools, and one of
// their own.
type QueueIDs struct {
	Pools  *prefect.WorkPoolFilter
	Queues *prefect.WorkQueueFilter
}

// Read answers a []prefect.ID.
func (q *QueueIDs) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return queuesThatPass(tx, q.Pools, q.Queues), nil
}

func queuesThatPass(tx *store.Tx, poolFilter *prefect.WorkPoolFilter, queueFilter *prefect.WorkQueueFilter) []prefect.ID {
	pools := map[prefect.ID]bool{}
	for _, pool := range matching(store.WorkPools.Rows(tx, store.Range{}), poolFilter.Compile()) {
		pools[pool.ID] = true
	}
	ids := []prefect.ID{}
	for _, queue := range matching(store.WorkQueues.Rows(tx, store.Range{}), queueFilter.Compile()) {
		if pools[queue.WorkPoolID] {
			ids = append(ids, queue.ID)
		}
	}
	return ids
}

// nameQueues fills in where flow runs wait: names of queues and pools live in another
// group. A queue that is gone is none.
func nameQueues(ctx context.Context, b Backend, runs []*prefect.FlowRun) error {
	var ids []prefect.ID
	seen := map[prefect.ID]bool{}
	for _, r := range runs {
		if id := r.WorkQueueID; !id.IsNull() && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	refs, err := Ask[map[prefect.ID]*QueueRef](ctx, b, Coordination, &ReadQueueRefs{IDs: ids})
	for _, r := range runs {
		waitsIn(r, refs[r.WorkQueueID])
	}
	return err
}

// waitsIn fills in where a flow run waits.
func waitsIn(r *prefect.FlowRun, queue *QueueRef) {
	if queue == nil {
		r.WorkQueueID = prefect.NoID
		return
	}
	r.WorkQueueName, r.WorkPoolID, r.WorkPoolName = &queue.Name, queue.PoolID, &queue.PoolName
}
