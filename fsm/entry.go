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
	flagCompressed = 1 // the body is a zstd frame
	// compressFrom is the size from which a body is worth compressing: below, an
	// entry fills few pages of the log either way.
	compressFrom = 16 << 10
	// maxEntry bounds what a damaged entry can make the decoder allocate.
	maxEntry = 256 << 20
	// minChange is the least that a change takes: table, length of key, value.
	minChange = 3
)

var errEntry = errors.New("log entry is damaged")

// coders are shared by all groups, and made when first needed: a small server
// may never write an entry that is compressed.
type coders struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

var theCoders = sync.OnceValue(func() coders {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2),
		zstd.WithWindowSize(1<<20))
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
	size := 2 + 2*binary.MaxVarintLen64
	for i := range e.Changes {
		size += 1 + 2*binary.MaxVarintLen32 + len(e.Changes[i].Key) + len(e.Changes[i].Value)
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
		return nil, fmt.Errorf("log entry has flags %#x, which this program does not know: start the version that wrote it", data[1])
	}
	r := reader{data: body}
	e := &Entry{Base: r.uvarint()}
	n := r.uvarint()
	if n > uint64(len(r.data)/minChange) {
		return nil, errEntry
	}
	e.Changes = make([]store.Change, n)
	for i := range e.Changes {
		c := &e.Changes[i]
		c.Table = r.byte()
		c.Key = r.bytes(r.uvarint())
		if size := r.uvarint(); size > 0 {
			c.Value = r.bytes(size - 1)
		}
	}
	if r.failed || len(r.data) > 0 {
		return nil, errEntry
	}
	return e, nil
}

// reader takes an entry's body apart; once it failed it gives zeros.
type reader struct {
	data   []byte
	failed bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.data, r.failed = nil, true
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
		r.data, r.failed = nil, true
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}
