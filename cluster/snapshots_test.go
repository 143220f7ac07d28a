package cluster

import (
	"context"
	"io"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// A group that is closed does not wait until a large state was sent, taken or copied.
func TestStatesAreNotMovedWhenAGroupIsClosed(t *testing.T) {
	g, _ := alone(t, t.TempDir())
	submit(t, g, add{number: 1})
	receive := func() raft.SnapshotSink {
		sink, err := g.snapshots.Create(raft.SnapshotVersionMax, 9, 2, raft.Configuration{}, 1, nil)
		require.NoError(t, err)
		_, err = sink.Write([]byte("state"))
		require.NoError(t, err)
		return sink
	}
	whole, half := receive(), receive()
	require.NoError(t, whole.Close())
	_, got, err := g.snapshots.Open(whole.ID())
	require.NoError(t, err)
	defer got.Close()
	var first [2]byte
	_, err = got.Read(first[:])
	require.NoError(t, err)
	require.Equal(t, "st", string(first[:]))

	require.NoError(t, g.Close())
	_, err = io.ReadAll(got)
	require.ErrorIs(t, err, context.Canceled)
	_, err = half.Write([]byte("more"))
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, half.Cancel())
	_, _, err = g.snapshots.copy(g.ctx)
	require.ErrorIs(t, err, context.Canceled)
}
