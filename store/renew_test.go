package store

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFileIsOpenedAnewWhenMuchWasWritten(t *testing.T) {
	table, _, _, _, _ := newThings()
	db, err := Open(filepath.Join(t.TempDir(), "state"), Schema{table}, Options{NoSync: true, RenewEvery: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	count := func(tx *Tx) int { return table.Count(tx, Range{}) }

	first := db.bolt
	put(t, db, table, &thing{ID: someID(1)})
	require.NoError(t, db.View(func(tx *Tx) error {
		require.NoError(t, db.Sync())
		require.Same(t, first, db.bolt, "not under a view")
		put(t, db, table, &thing{ID: someID(2)})
		require.Equal(t, 1, count(tx))
		return nil
	}))
	require.NoError(t, db.Sync())
	require.NotSame(t, first, db.bolt)
	require.Less(t, freeList(t, db.Path()), uint64(1000))
	require.True(t, db.bolt.NoFreelistSync)
	require.NoError(t, db.View(func(tx *Tx) error {
		require.Equal(t, 2, count(tx))
		return nil
	}))
}

// The list of free pages is in a file that was closed, so that opening it does not
// take longer the larger it is.
func TestAClosedFileHasItsFreeList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	table, _, _, _, _ := newThings()
	db, err := Open(path, Schema{table}, Options{NoSync: true})
	require.NoError(t, err)
	put(t, db, table, &thing{ID: someID(1)})
	require.NoError(t, db.Sync())
	require.Equal(t, uint64(math.MaxUint64), freeList(t, path))
	require.NoError(t, db.Close())
	require.Less(t, freeList(t, path), uint64(1000))
}

// A file that takes another's place was made ready for it: it has its list of free
// pages and its indexes.
func TestAFileIsPreparedBeforeItReplacesAnother(t *testing.T) {
	table, _, _, _, _ := newThings()
	open := func(name string) *DB {
		db, err := Open(filepath.Join(t.TempDir(), name), Schema{table}, Options{NoSync: true})
		require.NoError(t, err)
		t.Cleanup(func() { db.Close() })
		return db
	}
	old, from := open("old"), open("from")
	put(t, from, table, &thing{ID: someID(1)})
	copied := filepath.Join(filepath.Dir(old.Path()), "copy")
	file, err := os.Create(copied)
	require.NoError(t, err)
	require.NoError(t, from.ViewFile(func(tx *Tx) error {
		_, err := tx.WriteTo(file)
		return err
	}))
	require.NoError(t, file.Close())
	require.Equal(t, uint64(math.MaxUint64), freeList(t, copied))

	require.NoError(t, old.Prepare(copied))
	require.Less(t, freeList(t, copied), uint64(1000))
	require.NoError(t, old.Replace(copied))
	require.NoError(t, old.View(func(tx *Tx) error {
		require.Equal(t, 1, table.Count(tx, Range{}))
		return nil
	}))
	require.NoError(t, os.WriteFile(copied, []byte("nonsense"), 0o600))
	require.ErrorContains(t, old.Prepare(copied), copied)
}

// freeList is the page that the newest meta page of a bbolt file names as its free
// list.
func freeList(t *testing.T, path string) (page uint64) {
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	newest := uint64(0)
	for _, at := range []int{0, os.Getpagesize()} {
		meta := raw[at+16:] // behind the page's header
		if tx := binary.NativeEndian.Uint64(meta[48:]); tx >= newest {
			newest, page = tx, binary.NativeEndian.Uint64(meta[32:])
		}
	}
	return page
}
