package store

import "bytes"

// Scan walks the keys of ranges of a table or an index. Those of several ranges
// come in one order: that of what follows the ranges' prefixes.
type Scan struct {
	table   string
	keyLen  int
	kind    keyKind
	started bool
	heads   []*cursor // a heap: the first is the current one
	entry   Entry
}

// keyKind says where a bucket has the primary key.
type keyKind byte

const (
	indexKeys  keyKind = iota // at the end of its keys
	uniqueKeys                // at the beginning of its values
	rowKeys                   // it is the key
)

func (tx *Tx) merge(id bucketID, ranges []Range) *Scan {
	s := &Scan{heads: make([]*cursor, len(ranges))}
	for i, r := range ranges {
		s.heads[i] = tx.cursor(id, r)
	}
	return s
}

// Next moves to the next key and reports whether there is one.
func (s *Scan) Next() bool {
	if !s.started {
		return s.start()
	}
	if len(s.heads) == 0 {
		return false
	}
	if !s.heads[0].next() {
		last := len(s.heads) - 1
		s.heads[0] = s.heads[last]
		s.heads = s.heads[:last]
	}
	if len(s.heads) > 1 {
		s.sink(0)
	}
	return len(s.heads) > 0
}

func (s *Scan) start() bool {
	s.started = true
	all := s.heads
	s.heads = all[:0]
	for _, c := range all {
		if c.next() {
			s.heads = append(s.heads, c)
		}
	}
	for i := len(s.heads)/2 - 1; i >= 0; i-- {
		s.sink(i)
	}
	return len(s.heads) > 0
}

// sink restores the heap below a place in it.
func (s *Scan) sink(at int) {
	for {
		first := at
		for child := 2*at + 1; child <= 2*at+2 && child < len(s.heads); child++ {
			if s.heads[child].before(s.heads[first]) {
				first = child
			}
		}
		if first == at {
			return
		}
		s.heads[at], s.heads[first] = s.heads[first], s.heads[at]
		at = first
	}
}

func (c *cursor) before(o *cursor) bool {
	order := bytes.Compare(c.key[c.skip:], o.key[o.skip:])
	return order < 0 != c.desc && order != 0
}

// Rest is what the current key has behind the prefix of its range, the primary key
// included unless the index is unique. Its bytes die with the transaction.
func (s *Scan) Rest() Key {
	c := s.heads[0]
	return c.key[c.skip:]
}

// Entry is the current entry; the next one overwrites it.
func (s *Scan) Entry() *Entry {
	c, e, n := s.heads[0], &s.entry, s.keyLen
	switch s.kind {
	case uniqueKeys:
		e.Key, e.Primary, e.cover = c.key, c.value[:n:n], c.value[n:]
	case rowKeys:
		fields, err := body(c.value)
		if err != nil {
			panic(Corrupt{s.table, bytes.Clone(c.key), err})
		}
		e.Primary, e.cover = c.key, fields
	default:
		at := len(c.key) - n
		e.Key, e.Primary, e.cover = c.key[:at:at], c.key[at:], c.value
	}
	return e
}
