package cluster

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// However long it takes to send the state to a member, what is written meanwhile is
// there when it has it.
func TestTheLogIsKeptForAMemberThatIsSentTheState(t *testing.T) {
	g, _ := alone(t, t.TempDir(), func(c *Config) { c.LogEntries = 8 })
	for range 20 {
		submit(t, g, add{number: 1})
	}
	eventually(t, func() bool { return g.Status().LogFirst > 10 })
	meta, sent, err := g.snapshots.Open("")
	require.NoError(t, err)
	for range 50 {
		submit(t, g, add{number: 1})
	}
	require.NoError(t, g.cut(1))
	s := g.Status()
	require.LessOrEqual(t, s.LogFirst, meta.Index)
	for index := meta.Index; index <= s.LogLast; index++ {
		require.NoError(t, g.log.GetLog(index, &raft.Log{}), index)
	}
	require.NoError(t, sent.Close())
	eventually(t, func() bool {
		submit(t, g, add{number: 1})
		return g.Status().LogFirst > meta.Index
	})
}

func TestReservationsEnd(t *testing.T) {
	l, err := openLog(filepath.Join(t.TempDir(), "log.db"), 4, 10_000, func(err error) { t.Error(err) })
	require.NoError(t, err)
	defer l.Close()
	store := func(from, to uint64) {
		for i := from; i <= to; i++ {
			require.NoError(t, l.StoreLog(&raft.Log{Index: i, Data: make([]byte, 100-entryOverhead)}))
		}
	}
	first := func() uint64 {
		first, _, _ := l.extent()
		return first
	}
	store(1, 20)
	late, early := l.reserve(10, 10_000), l.reserve(5, 2500)
	_, worth := l.keep()
	require.True(t, worth)
	require.NoError(t, l.DeleteRange(1, 16))
	require.Equal(t, uint64(5), first())
	keep, worth := l.keep()
	require.False(t, worth, "there is nothing to cut now")
	require.Equal(t, uint64(16), keep)

	store(21, 30) // the early one's log is as large as its state: it is given up
	require.NoError(t, l.DeleteRange(5, 26))
	require.Equal(t, uint64(10), first())
	early()
	late()
	l.reservations[0].ends = time.Now().Add(time.Hour)
	require.NoError(t, l.DeleteRange(10, 26))
	require.Equal(t, uint64(10), first(), "the member catches up")
	l.reservations[0].ends = time.Now().Add(-time.Hour)
	keep, worth = l.keep()
	require.True(t, worth)
	require.Equal(t, uint64(4), keep)
	require.NoError(t, l.DeleteRange(10, 26))
	require.Equal(t, uint64(27), first())
	require.Empty(t, l.reservations)

	l.reserve(27, 10_000)
	require.NoError(t, l.DeleteRange(27, 30), "what another leader did not commit goes, whoever wants it")
	require.Zero(t, first())
}
