package store

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"prefectd/prefect"
)

// editFile changes a state file behind the back of the store.
func editFile(t *testing.T, path string, fn func(tx *bbolt.Tx) error) {
	t.Helper()
	file, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, file.Update(fn))
	require.NoError(t, file.Close())
}

// A file without tallies is counted when it is opened, also if an index has to be
// rebuilt then.
func TestFilesWithoutTalliesAreCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	open := func(version int) (*DB, *Table[thing], *Index[thing]) {
		table, byKind, _, _, _ := newThings()
		byKind.Version = version
		db, err := Open(path, Schema{table}, Options{NoSync: true})
		require.NoError(t, err)
		return db, table, byKind
	}
	counts := func(version int) {
		t.Helper()
		db, table, byKind := open(version)
		require.NoError(t, db.View(func(tx *Tx) error {
			require.Equal(t, 7, table.Count(tx, Range{}))
			require.Equal(t, 7, byKind.Count(tx, Range{}))
			for kind, want := range []int{4, 3, 0} {
				require.Equal(t, want, byKind.Count(tx, Range{Prefix: Key{}.Byte(byte(kind))}), kind)
			}
			return nil
		}))
		require.NoError(t, db.Close())
	}
	db, table, _ := open(1)
	for n := range 7 {
		put(t, db, table, &thing{ID: someID(n), Kind: uint8(n % 2)})
	}
	require.NoError(t, db.Close())
	counts(1)

	forget := func(tx *bbolt.Tx) error { return tx.DeleteBucket(tallyBucket) }
	editFile(t, path, forget)
	counts(1)
	counts(2) // another version of the index
	editFile(t, path, forget)
	counts(3)
}

// Counting comes before an index is rebuilt in steps, so that it is not left out
// when the rebuild breaks off and goes on after another start.
func TestARebuildThatBreaksOffDoesNotHideWhatIsUncounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	table, byKind, _, _, _ := newThings()
	open := func() (*DB, error) { return Open(path, Schema{table}, Options{NoSync: true}) }
	db, err := open()
	require.NoError(t, err)
	rows := make([]*thing, rebuildRows+1)
	for n := range rows {
		rows[n] = &thing{ID: prefect.ID{byte(n >> 8), byte(n)}}
	}
	put(t, db, table, rows...)
	require.NoError(t, db.Close())

	var good []byte
	last := Key{}.ID(rows[rebuildRows].ID)
	editFile(t, path, func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte{table.Number(), 0})
		good = bytes.Clone(b.Get(last))
		return errors.Join(tx.DeleteBucket(tallyBucket), b.Put(last, []byte{99}))
	})
	byKind.Version++
	_, err = open()
	require.ErrorContains(t, err, "rebuild index 1 of things")

	editFile(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte{table.Number(), 0}).Put(last, good) })
	db, err = open()
	require.NoError(t, err)
	require.NoError(t, db.View(func(tx *Tx) error {
		require.Equal(t, len(rows), table.Count(tx, Range{}))
		require.Equal(t, len(rows), byKind.Count(tx, Range{}))
		return nil
	}))
	require.NoError(t, db.Close())
}
