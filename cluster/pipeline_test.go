package cluster

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// A pipeline whose answers nobody takes does not hold up who sends for ever.
func TestPipelinesThatNobodyListensTo(t *testing.T) {
	c := newCrew(t, 2)
	from, to := c.networks[0].Transport(1, "n1"), c.networks[1].Transport(1, "n2")
	t.Cleanup(func() { require.NoError(t, from.Close()) })
	t.Cleanup(func() { require.NoError(t, to.Close()) })
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	go func() {
		for {
			select {
			case rpc := <-to.Consumer():
				rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
			case <-ended:
				return
			}
		}
	}()
	p, err := from.AppendEntriesPipeline("n2", "n2")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		for {
			if _, err := p.AppendEntries(&raft.AppendEntriesRequest{Term: 1, Entries: []*raft.Log{{Index: 1}}}, &raft.AppendEntriesResponse{}); err != nil {
				done <- err
				return
			}
		}
	}()
	select {
	case err := <-done:
		require.ErrorIs(t, err, raft.ErrPipelineShutdown)
	case <-time.After(10 * stuckTime):
		require.Fail(t, "it waits for ever")
	}
	require.NoError(t, p.Close())
}
