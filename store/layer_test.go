package store

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

// put evaluates and applies rows, as one entry.
func put(t *testing.T, db *DB, table *Table[thing], rows ...*thing) {
	t.Helper()
	b, err := db.Batch()
	require.NoError(t, err)
	for _, row := range rows {
		table.Put(b.Tx(), row)
	}
	changes := b.Changes()
	require.NoError(t, b.Close())
	require.NoError(t, db.Update(func(w *Writer) error { return w.Apply(changes) }))
}

// Every view shows one state, whatever goes to the file meanwhile: here all rows,
// which one Update writes, are of the same age.
func TestViewsAreConsistentWhileTheFileIsWritten(t *testing.T) {
	table, byKind, _, _, _ := newThings()
	db, err := Open(t.TempDir()+"/state", Schema{table}, Options{NoSync: true, RenewEvery: 100_000})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	const rows, ages = 5, 400
	write := func(age int) {
		list := make([]*thing, rows)
		for n := range list {
			list[n] = &thing{ID: someID(n), At: prefect.Time(age)}
		}
		put(t, db, table, list...)
	}
	write(0)
	done := make(chan struct{})
	var others sync.WaitGroup
	defer others.Wait()
	defer close(done)
	loop := func(fn func()) {
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					fn()
				}
			}
		})
	}
	loop(func() { require.NoError(t, db.Sync()) })
	for range 2 {
		last := prefect.Time(0)
		loop(func() {
			require.NoError(t, db.View(func(tx *Tx) error {
				require.Equal(t, rows, byKind.Count(tx, Range{}))
				age := table.Get(tx, Key{}.ID(someID(0))).At
				require.GreaterOrEqual(t, age, last)
				last = age
				for row := range byKind.Rows(tx, Range{}) {
					require.Equal(t, age, row.At)
				}
				return nil
			}))
		})
	}
	for age := 1; age <= ages; age++ {
		write(age)
	}
	require.NoError(t, db.ViewFile(func(tx *Tx) error {
		for row := range byKind.Rows(tx, Range{}) {
			require.Equal(t, prefect.Time(ages), row.At)
		}
		return nil
	}))
}

// What is applied and left alone is in the file after two looks.
func TestQuietFilesAreSettled(t *testing.T) {
	table, _, byName, _, _ := newThings()
	db, err := Open(t.TempDir()+"/state", Schema{table}, Options{NoSync: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for n := range 3 {
		put(t, db, table, &thing{ID: someID(n)})
		require.NoError(t, db.Settle())
		require.NotEmpty(t, db.top().trees, "it may not be alone")
	}
	require.NoError(t, db.Settle())
	require.Empty(t, db.top().trees)
	require.NoError(t, db.Settle())
	require.NoError(t, db.View(func(tx *Tx) error {
		require.Equal(t, 3, byName.Count(tx, Range{}))
		return nil
	}))
}

// What was applied goes to the file by itself when it is much.
func TestTheLayerStaysSmall(t *testing.T) {
	table, _, byName, _, _ := newThings()
	db, err := Open(t.TempDir()+"/state", Schema{table}, Options{NoSync: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	name := make([]byte, 32<<10)
	most := 0
	for n := range 200 {
		put(t, db, table, &thing{ID: prefect.ID{byte(n)}, Name: string(name)})
		most = max(most, db.top().size)
	}
	require.Greater(t, most, layerBytes/2)
	require.LessOrEqual(t, most, 5*layerBytes)
	require.NoError(t, db.View(func(tx *Tx) error {
		require.Equal(t, 200, byName.Count(tx, Range{}))
		return nil
	}))
}
