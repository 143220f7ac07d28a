package store

import (
	"bytes"

	"github.com/tidwall/btree"
	"go.etcd.io/bbolt"
)

// bucketID names a bucket: a table's number and an index's, 0 for the rows.
type bucketID [2]byte

// Tx is a consistent view of a state file; that of a Batch can also write. It is
// not safe for concurrent use and must not be kept after it ended.
type Tx struct {
	file    *bbolt.Tx
	buckets map[bucketID]*bbolt.Bucket
	over    *overlay // nil in a read transaction
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
	if tx.over != nil {
		if m := tx.over.buckets[id]; m != nil {
			if v, ok := m.Get(string(key)); ok {
				return v
			}
		}
	}
	if b := tx.bucket(id); b != nil {
		return b.Get(key)
	}
	return nil
}

// overlay holds the writes of a batch, rows and index entries alike; a nil value
// is a deletion.
type overlay struct {
	buckets map[bucketID]*btree.Map[string, []byte]
	journal []undo
	changed map[changeKey]int // index in order
	order   []changeKey
	size    int
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
}

func (o *overlay) set(id bucketID, key string, value []byte) {
	m := o.buckets[id]
	if m == nil {
		m = btree.NewMap[string, []byte](32)
		o.buckets[id] = m
	}
	old, had := m.Set(key, value)
	o.journal = append(o.journal, undo{id, key, old, had})
	if id[1] == 0 {
		ck := changeKey{id[0], key}
		if _, ok := o.changed[ck]; !ok {
			o.changed[ck] = len(o.order)
			o.order = append(o.order, ck)
		}
		o.size += len(key) + len(value) - len(old)
	}
}

// rollback takes back the writes since the journal had a length.
func (o *overlay) rollback(to int) {
	for i := len(o.journal) - 1; i >= to; i-- {
		u := o.journal[i]
		m := o.buckets[u.id]
		now, _ := m.Get(u.key)
		if u.had {
			m.Set(u.key, u.value)
		} else {
			m.Delete(u.key)
		}
		if u.id[1] != 0 {
			continue
		}
		o.size -= len(u.key) + len(now) - len(u.value)
		if !u.had {
			delete(o.changed, changeKey{u.id[0], u.key})
			o.order = o.order[:len(o.order)-1]
		}
	}
	o.journal = o.journal[:to]
}

// write puts a row in the batch with its index entries, or with a nil value
// deletes it.
func (tx *Tx) write(t AnyTable, key Key, value []byte, put []indexEntry) {
	if tx.over == nil {
		panic("store: write in a read transaction")
	}
	var old []byte
	if value == nil || !t.isPermanent() {
		old = tx.get(bucketID{t.Number(), 0}, key)
	}
	if old == nil && value == nil {
		return
	}
	if bytes.Equal(old, value) && old != nil && value != nil {
		return
	}
	gone, err := t.entries(nil, key, old, 0)
	if err != nil {
		panic(err)
	}
	gone, put = entryDiff(gone, put)
	for _, e := range gone {
		tx.over.set(bucketID{t.Number(), e.index}, string(e.key), nil)
	}
	for _, e := range put {
		tx.over.set(bucketID{t.Number(), e.index}, string(e.key), orEmpty(e.value))
	}
	tx.over.set(bucketID{t.Number(), 0}, string(key), value)
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
	tx, release, err := db.begin()
	if err != nil {
		return nil, err
	}
	tx.release = release
	tx.over = &overlay{buckets: map[bucketID]*btree.Map[string, []byte]{}, changed: map[changeKey]int{}}
	return &Batch{tx: tx}, nil
}

// Tx is the view that operations read and write.
func (b *Batch) Tx() *Tx { return b.tx }

// Savepoint marks where Rollback returns to.
func (b *Batch) Savepoint() int { return b.tx.Savepoint() }

// Rollback takes back every write since the savepoint.
func (b *Batch) Rollback(savepoint int) { b.tx.Rollback(savepoint) }

// Savepoint marks where Rollback returns to.
func (tx *Tx) Savepoint() int { return len(tx.over.journal) }

// Rollback takes back every write since the savepoint.
func (tx *Tx) Rollback(savepoint int) { tx.over.rollback(savepoint) }

// Size is the number of bytes of keys and rows changed so far.
func (b *Batch) Size() int { return b.tx.over.size }

// Changes lists the changed rows, each once, in the order of first change. They
// stay valid after Close.
func (b *Batch) Changes() []Change {
	changes := make([]Change, 0, len(b.tx.over.order))
	for _, ck := range b.tx.over.order {
		value, _ := b.tx.over.buckets[bucketID{ck.table, 0}].Get(ck.key)
		changes = append(changes, Change{Table: ck.table, Key: []byte(ck.key), Value: value})
	}
	return changes
}

// Close ends the batch's view.
func (b *Batch) Close() error {
	return b.tx.end()
}
