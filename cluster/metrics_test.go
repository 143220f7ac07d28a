package cluster

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	dto "github.com/prometheus/client_model/go"
)

// gathered is a group's metrics by name and, of its files, file; of a histogram how
// often something was observed. The label group is checked.
func gathered(t *testing.T, g *Group) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(g))
	families, err := registry.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			labels := map[string]string{}
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			require.Equal(t, fmt.Sprint(g.config.Number), labels["group"], name)
			if file := labels["file"]; file != "" {
				name += " " + file
			}
			values[name] = valueOf(m)
		}
	}
	return values
}

func valueOf(m *dto.Metric) float64 {
	switch {
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	case m.Counter != nil:
		return m.Counter.GetValue()
	default:
		return float64(m.Histogram.GetSampleCount())
	}
}

func TestMetricsOfALeader(t *testing.T) {
	g, _ := alone(t, t.TempDir())
	for range 3 {
		submit(t, g, add{number: 1})
	}
	submit(t, g, look{number: 1})
	_, err := g.Submit(t.Context(), add{number: 1, fail: true})
	require.ErrorIs(t, err, errNope)

	got := gathered(t, g)
	status := g.Status()
	require.EqualValues(t, 5, got["prefectd_group_operations_total"])
	require.EqualValues(t, 3, got["prefectd_group_entries_total"])
	require.EqualValues(t, 3, got["prefectd_group_entry_operations"])
	require.EqualValues(t, 3, got["prefectd_group_commit_seconds"])
	require.Greater(t, got["prefectd_group_entry_bytes_total"], 30.0)
	require.EqualValues(t, 1, got["prefectd_group_leads"])
	require.EqualValues(t, 1, got["prefectd_group_voters"])
	require.EqualValues(t, 1, got["prefectd_group_tenures_total"])
	require.EqualValues(t, 0, got["prefectd_group_tenures_ended_total"])
	require.EqualValues(t, status.Term, got["prefectd_group_term"])
	require.EqualValues(t, status.Applied, got["prefectd_group_applied_index"])
	require.EqualValues(t, status.LogLast, got["prefectd_group_log_last_index"])
	require.EqualValues(t, status.LogLast-status.LogFirst+1, got["prefectd_group_log_entries"])
	require.Greater(t, got["prefectd_group_log_bytes"], 100.0)
	require.Greater(t, got["prefectd_group_unflushed_bytes"], 0.0)
	for _, file := range []string{"state", "log"} {
		require.Greater(t, got["prefectd_group_file_pages "+file], 3.0)
		require.Greater(t, got["prefectd_group_file_writes_total "+file], 0.0)
	}

	require.NoError(t, g.db.Sync())
	require.Zero(t, gathered(t, g)["prefectd_group_unflushed_bytes"])
}

func TestMetricsOfAQueue(t *testing.T) {
	g, _ := alone(t, t.TempDir())
	release := hold(t, g)
	done := make(chan error)
	for range queueLength {
		go func() {
			_, err := g.Submit(t.Context(), add{number: 1})
			done <- err
		}()
	}
	queued(t, g, queueLength)
	_, err := g.Submit(t.Context(), add{number: 1})
	require.ErrorIs(t, err, ErrOverloaded)
	got := gathered(t, g)
	require.EqualValues(t, queueLength, got["prefectd_group_queued_operations"])
	require.EqualValues(t, 1, got["prefectd_group_overloaded_total"])
	release()
	for range queueLength {
		require.NoError(t, <-done)
	}
	got = gathered(t, g)
	require.EqualValues(t, queueLength+1, got["prefectd_group_operations_total"])
	require.EqualValues(t, queueLength+1, got["prefectd_group_commit_seconds"])
	require.Less(t, got["prefectd_group_entries_total"], 100.0)
	require.EqualValues(t, got["prefectd_group_entries_total"], got["prefectd_group_entry_operations"])
	require.Zero(t, got["prefectd_group_queued_operations"])
}

func TestMetricsFollowTheLeader(t *testing.T) {
	ms := newMembers(t, 3)
	old := ms.leader()
	submit(t, old.Group, add{number: 1})
	for _, m := range ms.all {
		want := 0.0
		if m == old {
			want = 1
		}
		eventually(t, func() bool {
			got := gathered(t, m.Group)
			return got["prefectd_group_leads"] == want && got["prefectd_group_entries_total"] == want &&
				got["prefectd_group_voters"] == 3 && got["prefectd_group_last_contact_seconds"] >= 0
		})
	}
	ms.isolate(old)
	leader := ms.leader(old)
	eventually(t, func() bool { return gathered(t, old.Group)["prefectd_group_tenures_ended_total"] == 1 })
	require.EqualValues(t, 1, gathered(t, leader.Group)["prefectd_group_tenures_total"])
}
