//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// fault is something that is done to a cluster, and undone.
type fault struct {
	kind   string // under which it is counted
	detail string // to whom
	inject func(context.Context) error
	heal   func(context.Context) error
}

func (f *fault) String() string { return f.kind + ": " + f.detail }

// kind is a kind of fault and when it may be chosen.
type kind struct {
	least  int // nodes that it takes
	class  string
	lasts  [2]time.Duration
	choose func(c *cluster, random *rand.Rand) *fault // nil if there is none
}

// Two faults of one class are not laid over each other, and nothing over everything.
const (
	everything = "everything"
	processes  = "processes"
	networks   = "network"
	lines      = "lines"
)

// kinds are all kinds of faults.
var kinds = []kind{
	{1, processes, between(100*time.Millisecond, 3*time.Second), killLeader},
	{1, everything, between(100*time.Millisecond, 3*time.Second), killAll},
	{1, processes, between(100*time.Millisecond, 3*time.Second), stopLeader},
	{1, processes, between(time.Second, 6*time.Second), pauseLeader},
	{2, processes, between(100*time.Millisecond, 5*time.Second), killFollower},
	{2, processes, between(time.Second, 6*time.Second), pauseFollower},
	{2, networks, between(time.Second, 8*time.Second), isolateLeader},
	{2, networks, between(time.Second, 8*time.Second), isolateMinority},
	{2, networks, between(time.Second, 8*time.Second), muteLeader},
	{2, networks, between(time.Second, 8*time.Second), deafLeader},
	{3, networks, between(time.Second, 8*time.Second), cutLeaderFromOne},
	{2, networks, between(2*time.Second, 8*time.Second), flap},
	{1, lines, between(2*time.Second, 8*time.Second), slowLines},
	{1, lines, between(2*time.Second, 8*time.Second), slowLeader},
	{1, processes, between(500*time.Millisecond, 4*time.Second), fillDisk},
}

func between(least, most time.Duration) [2]time.Duration { return [2]time.Duration{least, most} }

// role is a part that a node plays; who plays it shows when it is needed.
type role struct {
	group    int
	follower int // 1 for the first of them; 0 for the leader
}

func (r role) String() string {
	if r.follower == 0 {
		return fmt.Sprintf("the leader of group %d", r.group)
	}
	return fmt.Sprintf("follower %d of group %d", r.follower, r.group)
}

func chooseLeader(c *cluster, random *rand.Rand) role {
	return role{group: random.IntN(len(c.groups.All()))}
}

func chooseFollower(c *cluster, random *rand.Rand) role {
	r := chooseLeader(c, random)
	r.follower = 1 + random.IntN(len(c.nodes)-1)
	return r
}

// electionTime is how long a group may have no leader before somebody else gets
// what was meant for it.
const electionTime = 5 * time.Second

// who plays a role now; the first node if nobody leads.
func (c *cluster) who(ctx context.Context, r role) *node {
	ctx, cancel := context.WithTimeout(ctx, electionTime)
	defer cancel()
	leader := c.leaders(ctx)[r.group]
	for leader == nil && wait(ctx, 50*time.Millisecond) == nil {
		leader = c.leaders(ctx)[r.group]
	}
	at := max(0, slices.Index(c.nodes, leader))
	return c.nodes[(at+r.follower)%len(c.nodes)]
}

// onRole makes a fault of what is done to the node that plays a role.
func (c *cluster) onRole(kind string, r role, inject, heal func(*node) error) *fault {
	var victim *node
	return &fault{
		kind: kind, detail: r.String(),
		inject: func(ctx context.Context) error {
			victim = c.who(ctx, r)
			return inject(victim)
		},
		heal: func(context.Context) error { return heal(victim) },
	}
}

// each does something to all nodes at once.
func (c *cluster) each(do func(*node) error) error {
	errs := make([]error, len(c.nodes))
	var wait sync.WaitGroup
	for i, n := range c.nodes {
		wait.Go(func() { errs[i] = do(n) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

func kill(n *node) error   { n.kill(); return nil }
func pause(n *node) error  { n.pause(); return nil }
func resume(n *node) error { n.resume(); return nil }

func killLeader(c *cluster, random *rand.Rand) *fault {
	return c.onRole("kill -9, leader", chooseLeader(c, random), kill, (*node).start)
}

func killFollower(c *cluster, random *rand.Rand) *fault {
	return c.onRole("kill -9, follower", chooseFollower(c, random), kill, (*node).start)
}

func stopLeader(c *cluster, random *rand.Rand) *fault {
	return c.onRole("SIGTERM, leader", chooseLeader(c, random), (*node).stop, (*node).start)
}

func pauseLeader(c *cluster, random *rand.Rand) *fault {
	return c.onRole("SIGSTOP, leader", chooseLeader(c, random), pause, resume)
}

func pauseFollower(c *cluster, random *rand.Rand) *fault {
	return c.onRole("SIGSTOP, follower", chooseFollower(c, random), pause, resume)
}

func killAll(c *cluster, _ *rand.Rand) *fault {
	return &fault{
		kind: "kill -9, all", detail: "all nodes",
		inject: func(context.Context) error { return c.each(kill) },
		heal:   func(context.Context) error { return c.each((*node).start) },
	}
}

// fillDisk fills the disk of a node that has one for it. A node that ends because of
// it is started again when there is room. There is no such fault without such a
// disk.
func fillDisk(c *cluster, _ *rand.Rand) *fault {
	at := slices.IndexFunc(c.nodes, func(n *node) bool { return n.disk != nil })
	if at < 0 {
		return nil
	}
	n := c.nodes[at]
	return &fault{
		kind: "full disk", detail: n.host.Name,
		inject: func(context.Context) error {
			n.setFull(true)
			return n.disk.Fill()
		},
		heal: func(context.Context) error { return errors.Join(n.disk.Free(), n.start()) },
	}
}
