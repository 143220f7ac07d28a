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

	"prefectd/test/lab"
)

// way is a direction between two nodes.
type way struct{ from, to *node }

// cuts makes a fault of ways that are cut; which they are shows when it begins.
func (c *cluster) cuts(kind, detail string, choose func(ctx context.Context) []way) *fault {
	var cut []way
	return &fault{
		kind: kind, detail: detail,
		inject: func(ctx context.Context) error {
			cut = choose(ctx)
			return c.change(cut, (*lab.Lab).Cut)
		},
		heal: func(context.Context) error { return c.change(cut, (*lab.Lab).Mend) },
	}
}

func (c *cluster) change(ways []way, do func(l *lab.Lab, from, to *lab.Host) error) error {
	var errs []error
	for _, w := range ways {
		errs = append(errs, do(c.lab, w.from.host, w.to.host))
	}
	return errors.Join(errs...)
}

// from is all that a node sends to the others, and to what they send to it.
func (c *cluster) from(n *node) (ways []way) {
	for _, other := range c.nodes {
		if other != n {
			ways = append(ways, way{n, other})
		}
	}
	return ways
}

func (c *cluster) to(n *node) []way { return back(c.from(n)) }

// back is the other direction.
func back(ways []way) (all []way) {
	for _, w := range ways {
		all = append(all, way{w.to, w.from})
	}
	return all
}

func isolateLeader(c *cluster, random *rand.Rand) *fault {
	r := chooseLeader(c, random)
	return c.cuts("partition, leader alone", r.String(), func(ctx context.Context) []way {
		n := c.who(ctx, r)
		return slices.Concat(c.from(n), c.to(n))
	})
}

func isolateMinority(c *cluster, random *rand.Rand) *fault {
	few := random.Perm(len(c.nodes))[:max(1, (len(c.nodes)-1)/2)]
	var ways []way
	names := ""
	for i, a := range c.nodes {
		if !slices.Contains(few, i) {
			continue
		}
		names += " " + a.host.Name
		for j, b := range c.nodes {
			if !slices.Contains(few, j) {
				ways = append(ways, way{a, b}, way{b, a})
			}
		}
	}
	return c.cuts("partition, minority", "without"+names, func(context.Context) []way { return ways })
}

func muteLeader(c *cluster, random *rand.Rand) *fault {
	r := chooseLeader(c, random)
	return c.cuts("one-way, leader is not heard", r.String(), func(ctx context.Context) []way { return c.from(c.who(ctx, r)) })
}

func deafLeader(c *cluster, random *rand.Rand) *fault {
	r := chooseLeader(c, random)
	return c.cuts("one-way, leader hears nobody", r.String(), func(ctx context.Context) []way { return c.to(c.who(ctx, r)) })
}

// cutLeaderFromOne leaves a node that both still reach.
func cutLeaderFromOne(c *cluster, random *rand.Rand) *fault {
	r, which := chooseLeader(c, random), random.IntN(len(c.nodes)-1)
	return c.cuts("partition, leader from one follower", r.String(), func(ctx context.Context) []way {
		one := c.from(c.who(ctx, r))[which : which+1]
		return slices.Concat(one, back(one))
	})
}

// flap cuts a leader off and back again, several times a second.
func flap(c *cluster, random *rand.Rand) *fault {
	r := chooseLeader(c, random)
	pauses := rand.New(rand.NewPCG(random.Uint64(), 0))
	var cancel context.CancelFunc
	var wait sync.WaitGroup
	var errs []error
	return &fault{
		kind: "partition, flapping", detail: r.String(),
		inject: func(ctx context.Context) error {
			n := c.who(ctx, r)
			ctx, cancel = context.WithCancel(ctx)
			wait.Go(func() { errs = c.flapping(ctx, slices.Concat(c.from(n), c.to(n)), pauses) })
			return nil
		},
		heal: func(context.Context) error {
			cancel()
			wait.Wait()
			return errors.Join(errs...)
		},
	}
}

func (c *cluster) flapping(ctx context.Context, ways []way, random *rand.Rand) (errs []error) {
	for ctx.Err() == nil {
		for _, do := range []func(*lab.Lab, *lab.Host, *lab.Host) error{(*lab.Lab).Cut, (*lab.Lab).Mend} {
			errs = append(errs, c.change(ways, do))
			_ = wait(ctx, time.Duration(50+random.IntN(600))*time.Millisecond)
		}
	}
	return errs
}

// spoils makes a fault of bad lines for some nodes.
func (c *cluster) spoils(kind, detail string, random *rand.Rand, choose func(ctx context.Context) []*node) *fault {
	w := lab.Weather{
		Delay:  time.Duration(1+random.IntN(80)) * time.Millisecond,
		Jitter: time.Duration(random.IntN(40)) * time.Millisecond,
		Loss:   float64(random.IntN(10)) / 100,
	}
	line := rand.New(rand.NewPCG(random.Uint64(), 0))
	var wires []*lab.Wire
	return &fault{
		kind: kind, detail: fmt.Sprintf("%s: %s to %s, %.0f%% lost", detail, w.Delay, w.Delay+w.Jitter, w.Loss*100),
		inject: func(ctx context.Context) error {
			for _, n := range choose(ctx) {
				wire, err := c.lab.Spoil(n.host, w, rand.New(rand.NewPCG(line.Uint64(), 0)))
				if err != nil {
					return err
				}
				wires = append(wires, wire)
			}
			return nil
		},
		heal: func(context.Context) error {
			var errs []error
			for _, wire := range wires {
				errs = append(errs, wire.Close())
			}
			return errors.Join(errs...)
		},
	}
}

func slowLines(c *cluster, random *rand.Rand) *fault {
	return c.spoils("slow and lossy, all", "all nodes", random, func(context.Context) []*node { return c.nodes })
}

func slowLeader(c *cluster, random *rand.Rand) *fault {
	r := chooseLeader(c, random)
	return c.spoils("slow and lossy, leader", r.String(), random, func(ctx context.Context) []*node { return []*node{c.who(ctx, r)} })
}
