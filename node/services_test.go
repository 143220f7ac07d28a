package node

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"prefectd/ops"
	"prefectd/prefect"
)

// quick makes rounds often, and runs late at once.
func quick(c *Config) {
	s := DefaultSettings()
	s.Ops.LateRuns.Every, s.Ops.LateRuns.After = 20*prefect.Millisecond, 0
	c.Settings = s
}

// roundsOf counts the rounds that a node made of a service for a group.
func roundsOf(t *testing.T, n *Node, service string, group int) (count uint64) {
	families, err := n.Metrics().Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.Metric {
			labels := map[string]string{}
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "prefectd_service_round_seconds" && labels["service"] == service && labels["group"] == strconv.Itoa(group) {
				count += m.Histogram.GetSampleCount()
			}
		}
	}
	return count
}

// getLate makes runs that nobody picks up, in all groups, and waits until all are late.
func getLate(t *testing.T, n *Node, flow prefect.ID) {
	t.Helper()
	groups := map[int][]prefect.ID{}
	for len(groups) < n.layout.Runs {
		s := prefect.StateCreate{Type: prefect.Scheduled, Details: prefect.StateDetails{ScheduledTime: now()}}
		made, err := ops.NewFlowRun(t.Context(), n, prefect.FlowRunCreate{FlowID: flow, State: &s}, nil)
		require.NoError(t, err)
		group := n.layout.Of(made.Object.ID)
		groups[group] = append(groups[group], made.Object.ID)
	}
	for group, runs := range groups {
		for _, id := range runs {
			eventually(t, func() bool {
				run, err := ops.Ask[*prefect.FlowRun](t.Context(), n, group, &ops.ReadFlowRun{ID: id})
				require.NoError(t, err)
				return *run.StateName == "Late"
			}, "run %s of group %d is late", id, group)
		}
	}
}

// Services run where a group is led, and go on where it is led next.
func TestServicesFollowTheLeader(t *testing.T) {
	c := newNodes(t, 3, quick)
	made, err := ops.Do[ops.Upserted[prefect.Flow]](t.Context(), c.any(), ops.Coordination, &ops.CreateFlow{Flow: prefect.FlowCreate{Name: "flow"}})
	require.NoError(t, err)
	for range 2 {
		getLate(t, c.any(), made.Object.ID)
	}

	const group = 1
	leader := func() string { return c.settled()[group].Leader }
	count := func() map[string]uint64 {
		counts := map[string]uint64{}
		for name, n := range c.nodes {
			counts[name] = roundsOf(t, n, "late_runs", group)
		}
		return counts
	}
	var leads string
	eventually(t, func() bool {
		leads = leader()
		before, after := count(), map[string]uint64{}
		eventually(t, func() bool {
			after = count()
			return after[leads] >= before[leads]+5 || leader() != leads
		}, "rounds are made")
		delete(before, leads)
		delete(after, leads)
		return leader() == leads && maps.Equal(before, after)
	}, "only the leader makes rounds")

	c.stop(leads)
	getLate(t, c.any(), made.Object.ID)
	next := ""
	eventually(t, func() bool {
		groups, err := c.any().ClusterGroups(t.Context())
		require.NoError(t, err)
		next = groups[group].Leader
		return next != "" && next != leads
	}, "another leads")
	eventually(t, func() bool { return roundsOf(t, c.nodes[next], "late_runs", group) > 0 }, "the service goes on")
}

// A service that rests for long does not rest for long when it has failed.
func TestServicesTryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		var at []time.Duration
		daily := ops.Service{
			Name:  "daily",
			Every: func(*ops.Settings) prefect.Duration { return prefect.Day },
			Round: func(context.Context, ops.Backend, int) (int, error) {
				at = append(at, time.Since(began))
				switch len(at) {
				case 1:
					return 0, errors.New("no leader")
				case 3:
					cancel()
				}
				return 5, nil
			},
		}
		s := newServiceMetrics().service(daily, 1, &backend{settings: ops.DefaultSettings()}, slog.New(slog.DiscardHandler))
		require.NoError(t, s.Run(ctx))
		require.Equal(t, []time.Duration{0, retryAfter, retryAfter + 24*time.Hour}, at)
		var acted, failed dto.Metric
		require.NoError(t, s.acted.Write(&acted))
		require.NoError(t, s.failed.Write(&failed))
		require.InDelta(t, 10, acted.Counter.GetValue(), 0)
		require.InDelta(t, 1, failed.Counter.GetValue(), 0)
	})
}
