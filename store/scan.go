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

// cursor walks one bucket of a transaction in either direction, what is not in
// the file yet laid over the file's keys.
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
	t := tx.over.tree(id)
	if own := tx.over.trees[id]; own != nil {
		t = own.Copy()
	}
	return tx.open(id, r, t)
}

// first finds the first key of a range.
func (tx *Tx) first(id bucketID, r Range) Key {
	if c := tx.open(id, r, tx.over.tree(id)); c.next() {
		return bytes.Clone(c.key)
	}
	return nil
}

func (tx *Tx) open(id bucketID, r Range, over *tree) *cursor {
	c := &cursor{tx: tx, desc: r.Desc, skip: len(r.Prefix), overDone: true}
	c.low, c.high = r.bounds()
	if b := tx.bucket(id); b != nil {
		c.file = b.Cursor()
	}
	if over != nil && over.Len() > 0 {
		it := over.Iter()
		c.over, c.overDone = &it, false
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
	if c.over == nil { // the file alone
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
			if c.value == nil { // deleted
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

// count counts keys: all of a bucket, or all that have one of the beginnings that
// are counted, at once; others one by one.
func (tx *Tx) count(id bucketID, by int, r Range) int {
	tx.visited++
	switch {
	case by > 0 && len(r.Prefix) == by && r.From == nil && r.To == nil:
		return tx.tally(tallyKey{id, string(r.Prefix)})
	case tx.within(id, r):
		return tx.tally(tallyKey{id: id})
	}
	n := 0
	for range tx.scan(id, r) {
		n++
	}
	return n
}

// within reports whether all keys of a bucket are in a range.
func (tx *Tx) within(id bucketID, r Range) bool {
	low, high := r.bounds()
	if low == nil && high == nil {
		return true
	}
	first, last := tx.first(id, Range{}), tx.first(id, Range{Desc: true})
	return bytes.Compare(low, first) <= 0 && (high == nil || bytes.Compare(last, high) < 0)
}
