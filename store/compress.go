package store

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
)

// Rows of a table with many alike texts (events, logs) are shortened (see
// shorthand.go) and then compressed one by one against a dictionary: a piece of
// what such rows look like. A dictionary is part of the format: it never
// changes, a better one gets a row format of its own. The test of this file
// makes one from samples.
//
//go:embed dictionary/v1.s2
var dictionaryV1 []byte

var theDictionary = sync.OnceValue(func() *s2.Dict {
	d := s2.NewDict(dictionaryV1)
	if d == nil {
		panic("store: the dictionary is no dictionary")
	}
	return d
})

// scratch are buffers for what lives as long as one call.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// compress appends the compressed form of data.
func compress(dst, data []byte) []byte {
	short := scratch.Get().(*[]byte)
	defer scratch.Put(short)
	*short = shorten((*short)[:0], data)
	packed := scratch.Get().(*[]byte)
	defer scratch.Put(packed)
	*packed = theDictionary().Encode((*packed)[:cap(*packed)], *short)
	return append(dst, *packed...)
}

// maxRow keeps a damaged length from taking all memory.
const maxRow = 256 << 20

func decompress(data []byte) ([]byte, error) {
	if n, err := s2.DecodedLen(data); err != nil || n > maxRow {
		return nil, fmt.Errorf("decompress %d bytes: %w", n, errTruncated)
	}
	short := scratch.Get().(*[]byte)
	defer scratch.Put(short)
	var err error
	if *short, err = theDictionary().Decode((*short)[:cap(*short)], data); err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return lengthen(make([]byte, 0, 2*len(*short)), *short)
}
