package node

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMetrics(t *testing.T) {
	n := start(t, t.TempDir())
	defer func() { require.NoError(t, n.Stop()) }()
	families, err := n.Metrics().Gather()
	require.NoError(t, err)
	values := map[string][]float64{} // of the groups in their order
	for _, f := range families {
		for _, m := range f.Metric {
			if m.Gauge != nil {
				values[f.GetName()] = append(values[f.GetName()], m.Gauge.GetValue())
			}
		}
	}
	require.Equal(t, []float64{1}, values["prefectd_members"])
	require.Equal(t, []float64{1}, values["prefectd_members_present"])
	require.Equal(t, []float64{1}, values["prefectd_ready"])
	require.Equal(t, []float64{1}, values["prefectd_build_info"])
	require.Equal(t, []float64{1, 1, 1}, values["prefectd_group_leads"])
	require.Equal(t, []float64{0, 0, 0}, values["prefectd_group_outbox_messages"])
}
