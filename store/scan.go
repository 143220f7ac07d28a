package store

import (
	"bytes"
	"errors"
	"iter"

	"github.com/tidwall/btree"
	"go.etcd.io/bbolt"
)

var errDangling = errors.New("index entry without a row")

// Range is a part of a table or index: the keys that start with Prefix, from
// From (inclusive) to To (exclusive). Unset bounds are open.
type Range struct {
	Prefix Key
	From   Key
	To     Key
	Desc   bool
}

// bounds is the range as one half-open interval; a nil high is open.
func (r Range) bounds() (low, high Key) {
	low, high = r.From, r.To
	if len(r.Prefix) > 0 {
		if bytes.Compare(low, r.Prefix) < 0 {
			low = r.Prefix
		}
		if end := r.Prefix.next(); end != nil && (high == nil || bytes.Compare(end, high) < 0) {
			high = end
		}
	}
	return low, high
}

// cursor walks one bucket of a transaction in either direction, the batch's
// writes laid over the file's keys.
type cursor struct {
	tx         *Tx
	low, high  Key
	desc       bool
	skip       int // length of the range's prefix
	key, value []byte

	file     *bbolt.Cursor
	fk, fv   []byte
	over     *btree.MapIter[string, []byte]
	ok       []byte
	started  bool
	overDone bool
}

// cursor opens a cursor on the state as it is: what is written later does not
// concern it.
func (tx *Tx) cursor(id bucketID, r Range) *cursor {
	return tx.open(id, r, (*btree.Map[string, []byte]).Copy)
}

// first finds the first key of a range.
func (tx *Tx) first(id bucketID, r Range) Key {
	same := func(m *btree.Map[string, []byte]) *btree.Map[string, []byte] { return m }
	if c := tx.open(id, r, same); c.next() {
		return bytes.Clone(c.key)
	}
	return nil
}

func (tx *Tx) open(id bucketID, r Range, view func(*btree.Map[string, []byte]) *btree.Map[string, []byte]) *cursor {
	c := &cursor{tx: tx, desc: r.Desc, skip: len(r.Prefix), overDone: true}
	c.low, c.high = r.bounds()
	if b := tx.bucket(id); b != nil {
		c.file = b.Cursor()
	}
	if tx.over != nil {
		if m := tx.over.buckets[id]; m != nil && m.Len() > 0 {
			it := view(m).Iter()
			c.over, c.overDone = &it, false
		}
	}
	return c
}

// next moves to the next key and reports whether there is one.
func (c *cursor) next() bool {
	switch {
	case !c.started:
		c.start()
	case c.over != nil:
		c.step()
	default:
		c.stepFile()
	}
	if c.over == nil { // the file alone, as in all queries
		if c.key, c.value = c.fk, c.fv; c.fk == nil {
			return false
		}
		c.tx.visited++
		return true
	}
	for {
		fromOver := false
		switch {
		case c.fk == nil && c.overDone:
			return false
		case c.fk == nil:
			fromOver = true
		case !c.overDone:
			order := bytes.Compare(c.ok, c.fk)
			fromOver = order == 0 || (order < 0) != c.desc
		}
		if !fromOver {
			c.key, c.value = c.fk, c.fv
		} else {
			c.key, c.value = c.ok, c.over.Value()
			if c.value == nil { // deleted in the batch
				c.step()
				continue
			}
		}
		c.tx.visited++
		return true
	}
}

func (c *cursor) start() {
	c.started = true
	if c.file != nil {
		if !c.desc {
			c.setFile(c.file.Seek(c.low))
		} else if c.high == nil {
			c.setFile(c.file.Last())
		} else if k, _ := c.file.Seek(c.high); k == nil {
			c.setFile(c.file.Last())
		} else {
			c.setFile(c.file.Prev())
		}
	}
	if c.overDone {
		return
	}
	found := false
	switch {
	case !c.desc:
		found = c.over.Seek(string(c.low))
	case c.high == nil:
		found = c.over.Last()
	case c.over.Seek(string(c.high)):
		found = c.over.Prev()
	default:
		found = c.over.Last()
	}
	c.setOver(found)
}

// step moves past the current key on whichever sides stand at it.
func (c *cursor) step() {
	at := c.key
	if !c.overDone && bytes.Equal(c.ok, at) {
		if c.fk != nil && bytes.Equal(c.fk, at) {
			c.stepFile()
		}
		if c.desc {
			c.setOver(c.over.Prev())
		} else {
			c.setOver(c.over.Next())
		}
		return
	}
	c.stepFile()
}

func (c *cursor) stepFile() {
	if c.desc {
		c.setFile(c.file.Prev())
	} else {
		c.setFile(c.file.Next())
	}
}

func (c *cursor) setFile(k, v []byte) {
	if k != nil && !c.inside(k) {
		k = nil
	}
	c.fk, c.fv = k, v
}

func (c *cursor) setOver(found bool) {
	c.overDone = !found
	if found {
		c.ok = []byte(c.over.Key())
		c.overDone = !c.inside(c.ok)
	}
}

func (c *cursor) inside(k []byte) bool {
	if c.desc {
		return bytes.Compare(k, c.low) >= 0
	}
	return c.high == nil || bytes.Compare(k, c.high) < 0
}

// scan yields keys and values of a bucket. A loop over it may write to the
// table: it sees the state in which it began.
func (tx *Tx) scan(id bucketID, r Range) iter.Seq2[Key, []byte] {
	return func(yield func(Key, []byte) bool) {
		c := tx.cursor(id, r)
		for c.next() {
			if !yield(c.key, c.value) {
				return
			}
		}
	}
}

// count counts keys; when all of a bucket without pending writes are in the range,
// by pages.
func (tx *Tx) count(id bucketID, r Range) int {
	b := tx.bucket(id)
	pending := tx.over != nil && tx.over.buckets[id] != nil && tx.over.buckets[id].Len() > 0
	low, high := r.bounds()
	if !pending {
		if b == nil {
			return 0
		}
		c := b.Cursor()
		first, _ := c.First()
		last, _ := c.Last()
		if bytes.Compare(low, first) <= 0 && (high == nil || bytes.Compare(last, high) < 0) {
			return b.Stats().KeyN
		}
	}
	n := 0
	for range tx.scan(id, r) {
		n++
	}
	return n
}
