package ops

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// PoolQueues are a work pool and its queues, those that are served first in front.
type PoolQueues struct {
	Pool   *prefect.WorkPool
	Queues []*prefect.WorkQueue
}

// ReadPoolQueues reads a work pool by its name, or by that of one of its queues.
type ReadPoolQueues struct {
	Pool  string
	Queue prefect.ID // if it is not null
}

// Read answers a *PoolQueues; 404 for an unknown pool or queue.
func (q *ReadPoolQueues) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	pool := workPool(tx, q.Pool)
	if !q.Queue.IsNull() {
		queue := store.WorkQueues.Get(tx, key(q.Queue))
		if queue == nil {
			return nil, NotFoundModel("Work queue with id " + q.Queue.String() + " not found.")
		}
		pool = store.WorkPools.Get(tx, key(queue.WorkPoolID))
	}
	if pool == nil {
		return nil, NotFound(`Work pool "` + q.Pool + `" not found.`)
	}
	return &PoolQueues{pool, queuesOf(tx, pool.ID)}, nil
}

// inOtherWords is an error, or another one if it says that something is missing.
func inOtherWords(err error, missing *Error) error {
	var refusal *Error
	if errors.As(err, &refusal) && refusal.Status == missing.Status {
		return missing
	}
	return err
}

// Poll says which scheduled runs a worker asks for.
type Poll struct {
	Before prefect.Time // null for no bound, as is After
	After  prefect.Time
	Limit  int
}

// DueRuns are the first runs of a work queue that are due in a group, and the slots
// that others occupy there.
type DueRuns struct {
	Slots Slots
	Runs  []DueRun
}

// DueRun is a run that is due at a time.
type DueRun struct {
	At prefect.Time
	ID prefect.ID
}

// FindScheduled finds the runs of work queues that are due.
type FindScheduled struct {
	Queues []prefect.ID
	Limits []int // by queue
	Poll
}

// Read answers a []DueRuns, by queue.
func (q *FindScheduled) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	found := make([]DueRuns, len(q.Queues))
	for i, queue := range q.Queues {
		found[i].Slots = slotsIn(tx, queue)
		if q.Limits[i] <= 0 {
			continue
		}
		span := within(queueInState(queue, prefect.Scheduled).Prefix, prefect.Span{From: q.After, To: q.Before}, false)
		for e := range store.FlowRunsByQueue.Entries(tx, span) {
			found[i].Runs = append(found[i].Runs, DueRun{e.Key.TimeAt(len(span.Prefix)), e.Primary.IDAt(0)})
			if len(found[i].Runs) == q.Limits[i] {
				break
			}
		}
	}
	return found, nil
}

// PollPool finds the scheduled runs of a work pool that a worker may start: those of
// all of its queues, or of some. Nothing is handed out to one worker alone; a run is
// whose who sets it to PENDING first. The queues are those that were polled.
func PollPool(ctx context.Context, b Backend, name string, queues []string, p Poll) (runs []*prefect.FlowRun, polled *PoolQueues, err error) {
	all, err := Ask[*PoolQueues](ctx, b, Coordination, &ReadPoolQueues{Pool: name})
	if err != nil {
		return nil, nil, err
	}
	polled = &PoolQueues{all.Pool, all.Queues}
	if len(queues) > 0 {
		if polled.Queues, err = chosen(all, queues); err != nil {
			return nil, nil, err
		}
	}
	if all.Pool.IsPaused {
		return []*prefect.FlowRun{}, polled, nil
	}
	runs, err = dueRuns(ctx, b, all, polled.Queues, p)
	return runs, polled, err
}

// chosen are the queues of a pool that have some names.
func chosen(all *PoolQueues, names []string) (queues []*prefect.WorkQueue, err error) {
	for _, name := range names {
		i := slices.IndexFunc(all.Queues, func(q *prefect.WorkQueue) bool { return q.Name == name })
		if i < 0 {
			return nil, (&QueueKey{Pool: all.Pool.Name, Name: name}).notFound()
		}
		queues = append(queues, all.Queues[i])
	}
	return queues, nil
}

// dueRuns finds what is due in some queues of a pool: by their priority, then by time,
// and as far as the limits of queues and pool have room.
func dueRuns(ctx context.Context, b Backend, all *PoolQueues, queues []*prefect.WorkQueue, p Poll) ([]*prefect.FlowRun, error) {
	q := &FindScheduled{Queues: queueIDs(all.Queues), Limits: make([]int, len(all.Queues)), Poll: p}
	for i, queue := range all.Queues {
		if !queue.IsPaused && slices.Contains(queues, queue) {
			q.Limits[i] = atMost(atMost(p.Limit, queue.ConcurrencyLimit), all.Pool.ConcurrencyLimit)
		}
	}
	parts, err := AskRuns[[]DueRuns](ctx, b, q)
	if err != nil {
		return nil, err
	}
	var due []DueRun
	occupied := 0
	for i, queue := range all.Queues {
		runs, slots := mergeDue(parts, i)
		occupied += slots.Active
		room := len(runs)
		if queue.ConcurrencyLimit != nil {
			room = max(0, *queue.ConcurrencyLimit-slots.Active)
		}
		due = append(due, runs[:min(room, q.Limits[i], len(runs))]...)
	}
	room := p.Limit
	if all.Pool.ConcurrencyLimit != nil {
		room = min(room, max(0, *all.Pool.ConcurrencyLimit-occupied))
	}
	return readDue(ctx, b, due[:min(room, len(due))])
}

func atMost(n int, limit *int) int {
	if limit != nil {
		return min(n, *limit)
	}
	return n
}

// mergeDue are the runs of one queue in all groups by time, and its slots.
func mergeDue(parts [][]DueRuns, queue int) (runs []DueRun, slots Slots) {
	for _, p := range parts {
		runs = append(runs, p[queue].Runs...)
		slots = slots.plus(p[queue].Slots)
	}
	slices.SortFunc(runs, func(a, b DueRun) int { return cmp.Or(cmp.Compare(a.At, b.At), a.ID.Compare(b.ID)) })
	return runs, slots
}

// readDue reads runs that are due, without those that are not any more.
func readDue(ctx context.Context, b Backend, due []DueRun) ([]*prefect.FlowRun, error) {
	places := make([]merged, len(due))
	for i, d := range due {
		places[i] = merged{d.ID, b.Groups().Of(d.ID) - 1}
	}
	runs, err := fetchFlowRuns(ctx, b, places)
	return slices.DeleteFunc(runs, func(r *prefect.FlowRun) bool { return r.StateType != prefect.Scheduled }), err
}

// PollQueue finds the scheduled runs of one work queue, whatever its pool has to say.
// Runs that are being cancelled occupy slots there.
func PollQueue(ctx context.Context, b Backend, id prefect.ID, p Poll) (runs []*prefect.FlowRun, polled *PoolQueues, err error) {
	all, err := Ask[*PoolQueues](ctx, b, Coordination, &ReadPoolQueues{Queue: id})
	if err != nil {
		return nil, nil, err
	}
	queue := all.Queues[slices.IndexFunc(all.Queues, func(q *prefect.WorkQueue) bool { return q.ID == id })]
	polled = &PoolQueues{all.Pool, []*prefect.WorkQueue{queue}}
	switch {
	case queue.IsPaused:
		return []*prefect.FlowRun{}, polled, nil
	case queue.Filter != nil:
		runs, err = pollFiltered(ctx, b, queue, p)
		return runs, polled, err
	}
	parts, err := AskRuns[[]DueRuns](ctx, b, &FindScheduled{Queues: []prefect.ID{id}, Limits: []int{p.Limit}, Poll: p})
	if err != nil {
		return nil, nil, err
	}
	due, slots := mergeDue(parts, 0)
	room := p.Limit
	if queue.ConcurrencyLimit != nil {
		room = min(room, max(0, *queue.ConcurrencyLimit-slots.Active-slots.Cancelling))
	}
	if runs, err = readDue(ctx, b, due[:min(room, len(due))]); err != nil {
		return nil, nil, err
	}
	return runs, polled, nameQueues(ctx, b, runs)
}

// pollFiltered finds the runs that the filter of a queue for agents selects.
func pollFiltered(ctx context.Context, b Backend, queue *prefect.WorkQueue, p Poll) ([]*prefect.FlowRun, error) {
	filter := func(types ...prefect.StateType) *prefect.FlowRunsScope {
		return &prefect.FlowRunsScope{FlowsScope: prefect.FlowsScope{FlowRuns: &prefect.FlowRunFilter{
			Tags:         &prefect.FilterTagsAny{All: queue.Filter.Tags},
			DeploymentID: &prefect.FilterIDOrNull{Any: queue.Filter.DeploymentIDs, IsNull: new(bool)},
			State:        &prefect.FlowRunFilterState{Type: &prefect.FlowRunFilterStateType{Any: types}},
		}}}
	}
	room := p.Limit
	if queue.ConcurrencyLimit != nil {
		occupied, err := CountFlowRuns(ctx, b, filter(prefect.Pending, prefect.Running))
		if err != nil {
			return nil, err
		}
		room = min(room, max(0, *queue.ConcurrencyLimit-occupied))
	}
	scope := filter(prefect.Scheduled)
	if !p.Before.IsNull() {
		scope.FlowRuns.NextScheduledStartTime = &prefect.FilterTime{Before: p.Before}
	}
	return ListFlowRuns(ctx, b, scope, prefect.FlowRunNextStartAsc, room, 0)
}
