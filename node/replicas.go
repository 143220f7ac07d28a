package node

import (
	"errors"
	"sync"

	"prefectd/cluster"
)

// replicas are the groups that this node has a replica of.
type replicas struct {
	mu     sync.RWMutex
	groups []*cluster.Group // by number; nil where there is none
}

func newReplicas(groups int) *replicas { return &replicas{groups: make([]*cluster.Group, groups)} }

// get is the replica of a group; nil if there is none here.
func (r *replicas) get(group int) *cluster.Group {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.groups[group]
}

func (r *replicas) set(group int, g *cluster.Group) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groups[group] = g
}

// each runs fn for every replica, in the order of their numbers.
func (r *replicas) each(fn func(number int, g *cluster.Group)) {
	for number := range r.groups {
		if g := r.get(number); g != nil {
			fn(number, g)
		}
	}
}

// close ends all replicas, side by side.
func (r *replicas) close() error {
	errs := make([]error, len(r.groups))
	var wait sync.WaitGroup
	r.each(func(number int, g *cluster.Group) {
		wait.Go(func() { errs[number] = g.Close() })
	})
	wait.Wait()
	return errors.Join(errs...)
}
