package node

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"prefectd/cluster"
	"prefectd/ops"
)

// How long a request waits for a group to have a leader that takes it, and how often
// it looks.
const (
	patience = 15 * time.Second
	minPause = 5 * time.Millisecond
	maxPause = 100 * time.Millisecond
)

// atLeader has something done by a group's leader, here or there, until it is done,
// or fails with what no other leader can better. again says of an error whether it may
// be tried another time.
func (b *backend) atLeader(ctx context.Context, group int, again func(error) bool,
	here func(ctx context.Context, g *cluster.Group) error, there func(ctx context.Context, node string) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var unknown error // of an attempt that may have taken place
	for wait := minPause; ; wait = min(2*wait, maxPause) {
		err := b.try(ctx, group, here, there)
		if errors.Is(err, context.DeadlineExceeded) && !leaderless(err) {
			err = fmt.Errorf("%w: no answer in time", cluster.ErrUnknownOutcome)
		}
		if err == nil || !again(err) {
			return err
		}
		if unknown == nil && !leaderless(err) {
			unknown = err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return cmp.Or(unknown, err)
		case <-timer.C:
		}
	}
}

func (b *backend) try(ctx context.Context, group int,
	here func(ctx context.Context, g *cluster.Group) error, there func(ctx context.Context, node string) error) error {
	leader, err := b.leader(ctx, group)
	if err != nil {
		return err
	}
	g := b.replicas.get(group)
	switch {
	case leader != b.name:
		err = there(ctx, leader)
	case g != nil:
		err = here(ctx, g)
	default:
		err = cluster.ErrNoLeader
	}
	if err != nil {
		b.hints.forget(group, leader)
	}
	return err
}

// leaderless reports whether an error says that nothing was done and another leader,
// or the same one a little later, may do it.
func leaderless(err error) bool { return errors.Is(err, cluster.ErrNoLeader) }

// undecided reports the same of what may also be done twice.
func undecided(err error) bool {
	return leaderless(err) || errors.Is(err, cluster.ErrUnknownOutcome)
}

// leader is the node that leads a group, as far as is known here, or to those who hold
// the group: a replica here may not be a member yet, or not any more.
func (b *backend) leader(ctx context.Context, group int) (string, error) {
	if g := b.replicas.get(group); g != nil {
		if leader := g.Leader(); leader != "" || g.Alone() {
			return leader, noLeader(leader)
		}
	}
	if leader := b.hints.get(group); leader != "" {
		return leader, nil
	}
	holders, err := b.holders(group)
	if err != nil {
		return "", err
	}
	for _, node := range holders {
		if node == b.name {
			continue
		}
		answer, err := b.net.Call(ctx, node, callLeader, binary.AppendUvarint(nil, uint64(group)))
		if leader := string(answer); err == nil && leader != "" {
			b.hints.set(group, leader)
			return leader, nil
		}
	}
	return "", cluster.ErrNoLeader
}

func noLeader(leader string) error {
	if leader == "" {
		return cluster.ErrNoLeader
	}
	return nil
}

// holders are the nodes that have a replica of a group.
func (b *backend) holders(group int) ([]string, error) {
	layout, err := b.layoutHere()
	if err != nil {
		return nil, err
	}
	if group != ops.Coordination {
		return layout.Holders(group), nil
	}
	var all []string
	for _, m := range layout.Members {
		all = append(all, m.Name)
	}
	return all, nil
}

// hints remember who led the groups that this node does not hold.
type hints struct {
	mu      sync.Mutex
	leaders map[int]string
}

func (h *hints) get(group int) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.leaders[group]
}

func (h *hints) set(group int, leader string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.leaders == nil {
		h.leaders = map[int]string{}
	}
	h.leaders[group] = leader
}

// forget drops a hint that was of no use.
func (h *hints) forget(group int, leader string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.leaders[group] == leader {
		delete(h.leaders, group)
	}
}
