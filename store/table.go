package store

import (
	"bytes"
	"fmt"
	"iter"
	"reflect"
	"unsafe"

	"prefectd/prefect"
)

// Row formats: the first byte of every stored row.
const (
	formatPlain      = 1
	formatCompressed = 2
)

// Corrupt is the panic that a row which cannot be decoded causes; View and
// Evaluate turn it into an error.
type Corrupt struct {
	Table string
	Key   []byte
	Err   error
}

func (c Corrupt) Error() string {
	return fmt.Sprintf("table %s, key %x: %v", c.Table, c.Key, c.Err)
}

func (c Corrupt) Unwrap() error { return c.Err }

// Table is the declaration of one table: rows of type T, each under a key of
// fixed length.
type Table[T any] struct {
	name       string
	num        byte
	keyLen     int
	key        func(*T, Key) Key
	codec      *codec
	compressed bool
	permanent  bool
	indexes    []*Index[T]
}

// NewTable declares a table. The number names it on disk and in log entries for
// ever; key appends the row's key, which has keyLen bytes and never changes
// while the row lives.
func NewTable[T any](name string, num byte, keyLen int, key func(*T, Key) Key, indexes ...*Index[T]) *Table[T] {
	t := &Table[T]{name: name, num: num, keyLen: keyLen, key: key, codec: codecOf(reflect.TypeFor[T]()), indexes: indexes}
	for _, ix := range indexes {
		ix.table, ix.cover = t, newCover(t.codec, ix.Cover)
	}
	return t
}

// worthCompressing is the size from which a row is compressed: below, there is
// little to win.
const worthCompressing = 256

// Compressed makes the table store its bigger rows compressed against the
// dictionary.
func (t *Table[T]) Compressed() *Table[T] {
	t.compressed = true
	return t
}

// Permanent says that rows never change: each is put once, under a key that is new,
// so that nobody needs to look for an old one.
func (t *Table[T]) Permanent() *Table[T] {
	t.permanent = true
	return t
}

func (t *Table[T]) isPermanent() bool { return t.permanent }

// AnyTable is a table of a Schema, whatever its rows are.
type AnyTable interface {
	Name() string
	Number() byte
	isPermanent() bool
	indexNumbers() []byte
	indexVersions() map[byte]int
	// growing reports whether the keys of an index, or of the rows (0), mostly come
	// in ascending order.
	growing(index byte) bool
	// talliedBy is the length of the beginnings of an index's keys that are counted.
	talliedBy(index byte) int
	// entries appends the index entries of an encoded row.
	entries(dst []indexEntry, key, row []byte, only byte) ([]indexEntry, error)
}

// Name is the table's name, for messages.
func (t *Table[T]) Name() string { return t.name }

// Number is the table's number on disk and in log entries.
func (t *Table[T]) Number() byte { return t.num }

// Key is the key of a row.
func (t *Table[T]) Key(row *T) Key { return t.key(row, make(Key, 0, t.keyLen)) }

// encode is the stored form of a row.
func (t *Table[T]) encode(row *T) []byte {
	if t.compressed {
		plain := scratch.Get().(*[]byte)
		defer scratch.Put(plain)
		*plain = t.codec.append((*plain)[:0], unsafe.Pointer(row), prefect.AllColumns)
		if len(*plain) < worthCompressing {
			return append([]byte{formatPlain}, *plain...)
		}
		return compress([]byte{formatCompressed}, *plain)
	}
	buf := make([]byte, 1, 512)
	buf[0] = formatPlain
	return t.codec.append(buf, unsafe.Pointer(row), prefect.AllColumns)
}

// decode reads a stored row; its texts alias data, or a copy that this made.
func (t *Table[T]) decode(data []byte, row *T) error {
	body, err := body(data)
	if err != nil {
		return err
	}
	return t.codec.decode(body, unsafe.Pointer(row))
}

// body is the fields of a stored row: a part of data, or a copy that this made.
func body(data []byte) ([]byte, error) {
	switch {
	case len(data) == 0:
		return nil, errTruncated
	case data[0] == formatPlain:
		return data[1:], nil
	case data[0] == formatCompressed:
		return decompress(data[1:])
	}
	return nil, fmt.Errorf("row format %d is not known to this version", data[0])
}

// must decodes a stored row that came from the file or the batch.
func (t *Table[T]) must(key Key, data []byte) *T {
	row := new(T)
	if len(data) > 0 && data[0] != formatCompressed { // decompressing makes a copy
		data = bytes.Clone(data)
	}
	if err := t.decode(data, row); err != nil {
		panic(Corrupt{t.name, bytes.Clone(key), err})
	}
	return row
}

// Get returns the row with a key, or nil.
func (t *Table[T]) Get(tx *Tx, key Key) *T {
	tx.visited++
	data := tx.get(bucketID{t.num, 0}, key)
	if data == nil {
		return nil
	}
	return t.must(key, data)
}

// Has reports whether a row with the key exists.
func (t *Table[T]) Has(tx *Tx, key Key) bool {
	tx.visited++
	return tx.get(bucketID{t.num, 0}, key) != nil
}

// Put writes a row and its index entries into the batch. The row is not retained.
func (t *Table[T]) Put(tx *Tx, row *T) {
	key := t.Key(row)
	t.write(tx, key, t.encode(row), t.rowEntries(nil, key, row, 0))
}

// Delete removes a row and its index entries, if it exists.
func (t *Table[T]) Delete(tx *Tx, key Key) { t.write(tx, key, nil, nil) }

func (t *Table[T]) write(tx *Tx, key Key, value []byte, put []indexEntry) {
	if err := tx.write(t, key, value, put); err != nil {
		panic(err)
	}
}

// Rows yields the rows of a range in the order of their keys.
func (t *Table[T]) Rows(tx *Tx, r Range) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for key, data := range tx.scan(bucketID{t.num, 0}, r) {
			if !yield(t.must(key, data)) {
				return
			}
		}
	}
}

// Scan walks ranges of the table, all in the same direction. Its entries carry
// whole rows.
func (t *Table[T]) Scan(tx *Tx, ranges ...Range) *Scan {
	s := tx.merge(bucketID{t.num, 0}, ranges)
	s.table, s.kind = t.name, rowKeys
	return s
}

// Count is the number of rows in a range.
func (t *Table[T]) Count(tx *Tx, r Range) int { return tx.count(bucketID{t.num, 0}, 0, r) }

// LastKey returns the greatest key of a range, or nil.
func (t *Table[T]) LastKey(tx *Tx, r Range) Key {
	r.Desc = true
	return tx.first(bucketID{t.num, 0}, r)
}

// Decode reads the row that a change of this table left. Its texts may alias the
// change.
func (t *Table[T]) Decode(c Change) (*T, error) {
	row := new(T)
	if err := t.decode(c.Value, row); err != nil {
		return nil, Corrupt{t.name, c.Key, err}
	}
	return row, nil
}
