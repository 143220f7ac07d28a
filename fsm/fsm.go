package fsm

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/hashicorp/raft"

	"prefectd/store"
)

// FSM applies the entries of one group to its state file.
type FSM struct {
	db      *store.DB
	newest  int // feature level that this state machine knows
	observe func([]store.Change)
	fatal   func(error)

	level    atomic.Int64 // at which entries are written
	proposal atomic.Pointer[Proposal]

	mu      sync.Mutex    // one change of the state file at a time
	state   State         // as views show it, without the configuration
	applied atomic.Uint64 // state.Index, for those who only look
	point   atomic.Pointer[point]
	broken  error // why nothing can be applied any more; set before stopped is closed
	stopped chan struct{}

	waiting sync.Mutex
	moved   chan struct{} // closed when applied changes; nil while nobody waits
}

var _ raft.BatchingFSM = (*FSM)(nil)

// Refused is the answer of an entry that was evaluated on an older state than
// the one it met: nothing of it was applied, and it is to be evaluated again.
type Refused struct{}

// New puts a state machine over a state file. It knows the formats of feature levels
// up to newest, and writes those of level 1 until SetLevel.
//
// It calls observe, in order, with the rows of every entry that it took, once
// every new view shows them, and with nil when it took another file's state. observe
// runs between two entries, so it must return soon, and copy what it keeps. It
// calls fatal once, if an entry cannot be applied; no other one is then.
func New(db *store.DB, newest int, observe func([]store.Change), fatal func(error)) (*FSM, error) {
	f := &FSM{db: db, newest: newest, observe: observe, fatal: fatal, stopped: make(chan struct{})}
	return f, f.load()
}

// load reads how far the state is.
func (f *FSM) load() error {
	return f.db.View(func(tx *store.Tx) (err error) {
		if f.state, err = StateOf(tx); err != nil {
			return fmt.Errorf("state file %s: %w", f.db.Path(), err)
		}
		f.publish()
		return nil
	})
}

// publish tells how far the state is, those who wait for it first.
func (f *FSM) publish() {
	f.point.Store(&point{f.state.Index, f.state.Term})
	f.applied.Store(f.state.Index)
	f.waiting.Lock()
	defer f.waiting.Unlock()
	if f.moved != nil {
		close(f.moved)
		f.moved = nil
	}
}

// Applied is the index of the last entry that was applied. Raft's own entries,
// which change nothing, may lie behind it.
func (f *FSM) Applied() uint64 { return f.applied.Load() }

// point is how far the state is: an entry's index, and its term.
type point struct{ index, term uint64 }

// Point is the last entry that was applied: its index and term.
func (f *FSM) Point() (index, term uint64) {
	p := f.point.Load()
	return p.index, p.term
}

// WaitApplied returns when the entry with an index is applied, or when
// it never will.
func (f *FSM) WaitApplied(ctx context.Context, index uint64) error {
	for {
		f.waiting.Lock()
		if f.Applied() >= index {
			f.waiting.Unlock()
			return nil
		}
		if f.moved == nil {
			f.moved = make(chan struct{})
		}
		moved := f.moved
		f.waiting.Unlock()
		select {
		case <-moved:
		case <-f.stopped:
			return f.broken
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Apply applies one entry.
func (f *FSM) Apply(log *raft.Log) any { return f.ApplyBatch([]*raft.Log{log})[0] }

// ApplyBatch applies entries in one transaction, together with their index. An
// entry answers nil, Refused or, when the group cannot go on, an error.
func (f *FSM) ApplyBatch(logs []*raft.Log) []any {
	answers := make([]any, len(logs))
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken == nil {
		if err := f.applyBatch(logs, answers); err != nil {
			f.fail(err)
		}
	}
	if f.broken != nil {
		for i := range answers {
			answers[i] = f.broken
		}
	}
	return answers
}

// fail notes the error after which nothing can be applied.
func (f *FSM) fail(err error) {
	if f.broken == nil {
		f.broken = err
		close(f.stopped)
		f.fatal(err)
	}
}

// Proposal is an entry and the batch that it came from, on the leader.
type Proposal struct {
	Entry Entry
	Batch *store.Batch // closed
	data  []byte
}

// SetLevel says which feature level all members know: entries are written in its form
// from now on.
func (f *FSM) SetLevel(level int) { f.level.Store(int64(min(level, f.newest))) }

// Propose encodes an entry and keeps it with its batch, until the next one, so
// that applying it here needn't work out again what the batch has.
func (f *FSM) Propose(p *Proposal) []byte {
	p.data = p.Entry.encode(versionAt(int(f.level.Load())))
	f.proposal.Store(p)
	return p.data
}

// proposed returns the proposal that a log entry is; nil if it is none. Raft gives
// the leader the very bytes that it proposed.
func (f *FSM) proposed(log *raft.Log) *Proposal {
	p := f.proposal.Load()
	if p == nil || unsafe.SliceData(p.data) != unsafe.SliceData(log.Data) || len(p.data) != len(log.Data) {
		return nil
	}
	f.proposal.CompareAndSwap(p, nil)
	return p
}

// batch is what a run of entries does to the state file.
type batch struct {
	state         State
	taken         []*Proposal
	configuration []byte // the newest in the batch, if any
}

func (f *FSM) applyBatch(logs []*raft.Log, answers []any) error {
	b := batch{state: f.state}
	for i, log := range logs {
		if log.Index <= b.state.Index {
			continue // the state file has it from before a restart
		}
		refused, err := b.add(log, f.proposed(log), versionAt(f.newest))
		if err != nil {
			return fmt.Errorf("entry %d: %w", log.Index, err)
		}
		if refused {
			answers[i] = Refused{}
		}
	}
	if b.state.Index == f.state.Index {
		return nil
	}
	if err := f.db.Update(b.write); err != nil {
		return fmt.Errorf("apply up to entry %d: %w", b.state.Index, err)
	}
	f.state = b.state
	f.publish()
	if f.observe != nil {
		for _, p := range b.taken {
			f.observe(p.Entry.Changes)
		}
	}
	return nil
}

// add takes the next entry, of a version up to the newest, into the batch.
func (b *batch) add(log *raft.Log, p *Proposal, newest byte) (refused bool, err error) {
	switch log.Type {
	case raft.LogConfiguration:
		b.configuration = configurationMark(log)
	case raft.LogCommand:
		if p == nil {
			e, err := decode(log.Data, newest)
			if err != nil {
				return false, err
			}
			p = &Proposal{Entry: *e}
		}
		if refused = p.Entry.Base != b.state.Base; !refused {
			b.state.Base = log.Index
			b.taken = append(b.taken, p)
		}
	}
	b.state.Index, b.state.Term = log.Index, log.Term
	return refused, nil
}

func (b *batch) write(w *store.Writer) error {
	for _, p := range b.taken {
		if p.Batch != nil && w.Adopt(p.Batch) {
			continue
		}
		if err := w.Apply(p.Entry.Changes); err != nil {
			return err
		}
	}
	if b.configuration != nil {
		w.SetMeta(metaConfiguration, b.configuration)
	}
	w.SetMeta(metaApplied, b.state.mark())
	return nil
}

// Advance notes that every entry up to an index has passed the state machine,
// also those of Raft itself, which it is not shown; and it brings the state file
// to the disk, beside which more is applied. The log may then be cut there.
func (f *FSM) Advance(index, term uint64) error {
	if err := f.advance(index, term); err != nil {
		return err
	}
	return f.db.Sync()
}

func (f *FSM) advance(index, term uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return f.broken
	}
	if index <= f.state.Index {
		return nil
	}
	next := f.state
	next.Index, next.Term = index, term
	err := f.db.Update(func(w *store.Writer) error { w.SetMeta(metaApplied, next.mark()); return nil })
	if err != nil {
		return err
	}
	f.state = next
	f.publish()
	return nil
}
