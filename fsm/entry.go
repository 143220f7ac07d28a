package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
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

// An encoded entry is a version byte, a flags byte, from version 2 on a CRC-32C of
// these two and the body, big endian, and the body: the base and the number of
// changes, then per change its table, key and value. A value is preceded by its
// length plus one; 0 is a deletion.
//
// Every version is read for ever. A version is written from the feature level of the
// same number on, when every member knows it.
const (
	entryPlain     = 1
	entryChecked   = 2
	flagCompressed = 1 // the body is a zstd frame
	headLen        = 2 // version and flags
	// compressFrom is the size from which a body is worth compressing: below, an
	// entry fills few pages of the log either way.
	compressFrom = 16 << 10
	// maxEntry bounds what a damaged entry can make the decoder allocate.
	maxEntry = 256 << 20
	// minChange is the least that a change takes: table, length of key, value.
	minChange = 3
)

var errEntry = errors.New("log entry is damaged: restore the data folder from a backup")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkOf is the checksum of an entry's head and body.
func checkOf(head, body []byte) uint32 {
	return crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, body)
}

// versionAt is the version in which entries are written at a feature level.
func versionAt(level int) byte { return byte(max(entryPlain, min(level, entryChecked))) }

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

// Encode is the entry in the form that every version of the program reads.
func (e *Entry) Encode() []byte { return e.encode(entryPlain) }

func (e *Entry) encode(version byte) []byte {
	head := make([]byte, bodyAt(version))
	head[0] = version
	data := e.appendBody(head)
	if len(data) >= compressFrom {
		head[1] = flagCompressed
		data = theCoders().encoder.EncodeAll(data[len(head):], head)
	}
	if version == entryChecked {
		binary.BigEndian.PutUint32(data[headLen:], checkOf(data[:headLen], data[len(head):]))
	}
	return data
}

// bodyAt is where the body of an entry of a version begins.
func bodyAt(version byte) int {
	if version == entryChecked {
		return headLen + crc32.Size
	}
	return headLen
}

func (e *Entry) appendBody(head []byte) []byte {
	size := len(head) + 2*binary.MaxVarintLen64
	for i := range e.Changes {
		size += 1 + 2*binary.MaxVarintLen32 + len(e.Changes[i].Key) + len(e.Changes[i].Value)
	}
	b := append(make([]byte, 0, size), head...)
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
	return b
}

// Decode reads an entry. Keys and values alias data where it is not compressed.
func Decode(data []byte) (*Entry, error) { return decode(data, entryChecked) }

// decode reads an entry of a version up to the newest that is known.
func decode(data []byte, newest byte) (*Entry, error) {
	if len(data) < headLen {
		return nil, errEntry
	}
	version, flags := data[0], data[1]
	if version < entryPlain || version > newest {
		return nil, fmt.Errorf("log entry has version %d, this program knows %d: start the version that wrote it", version, newest)
	}
	if len(data) < bodyAt(version) {
		return nil, errEntry
	}
	body := data[bodyAt(version):]
	if version == entryChecked && binary.BigEndian.Uint32(data[headLen:]) != checkOf(data[:headLen], body) {
		return nil, errEntry
	}
	switch flags {
	case 0:
	case flagCompressed:
		var err error
		if body, err = theCoders().decoder.DecodeAll(body, nil); err != nil {
			return nil, fmt.Errorf("%w: %w", errEntry, err)
		}
	default:
		return nil, fmt.Errorf("log entry has flags %#x, which this program does not know: start the version that wrote it", flags)
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
