package cluster

import (
	"context"

	"github.com/hashicorp/raft"

	"prefectd/store"
)

// View runs fn on the leader's state, which has every write that was answered
// before, to whomever. See ReadIndex.
func (g *Group) View(ctx context.Context, fn func(*store.Tx) error) error {
	index, err := g.ReadIndex(ctx)
	if err != nil {
		return err
	}
	if err := g.fsm.WaitApplied(ctx, index); err != nil {
		return err
	}
	return g.db.View(fn)
}

// Stale runs fn on this node's state as it is, whoever leads and however far
// behind it is.
func (g *Group) Stale(fn func(*store.Tx) error) error { return g.db.View(fn) }

// ReadIndex gives the index that a replica has to have applied to show every
// write that was answered before. Only the leader can say.
func (g *Group) ReadIndex(ctx context.Context) (uint64, error) {
	w, _ := g.leading()
	if w == nil {
		return 0, g.unavailable()
	}
	index := g.raft.CommitIndex()
	if index <= w.first || g.alone() {
		// The index of Raft's own entry that began the tenure never reaches the state
		// file. And when nobody else can have shown what is committed but not applied
		// here, it need not be waited for: it is not answered yet.
		index = g.fsm.Applied()
	}
	if err := g.confirm(ctx); err != nil {
		return 0, err
	}
	if now, _ := g.leading(); now != w {
		return 0, g.unavailable()
	}
	return index, nil
}

// alone reports whether this node is the group's only member.
func (g *Group) alone() bool {
	return len(g.raft.GetConfiguration().Configuration().Servers) == 1
}

// confirm makes sure that this node is the leader still. All who ask while a
// confirmation is under way share the next one. The only member need not ask.
func (g *Group) confirm(ctx context.Context) error {
	if g.alone() && g.raft.State() == raft.Leader {
		return nil
	}
	answer := make(chan error, 1)
	select {
	case g.asks <- answer:
	case <-g.halted:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// confirmAll asks Raft, once for all who wait.
func (g *Group) confirmAll() {
	for {
		select {
		case first := <-g.asks:
			waiting := append(make([]chan error, 0, 16), first)
			for more := true; more; {
				select {
				case next := <-g.asks:
					waiting = append(waiting, next)
				default:
					more = false
				}
			}
			err := g.verify()
			if err != nil {
				err = outcome(raft.ErrNotLeader)
			}
			for _, answer := range waiting {
				answer <- err
			}
		case <-g.halted:
			return
		}
	}
}
