package fsm

import (
	"bytes"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

type item struct {
	ID    prefect.ID `row:"1"`
	Count int        `row:"2"`
}

var items = store.NewTable("items", 1, 16, func(i *item, k store.Key) store.Key { return k.ID(i.ID) })

func newFSM(t *testing.T) (*FSM, *store.DB) {
	db, err := store.Open(filepath.Join(t.TempDir(), "state.db"), store.Schema{items}, store.Options{NoSync: true})
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	f, err := New(db, func([]store.Change) {}, func(err error) { t.Log(err) })
	require.NoError(t, err)
	return f, db
}

// changes are those of a batch that sets the count of an item.
func changes(t *testing.T, db *store.DB, id byte, n int) []store.Change {
	b, err := db.Batch()
	require.NoError(t, err)
	items.Put(b.Tx(), &item{ID: prefect.ID{id}, Count: n})
	c := b.Changes()
	require.NoError(t, b.Close())
	return c
}

func entry(index, base uint64, c []store.Change) *raft.Log {
	return &raft.Log{Index: index, Term: 1, Type: raft.LogCommand, Data: (&Entry{Base: base, Changes: c}).Encode()}
}

func TestEntryRoundTrip(t *testing.T) {
	for _, value := range [][]byte{nil, {}, []byte("x"), bytes.Repeat([]byte("long "), 5000)} {
		e := &Entry{Base: 7, Changes: []store.Change{{Table: 3, Key: []byte("key"), Value: value}}}
		got, err := Decode(e.Encode())
		require.NoError(t, err)
		require.Equal(t, e, got)
	}
}

// The golden file is version 1 of the format: it must be readable for ever.
func TestGoldenEntry(t *testing.T) {
	e := &Entry{Base: 300, Changes: []store.Change{{Table: 2, Key: []byte{1, 2}, Value: []byte("row")}, {Table: 9, Key: []byte{3}}}}
	text, err := os.ReadFile("testdata/entry-v1.hex")
	require.NoError(t, err)
	golden, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	require.NoError(t, err)
	require.Equal(t, golden, e.Encode())
	got, err := Decode(golden)
	require.NoError(t, err)
	require.Equal(t, e, got)
}

func TestUnknownEntriesStop(t *testing.T) {
	_, err := Decode([]byte{9, 0, 0})
	require.ErrorContains(t, err, "version 9")
	_, err = Decode([]byte{1, 0x80, 0})
	require.ErrorContains(t, err, "flags")
}

func FuzzDecode(f *testing.F) {
	f.Add((&Entry{Base: 1, Changes: []store.Change{{Table: 1, Key: []byte("k"), Value: []byte("v")}}}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if e, err := Decode(data); err == nil {
			again, err := Decode(e.Encode())
			require.NoError(t, err)
			require.Equal(t, e.Base, again.Base)
			require.Len(t, again.Changes, len(e.Changes))
		}
	})
}

func TestEntriesOnOldStateAreRefused(t *testing.T) {
	f, db := newFSM(t)
	answers := f.ApplyBatch([]*raft.Log{
		entry(2, 0, changes(t, db, 1, 10)),
		entry(3, 0, changes(t, db, 1, 20)), // evaluated before entry 2 was there
		entry(4, 2, changes(t, db, 2, 30)),
	})
	require.Equal(t, []any{nil, Refused{}, nil}, answers)
	require.Equal(t, uint64(4), f.Applied())
	require.NoError(t, db.View(func(tx *store.Tx) error {
		require.Equal(t, 10, items.Get(tx, store.Key{}.ID(prefect.ID{1})).Count)
		require.Equal(t, 30, items.Get(tx, store.Key{}.ID(prefect.ID{2})).Count)
		return nil
	}))
}

func TestEntriesAreAppliedOnce(t *testing.T) {
	f, db := newFSM(t)
	first := entry(2, 0, changes(t, db, 1, 10))
	f.Apply(first)
	f.Apply(entry(3, 2, changes(t, db, 1, 20)))
	again, err := New(db, func([]store.Change) { t.Error("applied twice") }, func(error) {})
	require.NoError(t, err)
	require.Equal(t, uint64(3), again.Base())
	require.Nil(t, again.Apply(first))
}

func TestDamageStopsTheGroup(t *testing.T) {
	f, db := newFSM(t)
	require.Error(t, f.Apply(&raft.Log{Index: 2, Type: raft.LogCommand, Data: []byte{1, 0}}).(error))
	require.Error(t, f.Apply(entry(3, 0, changes(t, db, 1, 1))).(error), "nothing is applied after a gap")
	require.Zero(t, f.Applied())
}

func TestRestoreTakesTheStreamedState(t *testing.T) {
	from, fromDB := newFSM(t)
	from.Apply(entry(5, 0, changes(t, fromDB, 1, 10)))
	var stream bytes.Buffer
	require.NoError(t, Stream(fromDB, &stream))
	whole := stream.Bytes()

	to, toDB := newFSM(t)
	require.Error(t, to.Restore(io.NopCloser(bytes.NewReader(whole[:len(whole)/2]))))
	require.Zero(t, to.Applied(), "a torn stream changes nothing")
	require.NoError(t, to.Restore(io.NopCloser(bytes.NewReader(whole))))
	require.Equal(t, uint64(5), to.Applied())
	require.NoError(t, toDB.View(func(tx *store.Tx) error {
		require.Equal(t, 10, items.Get(tx, store.Key{}.ID(prefect.ID{1})).Count)
		return nil
	}))
}
