package httpapi

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/httpapi/schema"
	"prefectd/prefect"
)

// TestJobTemplatesOfWorkerTypesAreAccepted makes sure that clients can make pools of
// what they are offered.
func TestJobTemplatesOfWorkerTypesAreAccepted(t *testing.T) {
	var view map[string]map[string]struct {
		Template prefect.JSON `json:"default_base_job_configuration"`
		Type     string       `json:"type"`
	}
	require.NoError(t, prefect.Unmarshal(workerTypes, &view))
	require.Contains(t, view["prefect"], "process")
	types := 0
	for _, collection := range view {
		for kind, worker := range collection {
			require.Equal(t, kind, worker.Type)
			body, err := prefect.Marshal(map[string]any{"name": "pool", "type": kind, "base_job_template": worker.Template})
			require.NoError(t, err)
			var pool prefect.WorkPoolCreate
			require.Empty(t, schema.Decode(body, []any{"body"}, &pool), kind)
			types++
		}
	}
	require.Equal(t, 8, types)
}

func TestClientVersionsThatRefuseTheDefaultBlock(t *testing.T) {
	for version, old := range map[string]bool{
		"": false, "3.3.7": true, "3.3.8": false, "3.2.99": true, "2.20.0": true, "3.4.0": false, "3.3.7.dev1": true, "4.0.0": false, "x": false,
	} {
		require.Equal(t, old, isBefore338(version), version)
	}
}
