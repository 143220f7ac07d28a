package ops

import (
	"context"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// Slots are the runs of a work queue that occupy slots.
type Slots struct {
	Active     int // pending and running
	Cancelling int
}

func (s Slots) plus(o Slots) Slots { return Slots{s.Active + o.Active, s.Cancelling + o.Cancelling} }

// CountSlots counts the runs of work queues that occupy slots.
type CountSlots struct {
	Queues []prefect.ID
}

// Read answers a []Slots, by queue.
func (q *CountSlots) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	slots := make([]Slots, len(q.Queues))
	for i, queue := range q.Queues {
		slots[i] = slotsIn(tx, queue)
	}
	return slots, nil
}

// slotsIn counts those of one queue; the index keeps count.
func slotsIn(tx *store.Tx, queue prefect.ID) Slots {
	count := func(t prefect.StateType) int { return store.FlowRunsByQueue.Count(tx, queueInState(queue, t)) }
	return Slots{Active: count(prefect.Pending) + count(prefect.Running), Cancelling: count(prefect.Cancelling)}
}

// queueInState are the entries of a queue's runs in a state.
func queueInState(queue prefect.ID, t prefect.StateType) store.Range {
	return store.Range{Prefix: key(queue).Byte(byte(t))}
}

// slotsOf counts the runs of work queues in all groups.
func slotsOf(ctx context.Context, b Backend, queues []prefect.ID) (map[prefect.ID]Slots, error) {
	total := make(map[prefect.ID]Slots, len(queues))
	if len(queues) == 0 {
		return total, nil
	}
	parts, err := AskRuns[[]Slots](ctx, b, &CountSlots{Queues: queues})
	for _, p := range parts {
		for i, s := range p {
			total[queues[i]] = total[queues[i]].plus(s)
		}
	}
	return total, err
}

// FindHolders finds the runs that occupy slots of work queues.
type FindHolders struct {
	Queues     []prefect.ID
	Cancelling bool // also those that are being cancelled
	Limit      int  // of each queue
}

// Read answers a [][]prefect.ID: of each queue the first runs by their ids.
func (q *FindHolders) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	found := make([][]prefect.ID, len(q.Queues))
	states := []prefect.StateType{prefect.Pending, prefect.Running}
	if q.Cancelling {
		states = append(states, prefect.Cancelling)
	}
	for i, queue := range q.Queues {
		ids := []prefect.ID{}
		for _, t := range states {
			for e := range store.FlowRunsByQueue.Entries(tx, queueInState(queue, t)) {
				ids = append(ids, e.Primary.IDAt(0))
			}
		}
		found[i] = firstIDs(ids, q.Limit)
	}
	return found, nil
}

func firstIDs(ids []prefect.ID, limit int) []prefect.ID {
	slices.SortFunc(ids, prefect.ID.Compare)
	return ids[:min(limit, len(ids))]
}

// SlotHolder is a run that occupies a slot.
type SlotHolder struct {
	ID             prefect.ID        `json:"id"`
	Name           string            `json:"name"`
	StateType      prefect.StateType `json:"state_type"`
	StateName      *string           `json:"state_name"`
	StartTime      prefect.Time      `json:"start_time"`
	StateTimestamp prefect.Time      `json:"state_timestamp"`
	InState        prefect.Duration  `json:"time_in_current_state"`
}

// holdersOf reads a window of the runs that occupy slots of each of some queues.
func holdersOf(ctx context.Context, b Backend, q *FindHolders, from int) (map[prefect.ID][]SlotHolder, error) {
	limit := q.Limit
	q.Limit += from
	parts, err := AskRuns[[][]prefect.ID](ctx, b, q)
	if err != nil {
		return nil, err
	}
	var places []merged
	for i := range q.Queues {
		var ids []prefect.ID
		for _, p := range parts {
			ids = append(ids, p[i]...)
		}
		ids = firstIDs(ids, from+limit)
		for _, id := range ids[min(from, len(ids)):] {
			places = append(places, merged{id, b.Groups().Of(id) - 1})
		}
	}
	runs, err := fetchFlowRuns(ctx, b, places)
	holders := map[prefect.ID][]SlotHolder{}
	for _, r := range runs {
		holders[r.WorkQueueID] = append(holders[r.WorkQueueID], SlotHolder{
			ID: r.ID, Name: r.Name, StateType: r.StateType, StateName: r.StateName, StartTime: r.StartTime,
			StateTimestamp: r.StateTimestamp, InState: b.Now().Sub(r.StateTimestamp),
		})
	}
	return holders, err
}

// fetchFlowRuns reads flow runs of all run groups.
func fetchFlowRuns(ctx context.Context, b Backend, places []merged) ([]*prefect.FlowRun, error) {
	return listing[prefect.FlowRun]{
		groups: b.Groups().RunGroups(),
		read:   func(ids []prefect.ID) Query { return &ReadFlowRuns{IDs: ids} },
	}.fetch(ctx, b, places)
}

// QueueSlots tells who occupies the slots of a work queue.
type QueueSlots struct {
	ActiveSlots      int          `json:"active_slots"`
	ConcurrencyLimit *int         `json:"concurrency_limit"`
	FlowRuns         []SlotHolder `json:"flow_runs"`
	Count            int          `json:"count"`
	Limit            int          `json:"limit"`
	Pages            int          `json:"pages"`
	Page             int          `json:"page"`
}

// SlotsOfQueue reads a page of the runs that occupy slots of a work queue.
func SlotsOfQueue(ctx context.Context, b Backend, id prefect.ID, page int, w Window) (*QueueSlots, error) {
	queue, err := Ask[*prefect.WorkQueue](ctx, b, Coordination, &ReadWorkQueue{Queue: QueueKey{ID: id}})
	if err != nil {
		return nil, inOtherWords(err, NotFound("Work queue not found."))
	}
	slots, err := slotsOf(ctx, b, []prefect.ID{id})
	if err != nil {
		return nil, err
	}
	holders, err := holdersOf(ctx, b, &FindHolders{Queues: []prefect.ID{id}, Cancelling: true, Limit: w.Limit}, w.From)
	total := slots[id].Active + slots[id].Cancelling
	counted := prefect.NewPage([]SlotHolder{}, total, w.Limit, page)
	return &QueueSlots{
		ActiveSlots: total, ConcurrencyLimit: queue.ConcurrencyLimit, FlowRuns: orEmpty(holders[id]),
		Count: total, Limit: w.Limit, Pages: counted.Pages, Page: counted.Page,
	}, err
}

// PoolSlots tells who occupies the slots of a work pool.
type PoolSlots struct {
	ActiveSlots      int             `json:"active_slots"`
	ConcurrencyLimit *int            `json:"concurrency_limit"`
	Queues           []SlotsOfMember `json:"queues"`
	Count            int             `json:"count"` // of all queues
	Limit            int             `json:"limit"`
	Pages            int             `json:"pages"`
	Page             int             `json:"page"`
}

// SlotsOfMember tells it of one of the pool's queues.
type SlotsOfMember struct {
	QueueID          prefect.ID   `json:"queue_id"`
	QueueName        string       `json:"queue_name"`
	ActiveSlots      int          `json:"active_slots"`
	ConcurrencyLimit *int         `json:"concurrency_limit"`
	FlowRuns         []SlotHolder `json:"flow_runs"`
	FlowRunCount     int          `json:"flow_run_count"`
}

// SlotsOfPool reads a page of the queues of a work pool, each with the first runs that
// occupy slots.
func SlotsOfPool(ctx context.Context, b Backend, name string, page, runs int, w Window) (*PoolSlots, error) {
	all, err := Ask[*PoolQueues](ctx, b, Coordination, &ReadPoolQueues{Pool: name})
	if err != nil {
		return nil, inOtherWords(err, NotFound("Work pool '"+name+"' not found."))
	}
	slots, err := slotsOf(ctx, b, queueIDs(all.Queues))
	if err != nil {
		return nil, err
	}
	shown := part(w, all.Queues)
	holders, err := holdersOf(ctx, b, &FindHolders{Queues: queueIDs(shown), Limit: runs}, 0)
	if err != nil {
		return nil, err
	}
	counted := prefect.NewPage([]SlotsOfMember{}, len(all.Queues), w.Limit, page)
	answer := &PoolSlots{
		ConcurrencyLimit: all.Pool.ConcurrencyLimit, Queues: []SlotsOfMember{},
		Count: counted.Count, Limit: counted.Limit, Pages: counted.Pages, Page: counted.Page,
	}
	for _, s := range slots {
		answer.ActiveSlots += s.Active
	}
	for _, q := range shown {
		answer.Queues = append(answer.Queues, SlotsOfMember{
			QueueID: q.ID, QueueName: q.Name, ActiveSlots: slots[q.ID].Active, ConcurrencyLimit: q.ConcurrencyLimit,
			FlowRuns: orEmpty(holders[q.ID]), FlowRunCount: slots[q.ID].Active,
		})
	}
	return answer, nil
}

// QueueHealth tells whether a work queue is served.
type QueueHealth struct {
	Healthy    bool         `json:"healthy"`
	LateRuns   int          `json:"late_runs_count"`
	LastPolled prefect.Time `json:"last_polled"`
	Policy     HealthPolicy `json:"health_check_policy"`
}

// HealthPolicy is what makes a work queue healthy.
type HealthPolicy struct {
	MaxLateRuns int `json:"maximum_late_runs"`
	MaxSilence  int `json:"maximum_seconds_since_last_polled"`
}

// HealthOfQueue reads whether a work queue is served.
func HealthOfQueue(ctx context.Context, b Backend, id prefect.ID) (*QueueHealth, error) {
	queue, err := Ask[*prefect.WorkQueue](ctx, b, Coordination, &ReadWorkQueue{Queue: QueueKey{ID: id}})
	if err != nil {
		return nil, inOtherWords(err, NotFoundModel("Work queue with id "+id.String()+" not found"))
	}
	late, err := CountFlowRuns(ctx, b, &prefect.FlowRunsScope{
		FlowsScope: prefect.FlowsScope{FlowRuns: &prefect.FlowRunFilter{
			State: &prefect.FlowRunFilterState{Name: &prefect.FilterTextNot{Any: []string{"Late"}}},
		}},
		WorkPoolQueues: &prefect.WorkQueueFilter{ID: &prefect.FilterID{Any: []prefect.ID{id}}},
	})
	health := &QueueHealth{
		LateRuns: late, LastPolled: queue.LastPolled,
		Policy: HealthPolicy{MaxSilence: int(recentPoll / prefect.Second)},
	}
	polled := !queue.LastPolled.IsNull() && b.Now().Sub(queue.LastPolled) <= recentPoll
	health.Healthy = polled && late <= health.Policy.MaxLateRuns
	return health, err
}
