package fsm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"prefectd/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// item is the row of a table that only tests know.
type item struct {
	Number uint64 `row:"1"`
	Count  uint64 `row:"2"`
}

var (
	itemsByCount = &store.Index[item]{
		Number: 1, Version: 1,
		Keys: func(i *item, k store.Key, add func(store.Key)) { add(k.Uint64(i.Count)) },
	}
	items = store.NewTable("items", 1, 8,
		func(i *item, k store.Key) store.Key { return k.Uint64(i.Number) }, itemsByCount)
	schema = store.Schema{items}
)

// machine is a state machine with what it told.
type machine struct {
	*FSM
	db       *store.DB
	observed [][]store.Change
	fatal    []error
}

func openMachine(t require.TestingT, path string) *machine {
	db, err := store.Open(path, schema, store.Options{NoSync: true})
	require.NoError(t, err)
	m := &machine{db: db}
	m.FSM, err = New(db, 2,
		func(c []store.Change) { m.observed = append(m.observed, c) },
		func(err error) { m.fatal = append(m.fatal, err) })
	require.NoError(t, err)
	return m
}

func newMachine(t *testing.T) *machine {
	m := openMachine(t, filepath.Join(t.TempDir(), "state.db"))
	t.Cleanup(func() { m.db.Close() })
	return m
}

// set are the changes of a batch that sets the count of an item.
func (m *machine) set(t require.TestingT, number, count uint64) []store.Change {
	b, err := m.db.Batch()
	require.NoError(t, err)
	items.Put(b.Tx(), &item{Number: number, Count: count})
	c := b.Changes()
	require.NoError(t, b.Close())
	return c
}

func entry(index, base uint64, c []store.Change) *raft.Log {
	return &raft.Log{Index: index, Term: 1, Type: raft.LogCommand, Data: (&Entry{Base: base, Changes: c}).Encode()}
}

func (m *machine) count(t *testing.T, number uint64) (n uint64) {
	require.NoError(t, m.db.View(func(tx *store.Tx) error {
		if row := items.Get(tx, store.Key{}.Uint64(number)); row != nil {
			n = row.Count
		}
		return nil
	}))
	return n
}

func (m *machine) stored(t require.TestingT) (s State) {
	require.NoError(t, m.db.View(func(tx *store.Tx) (err error) {
		s, err = StateOf(tx)
		return err
	}))
	return s
}

func TestEntriesOnOldStateAreRefused(t *testing.T) {
	m := newMachine(t)
	first, third := m.set(t, 1, 10), m.set(t, 2, 30)
	answers := m.ApplyBatch([]*raft.Log{
		entry(2, 0, first),
		entry(3, 0, m.set(t, 1, 20)), // evaluated before entry 2 was there
		entry(4, 2, third),
	})
	require.Equal(t, []any{nil, Refused{}, nil}, answers)
	require.Equal(t, State{Index: 4, Term: 1, Base: 4}, m.stored(t))
	require.Equal(t, uint64(10), m.count(t, 1))
	require.Equal(t, uint64(30), m.count(t, 2))
	require.Equal(t, [][]store.Change{first, third}, m.observed)

	require.Equal(t, Refused{}, m.Apply(entry(5, 2, m.set(t, 1, 1))))
	require.Equal(t, State{Index: 5, Term: 1, Base: 4}, m.stored(t), "a refused entry counts as applied")
}

func TestALeaderAdoptsWhatItProposed(t *testing.T) {
	m := newMachine(t)
	b, err := m.db.Batch()
	require.NoError(t, err)
	items.Put(b.Tx(), &item{Number: 1, Count: 10})
	// Adopted, it is what the batch has; applied, it would be what the entry says.
	p := &Proposal{Entry: Entry{Changes: m.set(t, 1, 20)}, Batch: b}
	require.NoError(t, b.Close())
	data := m.Propose(p)
	require.Nil(t, m.Apply(&raft.Log{Index: 2, Term: 1, Data: data}))
	require.Equal(t, uint64(10), m.count(t, 1))
	require.Equal(t, [][]store.Change{p.Entry.Changes}, m.observed)

	other := newMachine(t)
	other.Propose(p)
	require.Nil(t, other.Apply(&raft.Log{Index: 2, Term: 1, Data: bytes.Clone(data)}), "not the same proposal, if alike")
	require.Equal(t, uint64(20), other.count(t, 1))
}

func TestEntriesAreAppliedOnce(t *testing.T) {
	m := newMachine(t)
	first := entry(2, 0, m.set(t, 1, 10))
	m.Apply(first)
	m.Apply(entry(3, 2, m.set(t, 1, 20)))
	require.NoError(t, m.db.Close())

	m = openMachine(t, m.db.Path())
	defer m.db.Close()
	require.Equal(t, uint64(3), m.Applied())
	require.Nil(t, m.Apply(first))
	require.Empty(t, m.observed)
	require.Equal(t, uint64(20), m.count(t, 1))
}

func TestMembershipIsStoredWithItsEntry(t *testing.T) {
	m := newMachine(t)
	one := raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "a"}}}
	two := raft.Configuration{Servers: append(one.Servers, raft.Server{ID: "b", Address: "b"})}
	require.Equal(t, []any{nil, nil, nil}, m.ApplyBatch([]*raft.Log{
		{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(one)},
		entry(2, 0, m.set(t, 1, 1)),
		{Index: 3, Term: 2, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(two)},
	}))
	require.Equal(t, State{Index: 3, Term: 2, Base: 2, Configuration: two, ConfigurationIndex: 3}, m.stored(t))
}

func TestAnEntryThatCannotBeAppliedStopsTheGroup(t *testing.T) {
	for name, bad := range map[string][]byte{
		"damaged":       {1, 0},
		"newer version": {3, 0, 0, 0},
		"unknown table": (&Entry{Base: 2, Changes: []store.Change{{Table: 99, Key: []byte("k")}}}).Encode(),
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			answers := m.ApplyBatch([]*raft.Log{
				entry(2, 0, m.set(t, 1, 1)),
				{Index: 3, Type: raft.LogCommand, Data: bad},
			})
			for _, a := range answers {
				require.Error(t, a.(error), "all or nothing")
			}
			require.Len(t, m.fatal, 1)
			require.Error(t, m.Apply(entry(4, 0, m.set(t, 1, 1))).(error), "nothing is applied after a gap")
			require.Len(t, m.fatal, 1)
			require.Zero(t, m.stored(t))
			require.Empty(t, m.observed)
			require.Error(t, m.Advance(9, 9), "the log must not be cut")
		})
	}
}

// Entries are written in the form of the group's level, and never in one that this
// state machine does not know itself.
func TestEntriesAreWrittenAtTheLevelOfTheGroup(t *testing.T) {
	m := newMachine(t)
	version := func() byte { return m.Propose(&Proposal{})[0] }
	require.Equal(t, byte(1), version())
	for level, want := range map[int]byte{1: 1, 2: 2, 9: 2} {
		m.SetLevel(level)
		require.Equal(t, want, version(), "level %d", level)
	}
	old, err := New(m.db, 1, nil, nil)
	require.NoError(t, err)
	old.SetLevel(2)
	require.Equal(t, byte(1), old.Propose(&Proposal{})[0])
}

func TestAnOlderStateMachineRefusesNewerEntries(t *testing.T) {
	m := newMachine(t)
	logs := []*raft.Log{entry(2, 0, m.set(t, 1, 10)), entry(3, 2, m.set(t, 1, 20))}
	logs[1].Data = (&Entry{Base: 2, Changes: m.set(t, 1, 20)}).encode(entryChecked)
	require.Equal(t, []any{nil, nil}, m.ApplyBatch(logs))
	require.Equal(t, uint64(20), m.count(t, 1))

	old := newMachine(t)
	old.newest = 1
	require.Nil(t, old.Apply(logs[0]))
	require.Error(t, old.Apply(logs[1]).(error))
	require.Len(t, old.fatal, 1)
	require.EqualError(t, old.fatal[0], "entry 3: log entry has version 2, this program knows 1: start the version that wrote it")
	require.Equal(t, uint64(10), old.count(t, 1))
}

func TestAFileThatFailsStopsTheGroup(t *testing.T) {
	m := newMachine(t)
	log := entry(2, 0, m.set(t, 1, 1))
	require.NoError(t, m.db.Close())
	require.Error(t, m.Apply(log).(error))
	require.Len(t, m.fatal, 1)
	require.ErrorContains(t, m.fatal[0], m.db.Path())
}

func TestAdvanceNeverGoesBack(t *testing.T) {
	m := newMachine(t)
	m.Apply(entry(2, 0, m.set(t, 1, 1)))
	require.NoError(t, m.Advance(7, 3)) // Raft's own entries up to here
	require.Equal(t, State{Index: 7, Term: 3, Base: 2}, m.stored(t))
	require.NoError(t, m.Advance(5, 2))
	require.Equal(t, State{Index: 7, Term: 3, Base: 2}, m.stored(t))
	require.Nil(t, m.Apply(entry(8, 2, m.set(t, 1, 2))), "Raft's entries are no data")
}

func TestEntriesAreAppliedWhileTheFileIsBroughtToTheDisk(t *testing.T) {
	m := newMachine(t)
	index := uint64(1)
	set := func() {
		index++
		require.Nil(t, m.Apply(entry(index, m.state.Base, m.set(t, index, index))))
	}
	for range 20 { // it may be too quick to be seen
		for range 2000 {
			set()
		}
		index++
		synced := make(chan error, 1)
		go func() { synced <- m.Advance(index, 1) }()
		require.NoError(t, m.WaitApplied(t.Context(), index))
		for range 50 {
			set()
		}
		meanwhile := len(synced) == 0
		require.NoError(t, <-synced)
		if meanwhile {
			return
		}
	}
	t.Fatal("entries wait for the disk")
}

func TestWaitApplied(t *testing.T) {
	m := newMachine(t)
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error)
	go func() { waited <- m.WaitApplied(ctx, 3) }()
	m.Apply(entry(2, 0, m.set(t, 1, 1)))
	m.Apply(entry(3, 2, m.set(t, 1, 2)))
	require.NoError(t, <-waited)
	go func() { waited <- m.WaitApplied(ctx, 4) }()
	cancel()
	require.ErrorIs(t, <-waited, context.Canceled)
}

func TestRestoreTakesTheStreamedState(t *testing.T) {
	from := newMachine(t)
	from.Apply(entry(5, 0, from.set(t, 1, 10)))
	var stream bytes.Buffer
	state, err := Stream(t.Context(), from.db, &stream)
	require.NoError(t, err)
	require.Equal(t, from.stored(t), state)
	whole := stream.Bytes()

	to := newMachine(t)
	to.Apply(entry(2, 0, to.set(t, 7, 7)))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for name, bad := range map[string][]byte{
		"torn": whole[:len(whole)/2], "without its end": whole[:len(whole)-1], "damaged": flipped, "empty": nil, "nonsense": []byte("nonsense"),
	} {
		require.Error(t, to.Restore(io.NopCloser(bytes.NewReader(bad))), name)
		require.Equal(t, uint64(7), to.count(t, 7), name)
		require.Empty(t, to.fatal, "the old state is good")
	}

	require.NoError(t, to.Restore(io.NopCloser(bytes.NewReader(whole))))
	require.Equal(t, uint64(5), to.Applied())
	require.Equal(t, uint64(10), to.count(t, 1))
	require.Zero(t, to.count(t, 7))
	require.Nil(t, to.observed[len(to.observed)-1], "observers are told that all is new")
	require.Nil(t, to.Apply(entry(6, 5, to.set(t, 1, 11))))
	require.Equal(t, uint64(11), to.count(t, 1))
}

func TestInstallMakesAStateFileForOtherMembers(t *testing.T) {
	from := newMachine(t)
	old := raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "a"}, {ID: "b", Address: "b"}}}
	from.ApplyBatch([]*raft.Log{
		{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(old)},
		entry(5, 0, from.set(t, 1, 10)),
	})
	var stream bytes.Buffer
	_, err := Stream(t.Context(), from.db, &stream)
	require.NoError(t, err)
	one := raft.Configuration{Servers: []raft.Server{{ID: "c", Address: "c"}}}
	want := State{Index: 5, Term: 1, Base: 5, Configuration: one, ConfigurationIndex: 5}

	path := filepath.Join(t.TempDir(), "state.db")
	state, err := Install(path, schema, bytes.NewReader(stream.Bytes()), one)
	require.NoError(t, err)
	require.Equal(t, want, state)
	to := openMachine(t, path)
	defer to.db.Close()
	require.Equal(t, want, to.stored(t))
	require.Equal(t, uint64(10), to.count(t, 1))
	require.Nil(t, to.Apply(entry(6, 5, to.set(t, 1, 11))))

	_, err = Install(filepath.Join(t.TempDir(), "state.db"), schema, bytes.NewReader(stream.Bytes()[:stream.Len()/2]), one)
	require.Error(t, err)
	stream.Reset()
	_, err = Stream(t.Context(), newMachine(t).db, &stream)
	require.NoError(t, err)
	_, err = Install(filepath.Join(t.TempDir(), "state.db"), schema, &stream, one)
	require.ErrorContains(t, err, "is empty")
}

var errClosed = errors.New("closed")

type badCloser struct{ io.Reader }

func (badCloser) Close() error { return errClosed }

func TestRestoreClosesItsSource(t *testing.T) {
	m := newMachine(t)
	require.ErrorIs(t, m.Restore(badCloser{bytes.NewReader(nil)}), errClosed)
}
