package node

import (
	"context"
	"encoding/binary"
	"sync"
	"time"
)

// herald tells the replicas of a group what its leader has applied, when nothing comes
// after it that would tell them: so that those who listen there need not wait.
type herald struct {
	group   int
	backend *backend
	kick    chan struct{} // something was applied
}

func newHerald(group int, b *backend) *herald {
	return &herald{group: group, backend: b, kick: make(chan struct{}, 1)}
}

// observe is told that an entry was applied.
func (h *herald) observe() {
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// How long a herald waits for the next entry, which tells the replicas too, and how
// long it waits for them.
const (
	lull     = 2 * time.Millisecond
	newsTime = time.Second
)

// Run tells until the context ends.
func (h *herald) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.kick:
			timer.Reset(lull)
		case <-timer.C:
			h.tell(ctx)
		}
	}
}

// tell tells all other replicas, side by side. One that does not hear is told by Raft.
func (h *herald) tell(ctx context.Context) {
	g := h.backend.replicas.get(h.group)
	if g == nil || g.Alone() {
		return
	}
	mark, err := g.Mark()
	if err != nil {
		return // no longer the leader
	}
	body := append(binary.AppendUvarint(nil, uint64(h.group)), mark.Encode()...)
	ctx, cancel := context.WithTimeout(ctx, newsTime)
	defer cancel()
	var wait sync.WaitGroup
	for _, node := range g.Others() {
		wait.Go(func() { _, _ = h.backend.at(ctx, node, callNews, body) })
	}
	wait.Wait()
}
