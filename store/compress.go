package store

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Rows of a table with many alike texts (events) are compressed one by one
// against a dictionary: a text of what such rows look like. A dictionary is part
// of the format: it never changes, a better one gets a number of its own.
//
//go:embed dictionary/v1.txt
var dictionaryV1 []byte

const dictionaryID = 1

// compressor holds the coders, which are safe for concurrent use and costly to make.
type compressor struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

var theCompressor = sync.OnceValue(func() *compressor {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderDictRaw(dictionaryID, dictionaryV1),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(64<<10))
	if err != nil {
		panic(fmt.Sprintf("store: compressor: %v", err))
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderDictRaw(dictionaryID, dictionaryV1),
		zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		panic(fmt.Sprintf("store: decompressor: %v", err))
	}
	return &compressor{encoder: enc, decoder: dec}
})

func compress(dst, data []byte) []byte { return theCompressor().encoder.EncodeAll(data, dst) }

func decompress(data []byte) ([]byte, error) { return theCompressor().decoder.DecodeAll(data, nil) }
