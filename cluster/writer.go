package cluster

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/hashicorp/raft"

	"prefectd/fsm"
	"prefectd/store"
)

// Bounds of the writer: how many operations wait, what one entry takes, and how
// long Raft may be busy with something else before it takes an entry.
const (
	queueLength  = 4096
	batchLength  = 512
	batchBytes   = 512 << 10
	batchTime    = 50 * time.Millisecond
	applyTimeout = 10 * time.Second

	patience    = 8 // the part of a batch's time that it waits for more
	maxPatience = time.Millisecond
)

// OperationID names an operation, so that it is recognised when it is sent again.
// The zero id names none.
type OperationID [16]byte

// pending is an operation on its way through the writer.
type pending struct {
	ctx     context.Context
	id      OperationID
	op      any
	since   time.Time // when it was submitted
	changed bool      // it wrote rows, or answers for one that did
	answer  any
	err     error
	done    chan struct{}
}

// finish answers an operation, with err if what it was evaluated on does not hold.
func (p *pending) finish(err error) {
	if err != nil {
		if !p.changed && errors.Is(err, ErrUnknownOutcome) {
			err = ErrNoLeader // it would have done nothing
		}
		p.answer, p.err = nil, err
	}
	close(p.done)
}

// Submit runs an operation on the leader and returns its answer when what it
// changed is durable. An operation that is not yet evaluated when ctx ends is
// dropped; one that is goes on, and its caller doesn't know its outcome.
func (g *Group) Submit(ctx context.Context, op any) (any, error) {
	return g.SubmitOnce(ctx, OperationID{}, op)
}

// SubmitOnce runs an operation that is recognised by its id when it is submitted
// again, here or to a later leader, and then answers what it answered. That is
// for operations that came a long way: one that was submitted on the only member
// of a group ends with the process that could send it again.
func (g *Group) SubmitOnce(ctx context.Context, id OperationID, op any) (any, error) {
	if id != (OperationID{}) && g.config.Answers == nil {
		return nil, fmt.Errorf("group %d remembers no operations", g.config.Number)
	}
	w, _ := g.leading()
	if w == nil {
		return nil, g.unavailable()
	}
	p := &pending{ctx: ctx, id: id, op: op, since: time.Now(), done: make(chan struct{})}
	select {
	case w.queue <- p:
	default:
		g.counts.overloaded.Inc()
		return nil, ErrOverloaded
	}
	select {
	case <-p.done:
		return p.answer, p.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.over:
	}
	select {
	case <-p.done: // it was among the last
		return p.answer, p.err
	default:
		return nil, g.unavailable()
	}
}

// writer evaluates and replicates the operations of one tenure.
type writer struct {
	group  *Group
	first  uint64 // the entry that began the tenure; it changes nothing
	queue  chan *pending
	over   chan struct{} // closed when nothing more is taken, and what was is answered
	memory memory

	transferring time.Time // since when Raft refuses entries because leadership is being transferred

	usual int           // how many operations the last batch had
	took  time.Duration // and how long it took
}

func newWriter(g *Group, first uint64) *writer {
	return &writer{
		group: g, first: first,
		queue: make(chan *pending, queueLength), over: make(chan struct{}),
		memory: memory{codec: g.config.Answers, retention: g.config.Retention},
	}
}

// run takes what is queued, evaluates it and replicates it as one entry, then
// takes what came meanwhile.
func (w *writer) run(ctx context.Context) {
	for {
		select {
		case p := <-w.queue:
			w.commit(w.take(p))
		case <-ctx.Done():
			w.group.lead(nil)
			w.drain()
			close(w.over)
			return
		}
	}
}

// take collects the operations of a batch: those that are waiting. If they are
// fewer than the last time, the others may be about to come again, now that they
// were answered; for them it waits a moment, a small part of what a batch takes.
func (w *writer) take(first *pending) []*pending {
	batch := append(make([]*pending, 0, w.usual), first)
	if w.usual > 1 {
		late := time.After(min(w.took/patience, maxPatience))
		for waiting := true; waiting && len(batch) < w.usual; {
			select {
			case p := <-w.queue:
				batch = append(batch, p)
			case <-late:
				waiting = false
			}
		}
	}
	for len(batch) < batchLength && len(w.queue) > 0 {
		batch = append(batch, <-w.queue) // nobody else takes any
	}
	w.usual = len(batch)
	return batch
}

// drain commits what is queued if the group is being closed. If leadership was
// lost, that is for the next leader.
func (w *writer) drain() {
	for {
		select {
		case p := <-w.queue:
			if err := w.group.unavailable(); errors.Is(err, ErrClosed) {
				w.commit(w.take(p))
			} else {
				p.finish(err)
			}
		default:
			return
		}
	}
}

// commit evaluates operations and replicates them, in as many entries as their
// size asks for.
func (w *writer) commit(waiting []*pending) {
	start := time.Now()
	defer func() { w.took = time.Since(start) }()
	for len(waiting) > 0 {
		b, err := w.evaluate(waiting)
		if err == nil {
			err = w.propose(b)
		}
		if errors.Is(err, errRefused) {
			continue // another entry came between
		}
		if err == nil {
			w.group.counts.held(b, waiting[:b.taken])
		}
		for _, p := range waiting[:b.taken] {
			p.finish(err)
		}
		waiting = waiting[b.taken:]
	}
}

// batch is what some operations come to.
type batch struct {
	taken int // how many operations
	size  int // bytes of the entry, if they make one
	fsm.Proposal
	remembered remembered
}

// evaluate runs operations in turn, each on the writes of those before it, until
// the entry is full.
func (w *writer) evaluate(waiting []*pending) (b *batch, err error) {
	b = &batch{taken: len(waiting)}
	view, err := w.group.db.Batch()
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	if b.Entry.Base, err = fsm.Base(view.Tx()); err != nil {
		return b, err
	}
	b.remembered.base = b.Entry.Base
	start := time.Now()
	for b.taken = 0; b.taken < len(waiting) && view.Size() < batchBytes && time.Since(start) < batchTime; b.taken++ {
		w.try(view, b, waiting[b.taken])
	}
	w.memory.record(view.Tx(), &b.remembered)
	b.Entry.Changes, b.Batch = view.Changes(), view
	return b, nil
}

// try runs one operation; if it fails nothing of it stays.
func (w *writer) try(view *store.Batch, b *batch, p *pending) {
	p.answer, p.changed = nil, false
	if p.err = p.ctx.Err(); p.err != nil {
		return
	}
	before := view.Savepoint()
	defer func() {
		if r := recover(); r != nil {
			w.group.config.Log.Error("operation panicked", "op", fmt.Sprintf("%T", p.op), "panic", r, "stack", string(debug.Stack()))
			p.answer, p.err = nil, fmt.Errorf("%T panicked: %v", p.op, r)
		}
		if p.err != nil {
			view.Rollback(before)
		}
	}()
	named := p.id != OperationID{}
	if named && w.memory.recall(view.Tx(), &b.remembered, p) {
		return
	}
	if p.answer, p.err = w.group.config.Evaluate(view.Tx(), p.op); p.err != nil {
		return
	}
	if p.changed = view.Savepoint() > before; p.changed && named {
		p.err = w.memory.add(&b.remembered, p)
	}
}

// propose replicates a batch and returns when this node has applied it. One
// without changes holds if this node still is the leader.
func (w *writer) propose(b *batch) error {
	g := w.group
	if len(b.Entry.Changes) == 0 {
		return g.confirm(context.Background())
	}
	var future raft.ApplyFuture
	data := g.fsm.Propose(&b.Proposal)
	err := g.await(func() raft.Future {
		future = g.raft.Apply(data, applyTimeout)
		return future
	})
	w.watchTransfer(err)
	if err != nil {
		return outcome(err)
	}
	switch answer := future.Response().(type) {
	case fsm.Refused:
		g.counts.refused.Inc()
		return errRefused
	case error:
		return outcome(answer)
	}
	b.size = len(data)
	w.memory.commit(&b.remembered, future.Index())
	return nil
}

// transferLimit is how long a transfer of leadership may hold up writes. Raft ends one
// after an election's time; a leader that was elected again in the middle of one may
// refuse entries for ever (hashicorp/raft issue 696), so the group is given up.
const transferLimit = 30 * time.Second

// watchTransfer is told what Raft said to an entry.
func (w *writer) watchTransfer(err error) {
	switch {
	case !errors.Is(err, raft.ErrLeadershipTransferInProgress):
		w.transferring = time.Time{}
	case w.transferring.IsZero():
		w.transferring = time.Now()
	case time.Since(w.transferring) > transferLimit:
		w.group.fail(fmt.Errorf("a transfer of leadership has not ended for %v: restart the node", transferLimit))
	}
}
