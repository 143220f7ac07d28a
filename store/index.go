package store

import (
	"bytes"
	"iter"
	"unsafe"

	"prefectd/prefect"
)

// Index is a second order of a table's rows. Declare it in the table's
// NewTable; it belongs to that table alone.
type Index[T any] struct {
	// Number names the index on disk, from 1; Version goes up when Keys or Cover
	// change, so that replicas rebuild it.
	Number  byte
	Version int
	// Unique indexes refuse nothing themselves: operations look before they
	// write. Their entries hold the primary key as the value, not in the key.
	Unique bool
	// Keys adds the row's entries by calling add with each key; none leaves the
	// row out. The key that is passed in is empty and may be appended to.
	Keys func(row *T, key Key, add func(Key))
	// Cover lists the columns that an entry carries, so that queries can decide
	// without the row.
	Cover prefect.Columns
	// Extract appends what an entry carries that is no column: see Entry.Extract.
	// An index has a Cover or an Extract.
	Extract func(row *T, b []byte) []byte
	// Growing says that new entries mostly come at the end.
	Growing bool
	// TalliedBy is the length of the beginnings of keys that Count tells the numbers
	// of at once, as it does for the whole index; with it goes Version.
	TalliedBy int

	table *Table[T]
	cover *cover
}

// Entry is one index entry. Its bytes die with the transaction.
type Entry struct {
	Key     Key // the index key, without the primary key
	Primary Key
	cover   []byte
}

// Extract is what the index's Extract made of the row.
func (e Entry) Extract() []byte { return e.cover }

type indexEntry struct {
	index  byte
	unique bool
	key    []byte
	value  []byte
	again  bool // the row has the key already
}

func (t *Table[T]) indexNumbers() []byte {
	var nums []byte
	for _, ix := range t.indexes {
		nums = append(nums, ix.Number)
	}
	return nums
}

func (t *Table[T]) indexVersions() map[byte]int {
	versions := map[byte]int{}
	for _, ix := range t.indexes {
		versions[ix.Number] = ix.Version
	}
	return versions
}

func (t *Table[T]) growing(index byte) bool {
	for _, ix := range t.indexes {
		if ix.Number == index {
			return ix.Growing
		}
	}
	return index == 0
}

func (t *Table[T]) talliedBy(index byte) int {
	for _, ix := range t.indexes {
		if ix.Number == index {
			return ix.TalliedBy
		}
	}
	return 0
}

func (t *Table[T]) entries(dst []indexEntry, key, data []byte, only byte) ([]indexEntry, error) {
	if len(t.indexes) == 0 || data == nil {
		return dst, nil
	}
	var row T
	if err := t.decode(data, &row); err != nil {
		return dst, Corrupt{t.name, bytes.Clone(key), err}
	}
	return t.rowEntries(dst, key, &row, only), nil
}

// rowEntries appends the index entries of a row, for all indexes or only one.
func (t *Table[T]) rowEntries(dst []indexEntry, key []byte, row *T, only byte) []indexEntry {
	scratch := make(Key, 0, 64)
	for _, ix := range t.indexes {
		if only != 0 && only != ix.Number {
			continue
		}
		var value []byte
		if ix.Unique {
			value = append(value, key...)
		}
		if ix.Cover != 0 {
			value = ix.cover.append(value, unsafe.Pointer(row))
		}
		if ix.Extract != nil {
			value = ix.Extract(row, value)
		}
		ix.Keys(row, scratch, func(k Key) {
			full := append(make(Key, 0, len(k)+len(key)), k...)
			if !ix.Unique {
				full = append(full, key...)
			}
			dst = append(dst, indexEntry{index: ix.Number, unique: ix.Unique, key: full, value: value})
		})
	}
	return dst
}

func (ix *Index[T]) bucket() bucketID { return bucketID{ix.table.num, ix.Number} }

// Find returns the row that a unique index holds under a key, or nil.
func (ix *Index[T]) Find(tx *Tx, key Key) *T {
	tx.visited++
	primary := tx.get(ix.bucket(), key)
	if primary == nil {
		return nil
	}
	return ix.table.Get(tx, primary[:ix.table.keyLen:ix.table.keyLen])
}

// Has reports whether a unique index holds a key.
func (ix *Index[T]) Has(tx *Tx, key Key) bool {
	tx.visited++
	return tx.get(ix.bucket(), key) != nil
}

// Scan walks ranges of the index, all in the same direction.
func (ix *Index[T]) Scan(tx *Tx, ranges ...Range) *Scan {
	s := tx.merge(ix.bucket(), ranges)
	s.keyLen, s.kind = ix.table.keyLen, indexKeys
	if ix.Unique {
		s.kind = uniqueKeys
	}
	return s
}

// Entries yields the entries of ranges, as Scan walks them.
func (ix *Index[T]) Entries(tx *Tx, ranges ...Range) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for s := ix.Scan(tx, ranges...); s.Next(); {
			if !yield(*s.Entry()) {
				return
			}
		}
	}
}

// Prefixes yields the different beginnings of the index's keys that have a length.
func (ix *Index[T]) Prefixes(tx *Tx, length int) iter.Seq[Key] {
	return func(yield func(Key) bool) {
		k := tx.first(ix.bucket(), Range{})
		for len(k) >= length && yield(k[:length]) {
			after := k[:length].next()
			if after == nil {
				return
			}
			k = tx.first(ix.bucket(), Range{From: after})
		}
	}
}

// Rows yields the rows of a range in the order of the index.
func (ix *Index[T]) Rows(tx *Tx, r Range) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for e := range ix.Entries(tx, r) {
			if !yield(ix.Row(tx, e)) {
				return
			}
		}
	}
}

// Row returns the row of an entry.
func (ix *Index[T]) Row(tx *Tx, e Entry) *T {
	row := ix.table.Get(tx, e.Primary)
	if row == nil {
		panic(Corrupt{ix.table.name, bytes.Clone(e.Primary), errDangling})
	}
	return row
}

// Count is the number of entries in a range.
func (ix *Index[T]) Count(tx *Tx, r Range) int { return tx.count(ix.bucket(), ix.TalliedBy, r) }
