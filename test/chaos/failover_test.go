//go:build linux

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/test/client"
)

// failoverTime is the longest that a failover may take before the test gives up.
const failoverTime = 30 * time.Second

// failover kills the leader of a group and answers how long it took from then until
// the group accepted a write. A lone node is started again at once; in a cluster the
// leader comes back afterwards, and all is well when this returns.
func (c *cluster) failover(ctx context.Context, group int) time.Duration {
	run, err := c.runOf(ctx, c.nodes[0].client, group)
	require.NoError(c.t, err)
	leader := c.who(ctx, role{group: group})
	writers := c.anyClient(leader)
	if len(c.nodes) == 1 {
		writers = leader.client
	}
	leader.kill()
	killed := time.Now()
	if len(c.nodes) == 1 {
		require.NoError(c.t, leader.start())
	}
	took, err := firstWrite(ctx, writers, run.ID, killed)
	require.NoError(c.t, err, "after the leader of group %d was killed", group)
	require.NoError(c.t, leader.start())
	_, err = c.calm(ctx)
	require.NoError(c.t, err)
	return took
}

// asking is how often a write is tried, whether those before were answered or not.
const asking = 10 * time.Millisecond

// firstWrite writes the state of a flow run again and again, and answers how long
// after a moment a write was accepted.
func firstWrite(ctx context.Context, through *client.Client, run string, since time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, failoverTime)
	defer cancel()
	accepted := make(chan time.Duration, 1)
	var writers sync.WaitGroup
	defer writers.Wait()
	for {
		writers.Go(func() {
			v, err := through.Propose(ctx, run, client.Proposal{Type: "RUNNING", Force: true})
			if err == nil && v.Status == "ACCEPT" {
				select {
				case accepted <- time.Since(since):
				default: // not the first
				}
			}
		})
		select {
		case took := <-accepted:
			return took, nil
		case <-ctx.Done():
			return 0, fmt.Errorf("no write was accepted: %w", ctx.Err())
		case <-time.After(asking):
		}
	}
}

// measureFailovers measures as many as are asked for, over all groups of runs.
func (c *cluster) measureFailovers(random *rand.Rand) (took []time.Duration) {
	groups := c.groups.RunGroups()
	for range *failovers {
		took = append(took, c.failover(c.t.Context(), groups[random.IntN(len(groups))]))
	}
	return took
}
