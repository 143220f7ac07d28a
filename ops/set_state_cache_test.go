package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// The cache holds what can be found, and little else.
func TestCacheIsClearedAway(t *testing.T) {
	c := newTestCluster(t, 1)
	insert := func(key string, lives prefect.Duration) prefect.ID {
		now := c.Now()
		entry := store.CachedState{Key: key, Created: now, State: prefect.State{ID: c.NewID()}}
		if lives > 0 {
			entry.Expiration = now.Add(lives)
		}
		must[any](c, 1, &InsertCachedState{Entry: entry})
		return entry.State.ID
	}
	found := func(key string) prefect.ID {
		entry, err := Ask[*store.CachedState](t.Context(), c, 1, &ReadCachedState{Key: key})
		require.NoError(t, err)
		return entry.State.ID
	}
	long := insert("a", prefect.Hour)
	short := insert("a", prefect.Minute)
	require.Equal(t, short, found("a"))
	require.Equal(t, 2, rows(c, 1, store.TaskRunCache), "the older one lives longer")
	c.advance(2 * prefect.Minute)
	require.Equal(t, long, found("a"))
	insert("b", 0)
	require.Equal(t, 2, rows(c, 1, store.TaskRunCache), "what has expired is cleared away")
	for range 3 {
		last := insert("a", 0)
		require.Equal(t, last, found("a"))
		require.Equal(t, 2, rows(c, 1, store.TaskRunCache), "what is never found again goes")
	}
	last := insert("b", prefect.Hour)
	require.Equal(t, last, found("b"))
	require.Equal(t, 3, rows(c, 1, store.TaskRunCache))
}
