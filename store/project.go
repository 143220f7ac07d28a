package store

import (
	"bytes"
	"unsafe"

	"prefectd/prefect"
)

// Projection reads some columns of many rows into one row, over and over: each
// read sets these columns and leaves the others alone. Texts alias the file, so
// that they die with the transaction.
type Projection[T any] struct {
	table   *Table[T]
	fields  []*fieldCodec // by number
	Columns prefect.Columns
}

// Project makes a projection onto the columns of a set that are stored.
func (t *Table[T]) Project(columns prefect.Columns) *Projection[T] {
	p := &Projection[T]{table: t}
	for i := range t.codec.fields {
		if f := &t.codec.fields[i]; columns.Has(f.num) {
			p.fields = append(p.fields, f)
			p.Columns |= prefect.ColumnSet(f.num)
		}
	}
	return p
}

// Entry reads the row of an entry of the table itself.
func (p *Projection[T]) Entry(e *Entry, row *T) {
	if err := p.decode(e.cover, unsafe.Pointer(row)); err != nil {
		panic(Corrupt{p.table.name, bytes.Clone(e.Primary), err})
	}
}

// Row reads the row with a key, and reports whether there is one.
func (p *Projection[T]) Row(tx *Tx, key Key, row *T) bool {
	tx.visited++
	data := tx.get(bucketID{p.table.num, 0}, key)
	if data == nil {
		return false
	}
	body, err := body(data)
	if err == nil {
		err = p.decode(body, unsafe.Pointer(row))
	}
	if err != nil {
		panic(Corrupt{p.table.name, bytes.Clone(key), err})
	}
	return true
}

// decode walks the fields of the row and those that are wanted side by side, both
// of which are in the order of their numbers, and stops when it has them.
func (p *Projection[T]) decode(data []byte, row unsafe.Pointer) error {
	wanted := p.fields
	for len(wanted) > 0 && len(data) > 0 {
		header, n := uvarint(data)
		if n <= 0 {
			return errTruncated
		}
		num := int(header >> 2)
		for len(wanted) > 0 && wanted[0].num < num {
			wanted[0].clear(unsafe.Add(row, wanted[0].offset))
			wanted = wanted[1:]
		}
		v, rest, err := readValue(data[n:], byte(header&3))
		if err != nil {
			return err
		}
		data = rest
		if len(wanted) == 0 || wanted[0].num != num {
			continue
		}
		f := wanted[0]
		if f.wire != byte(header&3) {
			return wrongWire(num, header)
		}
		if err := f.decode(v, unsafe.Add(row, f.offset)); err != nil {
			return err
		}
		wanted = wanted[1:]
	}
	for _, f := range wanted {
		f.clear(unsafe.Add(row, f.offset))
	}
	return nil
}
