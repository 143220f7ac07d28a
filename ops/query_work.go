package ops

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// Work pools and queues are few, so their lists are walked.

// matching collects the rows that pass.
func matching[T any](rows iter.Seq[*T], m *prefect.Matcher[T]) []*T {
	found := []*T{}
	for row := range rows {
		if m.Match(row, prefect.AllColumns) == prefect.Yes {
			found = append(found, row)
		}
	}
	return found
}

// part cuts the window out of a list.
func part[T any](w Window, list []T) []T {
	from := min(w.From, len(list))
	return list[from:min(from+w.Limit, len(list))]
}

// FoundPools are the pools that match, and the queues of those that have a limit: by
// them their slots are counted.
type FoundPools struct {
	Pools  []*prefect.WorkPool
	Queues map[prefect.ID][]prefect.ID
}

// FindWorkPools finds work pools by their names, or one by its name.
type FindWorkPools struct {
	Filter *prefect.WorkPoolFilter
	Name   *string // only this one, which must be there
	Window
}

// Read answers a FoundPools; 404 for an unknown name.
func (q *FindWorkPools) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	found := FoundPools{Queues: map[prefect.ID][]prefect.ID{}}
	if q.Name != nil {
		pool, err := findWorkPool(tx, *q.Name)
		if err != nil {
			return nil, err
		}
		found.Pools = []*prefect.WorkPool{pool}
	} else {
		found.Pools = part(q.Window, matching(store.WorkPoolsByName.Rows(tx, store.Range{}), q.Filter.Compile()))
	}
	for _, pool := range found.Pools {
		if pool.ConcurrencyLimit != nil {
			found.Queues[pool.ID] = queueIDs(queuesOf(tx, pool.ID))
		}
	}
	return found, nil
}

func queueIDs(queues []*prefect.WorkQueue) []prefect.ID {
	ids := make([]prefect.ID, len(queues))
	for i, q := range queues {
		ids[i] = q.ID
	}
	return ids
}

// CountWorkPools counts the work pools that match.
type CountWorkPools struct {
	Filter *prefect.WorkPoolFilter
}

// Read answers an int.
func (q *CountWorkPools) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return len(matching(store.WorkPools.Rows(tx, store.Range{}), q.Filter.Compile())), nil
}

// ListWorkPools reads the work pools that a query asks for, with the slots that their
// runs occupy.
func ListWorkPools(ctx context.Context, b Backend, q *FindWorkPools) ([]*prefect.WorkPool, error) {
	found, err := Ask[FoundPools](ctx, b, Coordination, q)
	if err != nil {
		return nil, err
	}
	var queues []prefect.ID
	for _, ids := range found.Queues {
		queues = append(queues, ids...)
	}
	slots, err := slotsOf(ctx, b, queues)
	if err != nil {
		return nil, err
	}
	for _, pool := range found.Pools {
		if pool.ConcurrencyLimit == nil {
			continue
		}
		pool.ActiveSlots = new(int)
		for _, queue := range found.Queues[pool.ID] {
			*pool.ActiveSlots += slots[queue].Active
		}
	}
	return found.Pools, nil
}

// ReadWorkPool reads one work pool.
func ReadWorkPool(ctx context.Context, b Backend, name string) (*prefect.WorkPool, error) {
	pools, err := ListWorkPools(ctx, b, &FindWorkPools{Name: &name})
	if err != nil {
		return nil, err
	}
	return pools[0], nil
}

// FindWorkQueues finds work queues: those of a pool by priority, else those of all
// pools by their names.
type FindWorkQueues struct {
	Pool   *string
	Filter *prefect.WorkQueueFilter
	Window
}

// Read answers a []*prefect.WorkQueue; 404 for an unknown pool.
func (q *FindWorkQueues) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	m := q.Filter.Compile()
	if q.Pool != nil {
		pool, err := findWorkPool(tx, *q.Pool)
		if err != nil {
			return nil, err
		}
		queues := part(q.Window, matching(slices.Values(queuesOf(tx, pool.ID)), m))
		for _, queue := range queues {
			named(queue, pool)
		}
		return queues, nil
	}
	queues := matching(store.WorkQueues.Rows(tx, store.Range{}), m)
	slices.SortStableFunc(queues, func(a, b *prefect.WorkQueue) int { return cmp.Compare(a.Name, b.Name) })
	queues = part(q.Window, queues)
	for _, queue := range queues {
		nameOfPool(tx, queue)
	}
	return queues, nil
}

func nameOfPool(tx *store.Tx, queue *prefect.WorkQueue) *prefect.WorkQueue {
	if pool := store.WorkPools.Get(tx, key(queue.WorkPoolID)); pool != nil {
		named(queue, pool)
	}
	return queue
}

// ReadWorkQueue reads one work queue.
type ReadWorkQueue struct {
	Queue QueueKey
}

// Read answers a *prefect.WorkQueue; 404 if there is none.
func (q *ReadWorkQueue) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	queue := q.Queue.find(tx)
	if queue == nil {
		return nil, q.Queue.notFound()
	}
	return nameOfPool(tx, queue), nil
}

// ReadWorkQueueByName reads the work queue of a name: that of agents or, as long as
// those have no pool, any.
type ReadWorkQueueByName struct {
	Name string
}

// Read answers a *prefect.WorkQueue; 404 if there is none.
func (q *ReadWorkQueueByName) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	if workPool(tx, prefect.DefaultAgentPool) != nil {
		key := QueueKey{Pool: prefect.DefaultAgentPool, Name: q.Name}
		if queue := key.find(tx); queue != nil {
			return nameOfPool(tx, queue), nil
		}
		return nil, NotFound("work queue not found")
	}
	for queue := range store.WorkQueues.Rows(tx, store.Range{}) {
		if queue.Name == q.Name {
			return nameOfPool(tx, queue), nil
		}
	}
	return nil, NotFound("work queue not found")
}

// AskWorkQueue reads one work queue by a query, with its slots. In a pool, runs that
// are being cancelled occupy none.
func AskWorkQueue(ctx context.Context, b Backend, q Query, inPool bool) (*prefect.WorkQueue, error) {
	queue, err := Ask[*prefect.WorkQueue](ctx, b, Coordination, q)
	if err != nil {
		return nil, err
	}
	return queue, fillSlots(ctx, b, []*prefect.WorkQueue{queue}, inPool)
}

// ListWorkQueues reads the work queues that a query asks for, with their slots.
func ListWorkQueues(ctx context.Context, b Backend, q *FindWorkQueues) ([]*prefect.WorkQueue, error) {
	queues, err := Ask[[]*prefect.WorkQueue](ctx, b, Coordination, q)
	if err != nil {
		return nil, err
	}
	return orEmpty(queues), fillSlots(ctx, b, queues, q.Pool != nil)
}

// fillSlots fills in the slots of the queues that have a limit.
func fillSlots(ctx context.Context, b Backend, queues []*prefect.WorkQueue, inPool bool) error {
	limited := slices.DeleteFunc(slices.Clone(queues), func(q *prefect.WorkQueue) bool { return q.ConcurrencyLimit == nil })
	slots, err := slotsOf(ctx, b, queueIDs(limited))
	if err != nil {
		return err
	}
	for _, q := range limited {
		n := slots[q.ID].Active
		if !inPool {
			n += slots[q.ID].Cancelling
		}
		q.ActiveSlots = &n
	}
	return nil
}
