package ops

import (
	"context"
	"errors"
	"sync"
	"time"

	"prefectd/prefect"
)

// EventPipe stores the events of one sender as they come, without waiting for one
// before the next: what comes for a group while an operation is under way there
// makes up the next operation. Events for one group stay in order.
//
// Send and Wait are for one goroutine.
type EventPipe struct {
	ctx     context.Context
	backend Backend
	refused func(reasons []string)

	mu      sync.Mutex
	room    *sync.Cond // of mu: pending became less, or the pipe failed
	lanes   map[int]*lane
	pending int // bytes that are not durable
	err     error
	workers sync.WaitGroup
}

// lane holds the events for one group that wait for the operation under way.
type lane struct {
	waiting []prefect.Event
	sizes   []int
	busy    bool
}

// take removes what goes into the next operation.
func (l *lane) take() (events []prefect.Event, size int) {
	n := eventBatch(l.sizes)
	events = l.waiting[:n:n]
	for _, s := range l.sizes[:n] {
		size += s
	}
	l.waiting, l.sizes = l.waiting[n:], l.sizes[n:]
	return events, size
}

// maxPending bounds the bytes in a pipe; a sender of more waits.
const maxPending = 4 << 20

// NewEventPipe makes a pipe that works until ctx ends. It tells refused about
// events that were stored but could not be recorded as task runs.
func NewEventPipe(ctx context.Context, b Backend, refused func(reasons []string)) *EventPipe {
	p := &EventPipe{ctx: ctx, backend: b, refused: refused, lanes: map[int]*lane{}}
	p.room = sync.NewCond(&p.mu)
	return p
}

// Send takes an event of some size in. Its error is that of any event before.
func (p *EventPipe) Send(e prefect.Event, size int) error {
	group := groupOfEvent(p.backend.Groups(), &e)
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.err == nil && p.pending > 0 && p.pending+size > maxPending {
		p.room.Wait()
	}
	if p.err != nil {
		return p.err
	}
	p.pending += size
	l := p.lanes[group]
	if l == nil {
		l = &lane{}
		p.lanes[group] = l
	}
	l.waiting, l.sizes = append(l.waiting, e), append(l.sizes, size)
	if !l.busy {
		l.busy = true
		p.workers.Go(func() { p.work(group, l) })
	}
	return nil
}

// Wait returns when everything that was sent is durable, or is known not to be.
func (p *EventPipe) Wait() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.err == nil && p.pending > 0 {
		p.room.Wait()
	}
	return p.err
}

// Close waits for what is under way.
func (p *EventPipe) Close() error {
	err := p.Wait()
	p.workers.Wait()
	return err
}

// work stores what waits in a lane until nothing does.
func (p *EventPipe) work(group int, l *lane) {
	for {
		p.mu.Lock()
		if len(l.waiting) == 0 || p.err != nil {
			*l = lane{}
			p.mu.Unlock()
			return
		}
		events, size := l.take()
		p.mu.Unlock()

		err := p.append(group, events)
		p.mu.Lock()
		p.pending -= size
		if p.err == nil {
			p.err = err
		}
		p.room.Broadcast()
		p.mu.Unlock()
	}
}

// How long a pipe tries again what may succeed a little later.
const (
	pipeRetry    = 25 * time.Millisecond
	pipeMaxRetry = time.Second
	pipePatience = 15 * time.Second
)

// append stores events in a group. To try again does no harm, whatever became of
// the first time: events are recognised.
func (p *EventPipe) append(group int, events []prefect.Event) error {
	deadline := p.backend.Now().Add(prefect.Duration(pipePatience.Microseconds()))
	for wait := pipeRetry; ; wait = min(2*wait, pipeMaxRetry) {
		answer, err := Do[Appended](p.ctx, p.backend, group, &AppendEvents{Events: events})
		if err == nil {
			if len(answer.Refused) > 0 {
				p.refused(answer.Refused)
			}
			return nil
		}
		var e *Error
		if !errors.As(err, &e) || !e.Retryable || p.backend.Now() > deadline {
			return err
		}
		select {
		case <-p.ctx.Done():
			return p.ctx.Err()
		case <-time.After(wait):
		}
	}
}
