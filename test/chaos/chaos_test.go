//go:build linux

package chaos

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestOneNode disturbs a node that is alone.
func TestOneNode(t *testing.T) { disturb(newCluster(t, 1, 0), *only, max(1, *rounds/8)) }

// TestFullDisk disturbs a lone node on a disk that gets full.
func TestFullDisk(t *testing.T) { disturb(newCluster(t, 1, 1), "full disk", max(1, *rounds/8)) }

// TestCluster disturbs several nodes, one of them on a disk that gets full.
func TestCluster(t *testing.T) { disturb(newCluster(t, *nodes, 1), *only, *rounds) }

// TestRestart measures how long a lone node is away that is killed.
func TestRestart(t *testing.T) { measure(newCluster(t, 1, 0)) }

// TestFailover measures how long a group takes no writes whose leader is killed.
func TestFailover(t *testing.T) { measure(newCluster(t, *nodes, 0)) }

// tooLong is a gap that is worth a line.
const tooLong = 5 * time.Second

// disturb lays faults, all or only some, over a load, in rounds. After each, everything is healed and
// what is known is checked.
func disturb(c *cluster, only string, rounds int) {
	t, ctx, began := c.t, c.t.Context(), time.Now()
	random := rand.New(rand.NewPCG(*seed, uint64(len(c.nodes))))
	l, o := newLoad(c), newOutcome()
	for round := range rounds {
		p := newPlan(c, only, random, *duration)
		t.Logf("round %d of %d, seed %d:%s", round+1, rounds, *seed, p)
		before := l.facts.Mark()
		begin := time.Now()
		err := l.during(ctx, func() error {
			done, err := p.carryOut(ctx)
			if err != nil {
				return err
			}
			took, err := c.calm(ctx)
			o.calms = append(o.calms, took)
			for _, e := range done {
				g := l.accepted.gapIn(e)
				o.gaps[e.kind] = append(o.gaps[e.kind], g.length)
				if g.length > tooLong {
					t.Logf("group %d took no writes for %.2f s from %.2f s on", g.group, g.length.Seconds(), g.from.Sub(begin).Seconds())
				}
			}
			return err
		})
		c.requireAlive()
		require.NoError(t, err)
		l.check(ctx, before)
		if t.Failed() {
			return
		}
	}
	l.requireWork()
	require.NoError(t, l.facts.Check(ctx, l.reader(c.nodes[0])))
	c.publish(o.table(c, l, began))
	c.requireEqualReplicas()
}

// requireAlive fails a test with a node that has a defect.
func (c *cluster) requireAlive() {
	for _, n := range c.nodes {
		require.NoError(c.t, n.defect())
	}
}

// measure prints the times of failovers.
func measure(c *cluster) {
	random := rand.New(rand.NewPCG(*seed, uint64(len(c.nodes))))
	took := c.measureFailovers(random)
	c.requireAlive()
	c.publish(failoverTable(c, took))
}
