package store

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

// Every view shows one state, whatever goes to the file meanwhile: here all rows,
// which one Update writes, are of the same age.
func TestViewsAreConsistentWhileTheFileIsWritten(t *testing.T) {
	table, byKind, _, _, _ := newThings()
	db, err := Open(t.TempDir()+"/state", Schema{table}, Options{NoSync: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	const rows, ages = 5, 400
	write := func(age int) {
		b, err := db.Batch()
		require.NoError(t, err)
		for n := range rows {
			table.Put(b.Tx(), &thing{ID: someID(n), At: prefect.Time(age)})
		}
		changes := b.Changes()
		require.NoError(t, b.Close())
		require.NoError(t, db.Update(func(w *Writer) error { return w.Apply(changes) }))
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
		b, err := db.Batch()
		require.NoError(t, err)
		table.Put(b.Tx(), &thing{ID: someID(n)})
		changes := b.Changes()
		require.NoError(t, b.Close())
		require.NoError(t, db.Update(func(w *Writer) error { return w.Apply(changes) }))
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
		b, err := db.Batch()
		require.NoError(t, err)
		table.Put(b.Tx(), &thing{ID: prefect.ID{byte(n)}, Name: string(name)})
		changes := b.Changes()
		require.NoError(t, b.Close())
		require.NoError(t, db.Update(func(w *Writer) error { return w.Apply(changes) }))
		most = max(most, db.top().size)
	}
	require.Greater(t, most, layerBytes/2)
	require.LessOrEqual(t, most, 5*layerBytes)
	require.NoError(t, db.View(func(tx *Tx) error {
		require.Equal(t, 200, byName.Count(tx, Range{}))
		return nil
	}))
}
