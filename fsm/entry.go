package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"prefectd/store"
)

// Entry is one log entry: the rows that a batch of operations changed.
type Entry struct {
	// Base is the index of the last data entry that the batch was evaluated on.
	// The entry holds only if no other one came between.
	Base    uint64
	Changes []store.Change
}

// An encoded entry is a version byte, a flags byte, and a body: the base and the
// number of changes, then per change its table, key and value. A value is
// preceded by its length plus one; 0 is a deletion.
const (
	entryVersion   = 1
	flagCompressed = 1
	// compressFrom is the size from which a body is worth compressing; rows of
	// events are compressed already.
	compressFrom = 4 << 10
	// maxEntry bounds what a damaged entry can make the decoder allocate.
	maxEntry = 256 << 20
)

var errEntry = errors.New("log entry is damaged")

type coders struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

var theCoders = sync.OnceValue(func() coders {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		panic(err) // the options are constant
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxEntry))
	if err != nil {
		panic(err)
	}
	return coders{enc, dec}
})

// Encode is the log form of the entry.
func (e *Entry) Encode() []byte {
	size := 32
	for _, c := range e.Changes {
		size += 16 + len(c.Key) + len(c.Value)
	}
	b := append(make([]byte, 0, size), entryVersion, 0)
	b = binary.AppendUvarint(b, e.Base)
	b = binary.AppendUvarint(b, uint64(len(e.Changes)))
	for _, c := range e.Changes {
		b = append(b, c.Table)
		b = binary.AppendUvarint(b, uint64(len(c.Key)))
		b = append(b, c.Key...)
		if c.Value == nil {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(c.Value))+1)
		b = append(b, c.Value...)
	}
	if len(b) < compressFrom {
		return b
	}
	return theCoders().encoder.EncodeAll(b[2:], []byte{entryVersion, flagCompressed})
}

// Decode reads an entry. Keys and values alias data where it is not compressed.
func Decode(data []byte) (*Entry, error) {
	if len(data) < 2 {
		return nil, errEntry
	}
	if data[0] != entryVersion {
		return nil, fmt.Errorf("log entry has version %d, this program knows %d: start the version that wrote it", data[0], entryVersion)
	}
	body := data[2:]
	switch data[1] {
	case 0:
	case flagCompressed:
		var err error
		if body, err = theCoders().decoder.DecodeAll(body, nil); err != nil {
			return nil, fmt.Errorf("%w: %w", errEntry, err)
		}
	default:
		return nil, fmt.Errorf("log entry has flags %#x, which this program does not know", data[1])
	}
	r := reader{data: body}
	e := &Entry{Base: r.uvarint()}
	n := r.uvarint()
	for i := uint64(0); i < n && r.err == nil; i++ {
		c := store.Change{Table: r.byte()}
		c.Key = r.bytes(r.uvarint())
		if size := r.uvarint(); size > 0 {
			c.Value = r.bytes(size - 1)
		}
		e.Changes = append(e.Changes, c)
	}
	if r.err == nil && len(r.data) > 0 {
		r.err = errEntry
	}
	return e, r.err
}

// reader takes an entry's body apart; after an error it gives zeros.
type reader struct {
	data []byte
	err  error
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.data, r.err = nil, errEntry
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.data)) {
		r.data, r.err = nil, errEntry
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}
