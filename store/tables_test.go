package store

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

func openState(t *testing.T) *DB {
	db, err := Open(filepath.Join(t.TempDir(), "state"), State, Options{NoSync: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// change evaluates writes, checks what they look like before they are in the file,
// and applies them.
func change(t *testing.T, db *DB, write, check func(*Tx)) {
	t.Helper()
	b, err := db.Batch()
	require.NoError(t, err)
	write(b.Tx())
	check(b.Tx())
	changes := b.Changes()
	require.NoError(t, b.Close())
	require.NoError(t, db.Update(func(w *Writer) error { return w.Apply(changes) }))
	require.NoError(t, db.View(func(tx *Tx) error { check(tx); return nil }))
}

func TestARowUnderSeveralKeys(t *testing.T) {
	db := openState(t)
	run := &prefect.FlowRun{ID: prefect.ID{1}, Tags: []string{"one", "two", "a longer one"}}
	tagged := func(tx *Tx, tag string) int { return FlowRunsByTag.Count(tx, Range{Prefix: Key{}.String(tag)}) }
	change(t, db, func(tx *Tx) { FlowRuns.Put(tx, run) }, func(tx *Tx) {
		for _, tag := range run.Tags {
			require.Equal(t, 1, tagged(tx, tag), tag)
		}
	})
	run.Tags = []string{"two", "three"}
	change(t, db, func(tx *Tx) { FlowRuns.Put(tx, run) }, func(tx *Tx) {
		require.Equal(t, []int{0, 1, 1}, []int{tagged(tx, "one"), tagged(tx, "two"), tagged(tx, "three")})
	})
	change(t, db, func(tx *Tx) { FlowRuns.Delete(tx, Key{}.ID(run.ID)) }, func(tx *Tx) {
		require.Zero(t, FlowRunsByTag.Count(tx, Range{}))
		require.Zero(t, FlowRunsByState.Count(tx, Range{}))
	})
}

func TestPermanentRows(t *testing.T) {
	db := openState(t)
	e := &prefect.Event{ID: prefect.ID{7}, Sequence: 5, Occurred: 9, Event: "x", Resource: resource("r")}
	entries := func(tx *Tx) []int {
		return []int{
			Events.Count(tx, Range{}), EventsByID.Count(tx, Range{}), EventsByOccurred.Count(tx, Range{}), EventsByResource.Count(tx, Range{}),
		}
	}
	change(t, db, func(tx *Tx) { Events.Put(tx, e) }, func(tx *Tx) {
		require.Equal(t, []int{1, 1, 1, 1}, entries(tx))
		require.Equal(t, e, Events.Get(tx, Key{}.Uint64(5)))
		require.Equal(t, e, EventsByID.Find(tx, Key{}.ID(e.ID)))
	})
	change(t, db, func(tx *Tx) { Events.Delete(tx, Key{}.Uint64(5)) }, func(tx *Tx) {
		require.Equal(t, []int{0, 0, 0, 0}, entries(tx))
	})
}
