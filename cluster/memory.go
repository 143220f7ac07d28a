package cluster

import (
	"slices"
	"time"

	"prefectd/store"
)

// memory knows the operations with an id that took place of late. The table of
// operations has them, one row an entry, so that they outlive the leader; memory
// has the ids, to find the row. It is read from the table when the first id
// comes, and whenever the state is not the one that it left.
type memory struct {
	codec     AnswerCodec
	retention time.Duration

	base    uint64 // the state that it is true of
	entries []remembered
	rows    map[OperationID]uint64 // base of the entry that an operation is in; nil before it is read
}

// remembered are the operations of one entry, or of a batch that is to be one.
type remembered struct {
	base uint64
	time int64
	ids  []OperationID

	// Of a batch only:
	answers []string // encoded
	fresh   map[OperationID]*pending
	forgets int // how many old entries it removes
}

// recall answers an operation that took place before, and reports whether it did.
func (m *memory) recall(tx *store.Tx, batch *remembered, p *pending) bool {
	if first := batch.fresh[p.id]; first != nil {
		p.answer, p.changed = first.answer, true
		return true
	}
	m.read(tx, batch.base)
	base, known := m.rows[p.id]
	if !known {
		return false
	}
	row := store.Operations.Get(tx, store.Key{}.Uint64(base))
	for i := range row.Answers {
		if OperationID(row.IDs[16*i:]) == p.id {
			p.answer, p.err = m.codec.DecodeAnswer(p.op, []byte(row.Answers[i]))
		}
	}
	return true
}

// read makes the memory true of a state.
func (m *memory) read(tx *store.Tx, base uint64) {
	if m.base == base && m.rows != nil {
		return
	}
	m.base, m.entries, m.rows = base, nil, map[OperationID]uint64{}
	for row := range store.Operations.Rows(tx, store.Range{}) {
		e := remembered{base: row.Base, time: row.Time}
		for id := range slices.Chunk(row.IDs, len(OperationID{})) {
			e.ids = append(e.ids, OperationID(id))
		}
		m.learn(e)
	}
}

func (m *memory) learn(e remembered) {
	m.entries = append(m.entries, e)
	for _, id := range e.ids {
		m.rows[id] = e.base
	}
}

// add notes an operation that changed something.
func (m *memory) add(batch *remembered, p *pending) error {
	answer, err := m.codec.EncodeAnswer(p.op, p.answer)
	if err != nil {
		return err
	}
	if batch.fresh == nil {
		batch.fresh = map[OperationID]*pending{}
	}
	batch.fresh[p.id] = p
	batch.ids = append(batch.ids, p.id)
	batch.answers = append(batch.answers, string(answer))
	return nil
}

// forgetAtOnce bounds how many old entries one entry removes: more than one, so
// that they never pile up.
const forgetAtOnce = 4

// record writes the batch's row, and removes some that are too old.
func (m *memory) record(tx *store.Tx, batch *remembered) {
	if len(batch.ids) == 0 {
		return
	}
	now := time.Now()
	batch.time = now.UnixMicro()
	row := store.Answered{Base: batch.base, Time: batch.time, Answers: batch.answers}
	for _, id := range batch.ids {
		row.IDs = append(row.IDs, id[:]...)
	}
	store.Operations.Put(tx, &row)
	old := now.Add(-m.retention).UnixMicro()
	for _, e := range m.entries[:min(forgetAtOnce, len(m.entries))] {
		if e.time >= old {
			break
		}
		store.Operations.Delete(tx, store.Key{}.Uint64(e.base))
		batch.forgets++
	}
}

// commit takes in a batch that became the entry with an index.
func (m *memory) commit(batch *remembered, index uint64) {
	if m.rows == nil || m.base != batch.base {
		return // it is read when an id comes
	}
	m.base = index
	for _, e := range m.entries[:batch.forgets] {
		for _, id := range e.ids {
			delete(m.rows, id)
		}
	}
	m.entries = m.entries[batch.forgets:]
	if len(batch.ids) > 0 {
		m.learn(remembered{base: batch.base, time: batch.time, ids: batch.ids})
	}
}
