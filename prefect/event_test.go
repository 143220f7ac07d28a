package prefect_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

func TestEventFits(t *testing.T) {
	event := func(payload string) *prefect.Event {
		return &prefect.Event{
			Occurred: 1_000_000, Event: "e", ID: prefect.ID{1}, Received: 5, Payload: prefect.JSON(payload),
			Resource: prefect.Resource{"prefect.resource.id": "r"}, Related: []prefect.Resource{},
		}
	}
	const frame = `{"occurred":"0001-01-01T00:00:01Z","event":"e","resource":{"prefect.resource.id":"r"},"related":[],"payload":%s,` +
		`"id":"01000000-0000-0000-0000-000000000000","follows":null}`
	for _, n := range []int{0, 1000} {
		payload := `{"a":"` + strings.Repeat("x", n) + `"}`
		size := len(fmt.Sprintf(frame, payload))
		require.True(t, event(payload).Fits(size))
		require.False(t, event(payload).Fits(size-1))
		require.True(t, event(payload).Fits(1_500_000))
	}
}
