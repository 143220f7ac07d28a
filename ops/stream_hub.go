package ops

import (
	"slices"
	"sync"
	"sync/atomic"

	"prefectd/prefect"
	"prefectd/store"
)

// Hub lets subscribers on this node follow what is written to the streams of all
// groups. It keeps the newest events, as they are stored, as long as anybody
// listens; whoever is slower than that reads on from the state files, so nobody
// holds up another or misses an event. The newest logs are kept too, and those
// who are too slow for them miss some.
type Hub struct {
	Workers TaskWorkers // who takes task runs

	subscribers atomic.Int32

	mu     sync.Mutex
	events []ring[prefect.Event] // by group
	logs   ring[prefect.Log]
	news   chan struct{} // closed when there is something new
	queued chan struct{} // closed when a task run waits for a worker
	work   chan struct{} // closed when a work pool or a message to its workers changed
}

// Bounds of what a hub keeps.
const (
	ringItems = 2048 // per group
	ringBytes = 4 << 20
)

// NewHub makes the hub of a node.
func NewHub(groups Groups) *Hub {
	return &Hub{events: make([]ring[prefect.Event], 1+groups.Runs), news: make(chan struct{}), queued: make(chan struct{}), work: make(chan struct{})}
}

// Observe takes in what an entry changed in a group, in the order of the entries
// and when queries can see it. It copies what it keeps.
func (h *Hub) Observe(group int, changes []store.Change) {
	if slices.ContainsFunc(changes, func(c store.Change) bool { return c.Table == store.TaskQueue.Number() && c.Value != nil }) {
		h.mu.Lock()
		tell(&h.queued)
		h.mu.Unlock()
	}
	if slices.ContainsFunc(changes, isOfWork) {
		h.mu.Lock()
		tell(&h.work)
		h.mu.Unlock()
	}
	if h.subscribers.Load() == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	found := false
	for i := range changes {
		c := &changes[i]
		switch {
		case c.Value == nil:
		case c.Table == store.Events.Number():
			h.events[group].add(store.Key(c.Key).Uint64At(0), newItem(store.Events, c))
			found = true
		case c.Table == store.Logs.Number():
			h.logs.add(h.logs.end(), newItem(store.Logs, c))
			found = true
		}
	}
	if found {
		tell(&h.news)
	}
}

// Replaced says that a group's state was replaced as a whole: subscribers have to
// look for what is new there.
func (h *Hub) Replaced(group int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events[group].forget()
	h.events[group].epoch++
	tell(&h.news)
	tell(&h.queued)
	tell(&h.work)
}

// isOfWork reports whether workers may want to know of a change.
func isOfWork(c store.Change) bool {
	return c.Table == store.WorkPools.Number() || c.Table == store.Cleanups.Number()
}

// tell closes a channel for those who wait, and makes another.
func tell(c *chan struct{}) {
	close(*c)
	*c = make(chan struct{})
}

// NextQueued is closed when there may be another task run for a task worker.
func (h *Hub) NextQueued() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.queued
}

// NextWork is closed when a work pool or a message to its workers has changed.
func (h *Hub) NextWork() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.work
}

// listen counts a subscriber; the hub keeps nothing before the first one and after
// the last one.
func (h *Hub) listen() { h.subscribers.Add(1) }

// Listening reports whether anybody on this node wants to know what is written.
func (h *Hub) Listening() bool { return h.subscribers.Load() > 0 || len(h.Workers.Connected()) > 0 }

func (h *Hub) quit() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subscribers.Add(-1) == 0 {
		for i := range h.events {
			h.events[i].forget()
		}
		h.logs.forget()
	}
}

// next is closed when there is something new.
func (h *Hub) next() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.news
}

func (h *Hub) epoch(group int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events[group].epoch
}

// eventsFrom returns the events of a group from a number on, unless some are not
// kept any more.
func (h *Hub) eventsFrom(group int, number uint64) (items []*item[prefect.Event], epoch int, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &h.events[group]
	if number < r.first {
		return nil, r.epoch, false
	}
	return r.from(number), r.epoch, true
}

func (h *Hub) logsEnd() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logs.end()
}

// logsFrom returns the logs from a number on, or from the first one that is kept.
func (h *Hub) logsFrom(number uint64) (items []*item[prefect.Log], first uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first = max(number, h.logs.first)
	return h.logs.from(first), first
}

// item is a row as it is stored; who needs it first decodes it, for all.
type item[T any] struct {
	change store.Change
	table  *store.Table[T]
	once   sync.Once
	row    *T
	err    error
}

func newItem[T any](table *store.Table[T], c *store.Change) *item[T] {
	return &item[T]{table: table, change: store.Change{Table: c.Table, Key: slices.Clone(c.Key), Value: slices.Clone(c.Value)}}
}

func (i *item[T]) get() (*T, error) {
	i.once.Do(func() { i.row, i.err = i.table.Decode(i.change) })
	return i.row, i.err
}

// ring holds items with consecutive numbers, the newest ones.
type ring[T any] struct {
	first uint64 // the number of the first item
	items []*item[T]
	bytes int
	epoch int // how often there was more in the state than was observed
}

func (r *ring[T]) end() uint64 { return r.first + uint64(len(r.items)) }

func (r *ring[T]) forget() { r.first, r.items, r.bytes = r.end(), nil, 0 }

func (r *ring[T]) add(number uint64, i *item[T]) {
	if number != r.end() {
		r.forget()
		r.first = number
	}
	r.items = append(r.items, i)
	r.bytes += len(i.change.Value)
	for len(r.items) > 1 && (len(r.items) > ringItems || r.bytes > ringBytes) {
		r.bytes -= len(r.items[0].change.Value)
		r.items[0] = nil
		r.items = r.items[1:]
		r.first++
	}
}

// from returns the items from a number on.
func (r *ring[T]) from(number uint64) []*item[T] {
	if number >= r.end() {
		return nil
	}
	return slices.Clone(r.items[number-r.first:])
}
