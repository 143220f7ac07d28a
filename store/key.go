package store

import (
	"encoding/binary"

	"prefectd/prefect"
)

// Key is an order-preserving tuple: the order of the bytes is the order of the
// tuples. Its methods append one element and return the longer key.
type Key []byte

// ID appends the 16 bytes of an id.
func (k Key) ID(id prefect.ID) Key { return append(k, id[:]...) }

// Time appends an instant; null sorts first.
func (k Key) Time(t prefect.Time) Key { return k.Uint64(uint64(t) ^ 1<<63) }

// Uint64 appends a number.
func (k Key) Uint64(n uint64) Key { return binary.BigEndian.AppendUint64(k, n) }

// Byte appends one byte.
func (k Key) Byte(b byte) Key { return append(k, b) }

// String appends a text of any length: zero bytes are escaped as 0 255 and the
// end is marked by 0 1, so that "a" sorts before "ab" and "a\x00".
func (k Key) String(s string) Key {
	for i := range len(s) {
		k = append(k, s[i])
		if s[i] == 0 {
			k = append(k, 0xff)
		}
	}
	return append(k, 0, 1)
}

// TimeAt reads the instant that starts at an offset.
func (k Key) TimeAt(at int) prefect.Time {
	return prefect.Time(binary.BigEndian.Uint64(k[at:]) ^ 1<<63)
}

// Uint64At reads the number that starts at an offset.
func (k Key) Uint64At(at int) uint64 { return binary.BigEndian.Uint64(k[at:]) }

// IDAt reads the id that starts at an offset.
func (k Key) IDAt(at int) (id prefect.ID) {
	copy(id[:], k[at:])
	return id
}

// StringAt reads the text that starts at an offset and returns the offset after it.
func (k Key) StringAt(at int) (string, int) {
	var s []byte
	for i := at; i < len(k); i++ {
		if k[i] != 0 {
			s = append(s, k[i])
			continue
		}
		i++
		if k[i] == 1 {
			return string(s), i + 1
		}
		s = append(s, 0)
	}
	return string(s), len(k)
}

// next is the smallest key above every key that starts with k; nil if there is none.
func (k Key) next() Key {
	for i := len(k) - 1; i >= 0; i-- {
		if k[i] != 0xff {
			n := append(Key(nil), k[:i+1]...)
			n[i]++
			return n
		}
	}
	return nil
}
