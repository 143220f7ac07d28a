package store

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"sync"
	"unsafe"

	"prefectd/prefect"
)

// A row is a sequence of fields, each a header (field number << 2 | wire type,
// as a varint) and a value. Unset fields are left out, unknown ones skipped, so
// a field can be added at any time and its number must never be used again.
// Field access goes through precomputed offsets, because a query may look at
// hundreds of thousands of rows.
const (
	wireVarint = 0 // unsigned, or zigzag for signed numbers
	wireFixed8 = 1 // 8 bytes, little endian
	wireID     = 2 // 16 bytes
	wireBytes  = 3 // varint length, then as many bytes
)

// maxField is the highest number of a field: sets of columns have no room for more.
const maxField = 63

// codec is the plan for one struct type.
type codec struct {
	typ    reflect.Type
	fields []fieldCodec  // by number
	byNum  []*fieldCodec // index: number
}

type fieldCodec struct {
	num    int
	typ    reflect.Type
	offset uintptr
	wire   byte
	isZero func(p unsafe.Pointer) bool
	encode func(b []byte, p unsafe.Pointer) []byte
	decode func(v value, p unsafe.Pointer) error
	clear  func(p unsafe.Pointer)
}

// value is one encoded field value.
type value struct {
	num   uint64 // varint or fixed8
	bytes []byte // ID or bytes; aliases the row
}

var codecs sync.Map // reflect.Type -> *codec; a cache of what types say

func codecOf(t reflect.Type) *codec {
	if c, ok := codecs.Load(t); ok {
		return c.(*codec)
	}
	c := &codec{typ: t}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("row")
		if !ok {
			continue
		}
		num, err := strconv.Atoi(tag)
		if err != nil || num < 1 || num > maxField {
			panic(fmt.Sprintf("store: %s.%s: bad row tag %q", t, f.Name, tag))
		}
		fc := fieldCodecOf(f.Type)
		fc.num, fc.typ, fc.offset, fc.clear = num, f.Type, f.Offset, clearOf(f.Type)
		c.fields = append(c.fields, fc)
	}
	sort.Slice(c.fields, func(i, j int) bool { return c.fields[i].num < c.fields[j].num })
	for i := range c.fields {
		f := &c.fields[i]
		if i > 0 && c.fields[i-1].num == f.num {
			panic(fmt.Sprintf("store: %s: row number %d used twice", t, f.num))
		}
		for len(c.byNum) <= f.num {
			c.byNum = append(c.byNum, nil)
		}
		c.byNum[f.num] = f
	}
	codecs.Store(t, c)
	return c
}

// append encodes the struct at p; columns, if given, picks the fields.
func (c *codec) append(b []byte, p unsafe.Pointer, columns prefect.Columns) []byte {
	for i := range c.fields {
		f := &c.fields[i]
		if !columns.Has(f.num) {
			continue
		}
		at := unsafe.Add(p, f.offset)
		if f.isZero(at) {
			continue
		}
		b = binary.AppendUvarint(b, uint64(f.num)<<2|uint64(f.wire))
		b = f.encode(b, at)
	}
	return b
}

// decode fills the struct at p, whose fields must be zero. Texts and bytes alias data.
func (c *codec) decode(data []byte, p unsafe.Pointer) error {
	for len(data) > 0 {
		header, n := uvarint(data)
		if n <= 0 {
			return errTruncated
		}
		data = data[n:]
		v, rest, err := readValue(data, byte(header&3))
		if err != nil {
			return err
		}
		data = rest
		num := int(header >> 2)
		if num >= len(c.byNum) || c.byNum[num] == nil {
			continue
		}
		f := c.byNum[num]
		if f.wire != byte(header&3) {
			return wrongWire(num, header)
		}
		if err := f.decode(v, unsafe.Add(p, f.offset)); err != nil {
			return fmt.Errorf("field %d: %w", num, err)
		}
	}
	return nil
}

var errTruncated = fmt.Errorf("row is truncated")

func wrongWire(num int, header uint64) error {
	return fmt.Errorf("field %d has wire type %d", num, header&3)
}

// uvarint is binary.Uvarint with a fast path for one byte.
func uvarint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return binary.Uvarint(b)
}

func readValue(data []byte, wire byte) (v value, rest []byte, err error) {
	size := 0
	switch wire {
	case wireVarint:
		n, used := uvarint(data)
		if used <= 0 {
			return v, nil, errTruncated
		}
		return value{num: n}, data[used:], nil
	case wireFixed8:
		if len(data) < 8 {
			return v, nil, errTruncated
		}
		return value{num: binary.LittleEndian.Uint64(data)}, data[8:], nil
	case wireID:
		size = 16
	case wireBytes:
		n, used := uvarint(data)
		if used <= 0 || n > uint64(len(data)-used) {
			return v, nil, errTruncated
		}
		data, size = data[used:], int(n)
	}
	if len(data) < size {
		return v, nil, errTruncated
	}
	return value{bytes: data[:size:size]}, data[size:], nil
}

func appendBytes[T string | []byte](b []byte, s T) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// bytesSize is the length of what appendBytes appends for so many bytes.
func bytesSize(n int) int { return (bits.Len(uint(n)|1)+6)/7 + n }

// alias is b as a text without a copy.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func zigzag(n int64) uint64   { return uint64(n<<1) ^ uint64(n>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

var (
	idType   = reflect.TypeFor[prefect.ID]()
	timeType = reflect.TypeFor[prefect.Time]()
)

// fieldCodecOf builds the plan for one field type.
func fieldCodecOf(t reflect.Type) fieldCodec {
	switch {
	case t == idType:
		return fieldCodec{
			wire:   wireID,
			isZero: func(p unsafe.Pointer) bool { return *(*prefect.ID)(p) == prefect.NoID },
			encode: func(b []byte, p unsafe.Pointer) []byte { return append(b, (*(*prefect.ID)(p))[:]...) },
			decode: func(v value, p unsafe.Pointer) error { *(*prefect.ID)(p) = prefect.ID(v.bytes); return nil },
		}
	case t == timeType:
		return fieldCodec{
			wire:   wireFixed8,
			isZero: func(p unsafe.Pointer) bool { return *(*int64)(p) == 0 },
			encode: func(b []byte, p unsafe.Pointer) []byte {
				return binary.LittleEndian.AppendUint64(b, uint64(*(*int64)(p)))
			},
			decode: func(v value, p unsafe.Pointer) error { *(*int64)(p) = int64(v.num); return nil },
		}
	}
	switch t.Kind() {
	case reflect.String:
		return fieldCodec{
			wire:   wireBytes,
			isZero: func(p unsafe.Pointer) bool { return len(*(*string)(p)) == 0 },
			encode: func(b []byte, p unsafe.Pointer) []byte { return appendBytes(b, *(*string)(p)) },
			decode: func(v value, p unsafe.Pointer) error { *(*string)(p) = alias(v.bytes); return nil },
		}
	case reflect.Bool, reflect.Uint8:
		return fieldCodec{
			wire:   wireVarint,
			isZero: func(p unsafe.Pointer) bool { return *(*uint8)(p) == 0 },
			encode: func(b []byte, p unsafe.Pointer) []byte { return append(b, *(*uint8)(p)&0x7f) },
			decode: func(v value, p unsafe.Pointer) error { *(*uint8)(p) = uint8(v.num); return nil },
		}
	case reflect.Uint64:
		return fieldCodec{
			wire:   wireVarint,
			isZero: func(p unsafe.Pointer) bool { return *(*uint64)(p) == 0 },
			encode: func(b []byte, p unsafe.Pointer) []byte { return binary.AppendUvarint(b, *(*uint64)(p)) },
			decode: func(v value, p unsafe.Pointer) error { *(*uint64)(p) = v.num; return nil },
		}
	case reflect.Int, reflect.Int64:
		return fieldCodec{
			wire:   wireVarint,
			isZero: func(p unsafe.Pointer) bool { return *(*int64)(p) == 0 },
			encode: func(b []byte, p unsafe.Pointer) []byte { return binary.AppendUvarint(b, zigzag(*(*int64)(p))) },
			decode: func(v value, p unsafe.Pointer) error { *(*int64)(p) = unzigzag(v.num); return nil },
		}
	case reflect.Float64:
		return fieldCodec{
			wire:   wireFixed8,
			isZero: func(p unsafe.Pointer) bool { return *(*float64)(p) == 0 },
			encode: func(b []byte, p unsafe.Pointer) []byte {
				return binary.LittleEndian.AppendUint64(b, math.Float64bits(*(*float64)(p)))
			},
			decode: func(v value, p unsafe.Pointer) error { *(*float64)(p) = math.Float64frombits(v.num); return nil },
		}
	case reflect.Pointer:
		return pointerCodec(t)
	case reflect.Struct:
		return structCodec(t)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return fieldCodec{
				wire:   wireBytes,
				isZero: func(p unsafe.Pointer) bool { return *(*[]byte)(p) == nil },
				encode: func(b []byte, p unsafe.Pointer) []byte { return appendBytes(b, *(*[]byte)(p)) },
				decode: func(v value, p unsafe.Pointer) error { *(*[]byte)(p) = v.bytes; return nil },
			}
		}
		return sliceCodec(t)
	case reflect.Map:
		switch {
		case t.Key().Kind() != reflect.String:
		case t.Elem().Kind() == reflect.String:
			return mapCodec(alias)
		case t.Elem().Kind() == reflect.Slice && t.Elem().Elem().Kind() == reflect.Uint8:
			return mapCodec(func(b []byte) []byte { return b })
		}
	}
	return jsonCodec(t)
}

// clearOf makes what sets a field to its zero value.
func clearOf(t reflect.Type) func(p unsafe.Pointer) {
	switch t.Kind() {
	case reflect.String:
		return func(p unsafe.Pointer) { *(*string)(p) = "" }
	case reflect.Bool, reflect.Uint8:
		return func(p unsafe.Pointer) { *(*uint8)(p) = 0 }
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		return func(p unsafe.Pointer) { *(*uint64)(p) = 0 }
	case reflect.Pointer:
		return func(p unsafe.Pointer) { *(*unsafe.Pointer)(p) = nil }
	}
	if t == idType {
		return func(p unsafe.Pointer) { *(*prefect.ID)(p) = prefect.NoID }
	}
	return func(p unsafe.Pointer) { reflect.NewAt(t, p).Elem().SetZero() }
}

// pointerCodec stores the presence of a value apart from its being zero.
func pointerCodec(t reflect.Type) fieldCodec {
	inner := fieldCodecOf(t.Elem())
	if t.Elem().Kind() == reflect.String {
		return fieldCodec{
			wire:   inner.wire,
			isZero: func(p unsafe.Pointer) bool { return *(*unsafe.Pointer)(p) == nil },
			encode: func(b []byte, p unsafe.Pointer) []byte { return appendBytes(b, **(**string)(p)) },
			decode: func(v value, p unsafe.Pointer) error {
				s := alias(v.bytes)
				*(**string)(p) = &s
				return nil
			},
		}
	}
	return fieldCodec{
		wire:   inner.wire,
		isZero: func(p unsafe.Pointer) bool { return *(*unsafe.Pointer)(p) == nil },
		encode: func(b []byte, p unsafe.Pointer) []byte { return inner.encode(b, *(*unsafe.Pointer)(p)) },
		decode: func(v value, p unsafe.Pointer) error {
			fresh := reflect.New(t.Elem())
			*(*unsafe.Pointer)(p) = fresh.UnsafePointer()
			return inner.decode(v, fresh.UnsafePointer())
		},
	}
}

// structCodec nests a struct with row tags; without any it is stored as JSON.
func structCodec(t reflect.Type) fieldCodec {
	c := codecOf(t)
	if len(c.fields) == 0 {
		return jsonCodec(t)
	}
	return fieldCodec{
		wire:   wireBytes,
		isZero: func(p unsafe.Pointer) bool { return reflect.NewAt(t, p).Elem().IsZero() },
		encode: func(b []byte, p unsafe.Pointer) []byte {
			var buf [256]byte
			return appendBytes(b, c.append(buf[:0], p, prefect.AllColumns))
		},
		decode: func(v value, p unsafe.Pointer) error {
			reflect.NewAt(t, p).Elem().SetZero() // a projection's row holds what was read before
			return c.decode(v.bytes, p)
		},
	}
}

// sliceCodec stores a list of texts, maps or structs with row tags (or pointers to
// such, none of them nil) as a count and its elements; other lists as JSON.
func sliceCodec(t reflect.Type) fieldCodec {
	element := t.Elem()
	if element.Kind() == reflect.Pointer {
		element = element.Elem()
	}
	switch {
	case t.Elem().Kind() == reflect.String, t.Elem().Kind() == reflect.Map:
	case element.Kind() == reflect.Struct && len(codecOf(element).fields) > 0:
	default:
		return jsonCodec(t)
	}
	inner := fieldCodecOf(t.Elem())
	size := t.Elem().Size()
	return fieldCodec{
		wire:   wireBytes,
		isZero: func(p unsafe.Pointer) bool { return *(*unsafe.Pointer)(p) == nil },
		encode: func(b []byte, p unsafe.Pointer) []byte {
			list := *(*[]struct{})(p)
			at := len(b)
			b = binary.AppendUvarint(b, uint64(len(list)))
			for i := range len(list) {
				b = inner.encode(b, unsafe.Add(unsafe.Pointer(unsafe.SliceData(list)), uintptr(i)*size))
			}
			var length [binary.MaxVarintLen64]byte
			return slices.Insert(b, at, length[:binary.PutUvarint(length[:], uint64(len(b)-at))]...)
		},
		decode: func(v value, p unsafe.Pointer) error {
			count, n := uvarint(v.bytes)
			if n <= 0 || count > uint64(len(v.bytes)) {
				return errTruncated
			}
			list := reflect.MakeSlice(t, int(count), int(count))
			data := v.bytes[n:]
			for i := range int(count) {
				item, rest, err := readValue(data, wireBytes)
				if err != nil {
					return err
				}
				if err := inner.decode(item, list.Index(i).Addr().UnsafePointer()); err != nil {
					return err
				}
				data = rest
			}
			reflect.NewAt(t, p).Elem().Set(list)
			return nil
		},
	}
}

// mapCodec stores a map from texts to texts or to bytes as sorted pairs. A nil
// map is unset.
func mapCodec[V string | []byte](of func(b []byte) V) fieldCodec {
	return fieldCodec{
		wire:   wireBytes,
		isZero: func(p unsafe.Pointer) bool { return *(*unsafe.Pointer)(p) == nil },
		encode: func(b []byte, p unsafe.Pointer) []byte {
			m := *(*map[string]V)(p)
			var buf [16]string
			names, size := buf[:0], 0
			for name, value := range m {
				names = append(names, name)
				size += bytesSize(len(name)) + bytesSize(len(value))
			}
			slices.Sort(names)
			b = binary.AppendUvarint(b, uint64(size))
			for _, name := range names {
				b = appendBytes(appendBytes(b, name), m[name])
			}
			return b
		},
		decode: func(v value, p unsafe.Pointer) error {
			m := map[string]V{}
			for data := v.bytes; len(data) > 0; {
				name, rest, err := readValue(data, wireBytes)
				if err != nil {
					return err
				}
				item, rest, err := readValue(rest, wireBytes)
				if err != nil {
					return err
				}
				m[alias(name.bytes)] = of(item.bytes)
				data = rest
			}
			*(*map[string]V)(p) = m
			return nil
		},
	}
}

// jsonCodec is for the few nested values that no query looks into.
func jsonCodec(t reflect.Type) fieldCodec {
	return fieldCodec{
		wire:   wireBytes,
		isZero: func(p unsafe.Pointer) bool { return reflect.NewAt(t, p).Elem().IsZero() },
		encode: func(b []byte, p unsafe.Pointer) []byte {
			data, err := prefect.Marshal(reflect.NewAt(t, p).Elem().Interface())
			if err != nil {
				panic(fmt.Sprintf("store: %s cannot be stored: %v", t, err))
			}
			return appendBytes(b, data)
		},
		decode: func(v value, p unsafe.Pointer) error {
			return prefect.Unmarshal(v.bytes, reflect.NewAt(t, p).Interface())
		},
	}
}
