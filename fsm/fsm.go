package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/hashicorp/raft"
	"github.com/klauspost/compress/zstd"

	"prefectd/store"
)

// Names of what the state machine keeps in the state file besides the tables.
const (
	metaApplied       = "applied"       // index, term, index of the last data entry
	metaConfiguration = "configuration" // the newest membership
)

// FSM applies the entries of one group to its state file.
type FSM struct {
	db       *store.DB
	observe  func([]store.Change) // told what each entry changed, once it is in the file
	fatal    func(error)          // told of an error after which nothing can be applied
	applied  atomic.Uint64
	lastData atomic.Uint64
	broken   error // only Apply uses it
}

var (
	_ raft.BatchingFSM        = (*FSM)(nil)
	_ raft.ConfigurationStore = (*FSM)(nil)
)

// Refused is the answer of an entry that was evaluated on an older state than
// the one it met: nothing of it was applied, and it is to be evaluated again.
type Refused struct{}

// New puts a state machine over a state file. It calls observe for every entry
// that changed rows, and fatal once if an entry cannot be applied.
func New(db *store.DB, observe func([]store.Change), fatal func(error)) (*FSM, error) {
	f := &FSM{db: db, observe: observe, fatal: fatal}
	return f, f.load()
}

// load reads how far the state file is.
func (f *FSM) load() error {
	v, err := f.db.Meta(metaApplied)
	if err != nil {
		return err
	}
	if len(v) == 24 {
		f.applied.Store(binary.BigEndian.Uint64(v))
		f.lastData.Store(binary.BigEndian.Uint64(v[16:]))
	}
	return nil
}

// Applied is the index of the last entry in the state file.
func (f *FSM) Applied() uint64 { return f.applied.Load() }

// Base is the index of the last data entry in the state file.
func (f *FSM) Base() uint64 { return f.lastData.Load() }

// Apply applies one entry.
func (f *FSM) Apply(log *raft.Log) any { return f.ApplyBatch([]*raft.Log{log})[0] }

// ApplyBatch applies entries in one transaction, together with their index. An
// entry answers nil, Refused or, when the group cannot go on, an error.
func (f *FSM) ApplyBatch(logs []*raft.Log) []any {
	answers := make([]any, len(logs))
	if f.broken == nil {
		f.broken = f.applyBatch(logs, answers)
		if f.broken != nil {
			f.fatal(f.broken)
		}
	}
	if f.broken != nil {
		for i := range answers {
			answers[i] = f.broken
		}
	}
	return answers
}

func (f *FSM) applyBatch(logs []*raft.Log, answers []any) error {
	applied, lastData, term := f.applied.Load(), f.lastData.Load(), uint64(0)
	var configuration []byte
	var taken []*Entry
	for i, log := range logs {
		if log.Index <= applied {
			continue // the state file has it from before a restart
		}
		applied, term = log.Index, log.Term
		switch log.Type {
		case raft.LogConfiguration:
			configuration = log.Data
		case raft.LogCommand:
			e, err := Decode(log.Data)
			if err != nil {
				return fmt.Errorf("entry %d: %w", log.Index, err)
			}
			if e.Base != lastData {
				answers[i] = Refused{}
				continue
			}
			lastData = log.Index
			taken = append(taken, e)
		}
	}
	if applied == f.applied.Load() {
		return nil
	}
	err := f.db.Update(func(w *store.Writer) error {
		for _, e := range taken {
			if err := w.Apply(e.Changes); err != nil {
				return err
			}
		}
		if configuration != nil {
			if err := w.SetMeta(metaConfiguration, configuration); err != nil {
				return err
			}
		}
		mark := binary.BigEndian.AppendUint64(nil, applied)
		mark = binary.BigEndian.AppendUint64(mark, term)
		return w.SetMeta(metaApplied, binary.BigEndian.AppendUint64(mark, lastData))
	})
	if err != nil {
		return fmt.Errorf("apply up to entry %d: %w", applied, err)
	}
	f.applied.Store(applied)
	f.lastData.Store(lastData)
	for _, e := range taken {
		f.observe(e.Changes)
	}
	return nil
}

// StoreConfiguration is called by raft for each change of membership; the state
// file takes it with the entry itself.
func (f *FSM) StoreConfiguration(uint64, raft.Configuration) {}

// Snapshot marks the state file itself, which is synced with every entry: a
// snapshot store over it has nothing to copy (see Stream for what a follower is
// sent).
func (f *FSM) Snapshot() (raft.FSMSnapshot, error) { return snapshot{}, nil }

type snapshot struct{}

// Persist completes the note of the snapshot.
func (snapshot) Persist(sink raft.SnapshotSink) error { return sink.Close() }

// Release has nothing to let go of.
func (snapshot) Release() {}

// Stream writes a consistent, compressed copy of a state file.
func Stream(db *store.DB, w io.Writer) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	if _, err := db.WriteTo(z); err != nil {
		return errors.Join(fmt.Errorf("stream state file: %w", err), z.Close())
	}
	return z.Close()
}

// Restore replaces the state file by one that Stream wrote, once it is complete
// and verified.
func (f *FSM) Restore(from io.ReadCloser) (err error) {
	defer func() { err = errors.Join(err, from.Close()) }()
	path := f.db.Path() + ".restore"
	defer os.Remove(path) // gone already if the file took its place
	if err := receive(path, from); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := store.Verify(path); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := f.db.Replace(path); err != nil {
		return err
	}
	return f.load()
}

func receive(path string, from io.Reader) (err error) {
	z, err := zstd.NewReader(from)
	if err != nil {
		return err
	}
	defer z.Close()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := io.Copy(file, z); err != nil {
		return err
	}
	return file.Sync()
}
