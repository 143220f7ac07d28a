package store

import (
	"bytes"

	"go.etcd.io/bbolt"
)

// bucketID names a bucket: a table's number and an index's, 0 for the rows.
type bucketID [2]byte

// Tx is a consistent view of a state file and what was applied since; that of a
// Batch can also write. It is not safe for concurrent use and must not be kept
// after it ended.
type Tx struct {
	file    *bbolt.Tx
	buckets map[bucketID]*bbolt.Bucket
	over    *edit    // what lies over the file
	journal *journal // of a batch
	release func()
	visited int
}

// Visited counts the keys that were looked at: what a query costs.
func (tx *Tx) Visited() int { return tx.visited }

func (tx *Tx) bucket(id bucketID) *bbolt.Bucket {
	b, ok := tx.buckets[id]
	if !ok {
		b = tx.file.Bucket(id[:])
		tx.buckets[id] = b
	}
	return b
}

func (tx *Tx) get(id bucketID, key []byte) []byte {
	if t := tx.over.tree(id); t != nil {
		if v, ok := t.Get(string(key)); ok {
			return v
		}
	}
	if b := tx.bucket(id); b != nil {
		return b.Get(key)
	}
	return nil
}

// journal remembers what a batch wrote: to take it back, and to replicate it.
type journal struct {
	undo    []undo
	changed map[changeKey]struct{}
	order   []changeKey // of the first changes of rows
	size    int         // bytes of the changed rows and their keys
}

type changeKey struct {
	table byte
	key   string
}

// undo is what a key held before a write.
type undo struct {
	id    bucketID
	key   string
	value []byte
	had   bool
	first bool // it was the row's first change
	size  int  // of the journal
	by, n int  // what was counted
}

// set writes a key, which makes n keys more.
func (tx *Tx) set(t AnyTable, id bucketID, key string, value []byte, n int) {
	u := undo{id: id, key: key, by: t.talliedBy(id[1]), n: n}
	u.value, u.had = tx.over.set(id, key, value)
	tx.over.tallies.add(id, key, u.by, n, tx.tally)
	if tx.journal != nil {
		tx.journal.note(u, value)
	}
}

// note remembers that a key got a value.
func (j *journal) note(u undo, value []byte) {
	u.size = j.size
	if u.id[1] == 0 {
		ck := changeKey{u.id[0], u.key}
		if _, again := j.changed[ck]; again {
			j.size += len(value) - len(u.value)
		} else {
			u.first = true
			j.changed[ck] = struct{}{}
			j.order = append(j.order, ck)
			j.size += len(u.key) + len(value)
		}
	}
	j.undo = append(j.undo, u)
}

// Savepoint marks where Rollback returns to.
func (tx *Tx) Savepoint() int { return len(tx.journal.undo) }

// Rollback takes back every write since the savepoint.
func (tx *Tx) Rollback(savepoint int) {
	j := tx.journal
	for i := len(j.undo) - 1; i >= savepoint; i-- {
		u := j.undo[i]
		tx.over.unset(u.id, u.key, u.value, u.had)
		tx.over.tallies.add(u.id, u.key, u.by, -u.n, tx.tally)
		if j.size = u.size; u.first {
			delete(j.changed, changeKey{u.id[0], u.key})
			j.order = j.order[:len(j.order)-1]
		}
	}
	j.undo = j.undo[:savepoint]
}

// write puts a row with its index entries, or with a nil value deletes it. It fails
// when the row that was there cannot be read.
func (tx *Tx) write(t AnyTable, key, value []byte, put []indexEntry) error {
	if tx.over.trees == nil {
		panic("store: write in a read transaction")
	}
	rows := bucketID{t.Number(), 0}
	var old []byte
	if value == nil || !t.isPermanent() {
		old = tx.get(rows, key)
	}
	if old == nil && value == nil {
		return nil
	}
	if bytes.Equal(old, value) && old != nil && value != nil {
		return nil
	}
	gone, err := t.entries(nil, key, old, 0)
	if err != nil {
		return err
	}
	gone, put = entryDiff(gone, put)
	for _, e := range gone {
		tx.remove(t, e, key)
	}
	for _, e := range put {
		tx.set(t, bucketID{t.Number(), e.index}, string(e.key), orEmpty(e.value), e.tally())
	}
	tx.set(t, rows, string(key), value, rowTally(old, value))
	return nil
}

// remove deletes an index entry of a row. What was unique to the row may already
// be another's, which came first in a list of changes.
func (tx *Tx) remove(t AnyTable, e indexEntry, row []byte) {
	id := bucketID{t.Number(), e.index}
	var left []byte
	if e.unique {
		if now := tx.get(id, e.key); !bytes.HasPrefix(now, row) {
			left = now
		}
	}
	tx.set(t, id, string(e.key), left, -1)
}

// rowTally is how many rows more there are when a row takes another's place.
func rowTally(old, value []byte) int {
	switch {
	case value == nil:
		return -1
	case old == nil:
		return 1
	}
	return 0
}

// tally is how many entries more there are when one is written.
func (e indexEntry) tally() int {
	if e.again {
		return 0
	}
	return 1
}

func orEmpty(v []byte) []byte {
	if v == nil {
		return []byte{}
	}
	return v
}

// entryDiff compares the index entries of a row's old and new form: what is left
// is those that must go and those that must be written.
func entryDiff(gone, put []indexEntry) (_, _ []indexEntry) {
	if len(gone) == 0 {
		return nil, put
	}
	kept := gone[:0]
	for _, g := range gone {
		again := false
		for i, p := range put {
			if p.index == g.index && bytes.Equal(p.key, g.key) {
				if again = true; bytes.Equal(p.value, g.value) {
					put = append(put[:i], put[i+1:]...)
				} else {
					put[i].again = true
				}
				break
			}
		}
		if !again {
			kept = append(kept, g)
		}
	}
	return kept, put
}

// Change is one row as an operation left it; a nil Value deletes it.
type Change struct {
	Table byte
	Key   []byte
	Value []byte
}

// Batch evaluates operations against the newest state and their own writes.
type Batch struct {
	tx *Tx
}

// Batch opens a batch on the newest state of the file. Close it before anything
// is applied: an open view keeps the file from growing.
func (db *DB) Batch() (*Batch, error) {
	tx, err := db.begin()
	if err != nil {
		return nil, err
	}
	tx.over.begin()
	tx.journal = &journal{changed: map[changeKey]struct{}{}}
	return &Batch{tx: tx}, nil
}

// Tx is the view that operations read and write.
func (b *Batch) Tx() *Tx { return b.tx }

// Savepoint marks where Rollback returns to.
func (b *Batch) Savepoint() int { return b.tx.Savepoint() }

// Rollback takes back every write since the savepoint.
func (b *Batch) Rollback(savepoint int) { b.tx.Rollback(savepoint) }

// Size is the number of bytes of keys and rows changed so far.
func (b *Batch) Size() int { return b.tx.journal.size }

// Changes lists the changed rows, each once, in the order of first change. They
// stay valid after Close.
func (b *Batch) Changes() []Change {
	changes := make([]Change, 0, len(b.tx.journal.order))
	for _, ck := range b.tx.journal.order {
		value, _ := b.tx.over.tree(bucketID{ck.table, 0}).Get(ck.key)
		changes = append(changes, Change{Table: ck.table, Key: []byte(ck.key), Value: value})
	}
	return changes
}

// Close ends the batch's view.
func (b *Batch) Close() error {
	return b.tx.end()
}
