package store

import (
	"bytes"
	"crypto/sha256"
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

// maxKeyText is the length from which a text in a key is cut; bbolt's limit for
// a whole key is 32 KiB.
const maxKeyText = 1024

// String appends a text: zero bytes are escaped as 0 255 and the end is marked
// by 0 1, so that "a" sorts before "ab" and "a\x00". A text longer than
// maxKeyText is cut there and told apart from others by a hash.
func (k Key) String(s string) Key {
	if len(s) > maxKeyText {
		hash := sha256.Sum256([]byte(s))
		s = s[:maxKeyText] + string(hash[:16])
	}
	for i := range len(s) {
		k = append(k, s[i])
		if s[i] == 0 {
			k = append(k, 0xff)
		}
	}
	return append(k, 0, 1)
}

// Name appends the hash of a text, 16 bytes: names have no order, but a length.
func (k Key) Name(text string) Key {
	sum := sha256.Sum256([]byte(text))
	return append(k, sum[:16]...)
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

// StringAt reads the text that starts at an offset. A text that was cut is not ok.
// What is read may alias the key.
func (k Key) StringAt(at int) (text string, ok bool) {
	k = k[at:]
	end := bytes.IndexByte(k, 0)
	if end < 0 || end+1 == len(k) {
		return "", false
	}
	if k[end+1] == 1 {
		return alias(k[:end]), end <= maxKeyText
	}
	var b []byte
	for i := 0; i+1 < len(k); i++ {
		switch {
		case k[i] != 0:
			b = append(b, k[i])
		case k[i+1] == 1:
			return alias(b), len(b) <= maxKeyText
		default:
			b = append(b, 0)
			i++
		}
	}
	return "", false
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
