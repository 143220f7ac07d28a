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

// Bounds of the writer: how many operations wait, and what one entry takes.
const (
	queueLength  = 4096
	batchLength  = 512
	batchBytes   = 512 << 10
	applyTimeout = 10 * time.Second
)

// Errors of Submit that say nothing about the operation itself.
var (
	// ErrOverloaded: the queue is full and nothing was done.
	ErrOverloaded = errors.New("too many writes are waiting")
	// ErrClosed: the group is stopping and nothing was done.
	ErrClosed   = errors.New("the server is stopping")
	errNoLeader = errors.New("the group has no leader")
)

// Unavailable reports whether an error says that nothing was done and that the
// same request may succeed a little later.
func Unavailable(err error) bool {
	return errors.Is(err, ErrOverloaded) || errors.Is(err, ErrClosed) || errors.Is(err, errNoLeader)
}

// pending is an operation on its way through the writer.
type pending struct {
	ctx    context.Context
	op     any
	answer any
	err    error
	done   chan struct{}
}

func (p *pending) finish(err error) {
	if err != nil {
		p.answer, p.err = nil, err
	}
	close(p.done)
}

// Submit runs an operation and returns its answer when what it changed is
// durable. An operation that is not yet evaluated when ctx ends is dropped; one
// that is goes on, and its outcome is unknown to the caller.
func (g *Group) Submit(ctx context.Context, op any) (any, error) {
	p := &pending{ctx: ctx, op: op, done: make(chan struct{})}
	if err := g.Ready(ctx); err != nil {
		return nil, err
	}
	select {
	case g.queue <- p:
	default:
		return nil, ErrOverloaded
	}
	select {
	case <-p.done:
		return p.answer, p.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-g.drained:
	}
	select {
	case <-p.done: // it was among the last
		return p.answer, p.err
	default:
		return nil, ErrClosed
	}
}

// write is the group's one writer: it takes what is queued, evaluates it and
// replicates it as one entry, then takes what came meanwhile.
func (g *Group) write(ctx context.Context) {
	for {
		select {
		case p := <-g.queue:
			g.commit(g.take(p))
		case <-ctx.Done():
			g.drain()
			close(g.drained)
			return
		}
	}
}

// take collects the operations of a batch.
func (g *Group) take(first *pending) []*pending {
	batch := append(make([]*pending, 0, 16), first)
	for len(batch) < batchLength {
		select {
		case p := <-g.queue:
			batch = append(batch, p)
		default:
			return batch
		}
	}
	return batch
}

// drain commits what is queued when the group stops; what comes later is refused.
func (g *Group) drain() {
	for {
		select {
		case p := <-g.queue:
			g.commit(g.take(p))
		default:
			return
		}
	}
}

// commit evaluates operations and replicates them, in as many entries as their
// size asks for.
func (g *Group) commit(waiting []*pending) {
	for len(waiting) > 0 {
		entry, evaluated, err := g.evaluate(waiting)
		if err == nil && len(entry.Changes) > 0 {
			err = g.propose(entry)
		}
		if errors.Is(err, errRefused) {
			continue // another entry came between: evaluate again
		}
		for _, p := range waiting[:evaluated] {
			p.finish(err)
		}
		waiting = waiting[evaluated:]
	}
}

// evaluate runs operations in turn, each on the writes of those before it, until
// the entry is full. It answers how many it ran.
func (g *Group) evaluate(waiting []*pending) (entry *fsm.Entry, n int, err error) {
	entry = &fsm.Entry{}
	batch, err := g.db.Batch()
	if err != nil {
		return entry, len(waiting), err
	}
	if entry.Base, err = fsm.Base(batch.Tx()); err != nil {
		return entry, len(waiting), errors.Join(err, batch.Close())
	}
	for n < len(waiting) && batch.Size() < batchBytes {
		g.run(batch, waiting[n])
		n++
	}
	entry.Changes = batch.Changes()
	return entry, n, batch.Close()
}

// run evaluates one operation; if it fails nothing of it stays.
func (g *Group) run(batch *store.Batch, p *pending) {
	if p.err = p.ctx.Err(); p.err != nil {
		return
	}
	before := batch.Savepoint()
	defer func() {
		if r := recover(); r != nil {
			g.config.Log.Error("operation panicked", "op", fmt.Sprintf("%T", p.op), "panic", r, "stack", string(debug.Stack()))
			p.answer, p.err = nil, fmt.Errorf("%T: %v", p.op, r)
		}
		if p.err != nil {
			batch.Rollback(before)
		}
	}()
	p.answer, p.err = g.config.Evaluate(batch.Tx(), p.op)
}

var errRefused = errors.New("entry was evaluated on an older state")

// propose replicates an entry and returns when this node has applied it.
func (g *Group) propose(entry *fsm.Entry) error {
	future := g.raft.Apply(entry.Encode(), applyTimeout)
	if err := future.Error(); err != nil {
		if errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrRaftShutdown) || errors.Is(err, raft.ErrEnqueueTimeout) {
			return fmt.Errorf("%w: %w", errNoLeader, err)
		}
		return fmt.Errorf("outcome of the write is unknown: %w", err)
	}
	switch answer := future.Response().(type) {
	case fsm.Refused:
		return errRefused
	case error:
		return answer
	}
	return nil
}
