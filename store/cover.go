package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"unsafe"

	"prefectd/prefect"
)

// cover is the form of the columns that index entries carry. Queries look at
// very many of them, so it is made for being read, a column at a time: two bytes
// tell which columns are set, then come those of eight bytes, of sixteen, of one,
// and the texts, each in the order of their numbers. Unset columns take no room.
type cover struct {
	columns [4][]coverColumn // by width
}

// coverColumn is a column of a cover.
type coverColumn struct {
	*fieldCodec
	bit int
	mem memory
}

// memory is what a column is in a row.
type memory byte

const (
	inWord memory = iota
	inID
	inByte
	inText
	inTextPointer
)

const (
	wideWords = iota
	wideIDs
	wideBytes
	wideTexts
)

// maxCover is how many columns a cover can have.
const maxCover = 16

func newCover(c *codec, columns prefect.Columns) *cover {
	cv := &cover{}
	for i := range c.fields {
		if f := &c.fields[i]; columns.Has(f.num) {
			width, mem := coverOf(c.typ, f)
			cv.columns[width] = append(cv.columns[width], coverColumn{fieldCodec: f, mem: mem})
		}
	}
	bit := 0
	for width := range cv.columns {
		for i := range cv.columns[width] {
			cv.columns[width][i].bit = bit
			bit++
		}
	}
	if bit > maxCover {
		panic(fmt.Sprintf("store: a cover of %s has %d columns", c.typ, bit))
	}
	return cv
}

func coverOf(row reflect.Type, f *fieldCodec) (width int, mem memory) {
	switch t := f.typ; {
	case t == idType:
		return wideIDs, inID
	case t.Kind() == reflect.String:
		return wideTexts, inText
	case t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.String:
		return wideTexts, inTextPointer
	case t.Kind() == reflect.Bool, t.Kind() == reflect.Uint8:
		return wideBytes, inByte
	case t.Size() == 8 && t.Kind() != reflect.Pointer && t.Kind() != reflect.Map:
		return wideWords, inWord
	}
	panic(fmt.Sprintf("store: a column of type %s cannot be in a cover of %s", f.typ, row))
}

// append encodes the columns of the row at p.
func (cv *cover) append(b []byte, p unsafe.Pointer) []byte {
	at := len(b)
	b = append(b, 0, 0)
	var set uint16
	for width := range cv.columns {
		for i := range cv.columns[width] {
			c := &cv.columns[width][i]
			from := unsafe.Add(p, c.offset)
			if c.isZero(from) {
				continue
			}
			set |= 1 << c.bit
			switch c.mem {
			case inWord:
				b = binary.LittleEndian.AppendUint64(b, *(*uint64)(from))
			case inID:
				b = append(b, (*(*prefect.ID)(from))[:]...)
			case inByte:
				b = append(b, *(*byte)(from))
			default:
				b = c.encode(b, from)
			}
		}
	}
	binary.LittleEndian.PutUint16(b[at:], set)
	return b
}

// Reader reads some columns of index entries into a row: it sets these columns and
// leaves the others alone. Texts alias the file, so that they die with the
// transaction; pointers to texts are used again, so that the row must be one that
// only readers write. It is for one goroutine.
func (ix *Index[T]) Reader(columns prefect.Columns) func(e *Entry, row *T) {
	if columns&ix.Cover == 0 {
		return func(*Entry, *T) {}
	}
	r := ix.cover.reader(columns)
	return func(e *Entry, row *T) {
		if !r.read(e.cover, unsafe.Pointer(row)) {
			panic(Corrupt{ix.table.name, bytes.Clone(e.Primary), errTruncated})
		}
	}
}

// coverReader reads the columns of a cover that are wanted.
type coverReader struct {
	*cover
	fixed []placedColumn // those of a fixed width
	texts []coverColumn  // all up to the last one that is wanted
	want  uint16

	// Most entries have the same columns set: for those the places are known.
	set    uint16
	textAt int // where the texts begin
}

// placedColumn is a column that has its place in the data, -1 if it is not set.
type placedColumn struct {
	coverColumn
	at int
}

func (cv *cover) reader(columns prefect.Columns) *coverReader {
	r := &coverReader{cover: cv}
	for width, list := range cv.columns {
		for i, c := range list {
			switch {
			case !columns.Has(c.num):
				continue
			case width == wideTexts:
				r.texts = list[:i+1]
			default:
				r.fixed = append(r.fixed, placedColumn{c, -1})
			}
			r.want |= 1 << c.bit
		}
	}
	r.textAt = 2
	return r
}

// place finds out where the columns are when some are set.
func (r *coverReader) place(set uint16) {
	r.set = set
	at, next := 2, 0
	for width, size := range []int{wideWords: 8, wideIDs: 16, wideBytes: 1} {
		for _, c := range r.columns[width] {
			has := set>>c.bit&1 != 0
			if r.want>>c.bit&1 != 0 {
				if r.fixed[next].at = -1; has {
					r.fixed[next].at = at
				}
				next++
			}
			if has {
				at += size
			}
		}
	}
	r.textAt = at
}

// read reports whether the data has what it says.
func (r *coverReader) read(data []byte, row unsafe.Pointer) bool {
	if len(data) < 2 {
		return false
	}
	set := binary.LittleEndian.Uint16(data)
	if set != r.set {
		r.place(set)
	}
	if len(data) < r.textAt {
		return false
	}
	for i := range r.fixed {
		c := &r.fixed[i]
		to := unsafe.Add(row, c.offset)
		switch {
		case c.at < 0:
			c.clear(to)
		case c.mem == inWord:
			*(*uint64)(to) = binary.LittleEndian.Uint64(data[c.at:])
		case c.mem == inByte:
			*(*byte)(to) = data[c.at]
		default:
			*(*prefect.ID)(to) = prefect.ID(data[c.at:])
		}
	}
	return len(r.texts) == 0 || r.readTexts(data[r.textAt:], set, row)
}

func (r *coverReader) readTexts(data []byte, set uint16, row unsafe.Pointer) bool {
	for i := range r.texts {
		c := &r.texts[i]
		at := unsafe.Add(row, c.offset)
		if set>>c.bit&1 == 0 {
			if r.want>>c.bit&1 != 0 {
				c.clear(at)
			}
			continue
		}
		size, n := uvarint(data)
		if n <= 0 || size > uint64(len(data)-n) {
			return false
		}
		text := data[n : n+int(size)]
		data = data[n+int(size):]
		switch {
		case r.want>>c.bit&1 == 0:
		case c.mem == inText:
			*(*string)(at) = alias(text)
		default:
			p := (**string)(at)
			if *p == nil {
				*p = new(string)
			}
			**p = alias(text)
		}
	}
	return true
}
