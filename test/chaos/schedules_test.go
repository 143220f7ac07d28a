//go:build linux

package chaos

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/test/client"
)

// How long TestSchedules goes on, and how long the scheduler may take to make up for it.
const (
	scheduleShort = 15 * time.Second
	scheduleLong  = 5 * time.Minute
	scheduleCalm  = time.Minute
)

// TestSchedules makes deployments that are due each minute, through all nodes, while the
// leader that schedules is killed again and again. Of each there is in the end one run for
// each minute of an hour, on any node.
func TestSchedules(t *testing.T) {
	c := newCluster(t, *nodes, 0)
	flow, err := c.anyClient().EnsureFlow(t.Context(), "scheduled")
	require.NoError(t, err)
	length := scheduleShort
	if *long {
		length = scheduleLong
	}
	deployments := c.deployThroughKills(flow, length)
	require.Greater(t, len(deployments), 3, "hardly any deployment was made")
	_, err = c.calm(t.Context())
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), scheduleCalm)
	defer cancel()
	for i, id := range deployments {
		through := c.nodes[i%len(c.nodes)].client
		var times []time.Time
		for len(times) < 60 {
			require.NoError(t, wait(ctx, 50*time.Millisecond), "deployment %s has %d runs", id, len(times))
			times, err = through.StartTimes(ctx, id)
			require.NoError(t, err)
		}
		for j, at := range times[1:] {
			require.Equal(t, time.Minute, at.Sub(times[j]), "deployment %s: %v", id, times)
		}
	}
	t.Logf("%d deployments have their runs", len(deployments))
	c.requireAlive()
}

// deployThroughKills makes deployments one after the other while leaders of the
// coordination group are killed, and answers those that were acknowledged.
func (c *cluster) deployThroughKills(flow string, length time.Duration) []string {
	ctx, cancel := context.WithTimeout(c.t.Context(), length)
	defer cancel()
	done := make(chan []string, 1)
	go func() {
		var made []string
		for i := 0; ctx.Err() == nil; i++ {
			id, err := c.nodes[i%len(c.nodes)].client.CreateDeployment(ctx, client.NewDeployment{
				Name: fmt.Sprint("scheduled ", i), FlowID: flow, Schedule: []map[string]any{client.Every(time.Minute, time.Now())},
			})
			if err == nil {
				made = append(made, id)
			}
			_ = wait(ctx, 100*time.Millisecond)
		}
		done <- made
	}()
	for wait(ctx, 4*time.Second) == nil {
		leader := c.who(c.t.Context(), role{group: 0})
		leader.kill()
		_ = wait(ctx, time.Second)
		require.NoError(c.t, leader.start())
	}
	return <-done
}
