package store

import (
	"encoding/binary"
	"hash/crc32"
	"hash/fnv"
	"iter"
	"strings"

	"prefectd/prefect"
)

// resourceKeyLen is the length of what Resource appends.
const resourceKeyLen = 12

// Resource appends what stands for a resource id in a key. Ids that end in a UUID
// are ordered by it, because those of one kind that are made at one time should
// be neighbours.
func (k Key) Resource(id string) Key {
	uuid, ok := prefect.NoID, false
	if len(id) >= 36 {
		uuid, ok = textID([]byte(id[len(id)-36:]))
	}
	if ok {
		k = append(k, uuid[:8]...)
	} else {
		h := fnv.New64a()
		h.Write([]byte(id))
		k = h.Sum(k)
	}
	return binary.BigEndian.AppendUint32(k, crc32.ChecksumIEEE([]byte(id)))
}

// HashResource stands for a resource id in index entries.
func HashResource(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	return h.Sum64()
}

// ShortHash is what is left of a hash in the entries of related resources: 40 bits,
// which are trusted. Among a million events with seven resources each, one would
// be taken for an event with another resource once in 150,000 queries.
func ShortHash(hash uint64) uint64 { return hash >> 24 }

// EventEntry is what the entries of EventsByOccurred say about an event. It
// aliases the entry.
type EventEntry struct {
	primary uint64
	related []byte
	name    []byte
}

const (
	hashLen  = 8
	shortLen = 5
)

// eventNames are the beginnings that most names of events have; an entry has the
// number of one instead. Numbers are stored: only append.
var eventNames = []string{"", "prefect.flow-run.", "prefect.task-run.", "prefect."}

func appendEventEntry(e *prefect.Event, b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, HashResource(e.Resource.ID()))
	b = binary.AppendUvarint(b, uint64(len(e.Related)))
	for _, r := range e.Related {
		var hash [hashLen]byte
		binary.BigEndian.PutUint64(hash[:], HashResource(r.ID()))
		b = append(b, hash[:shortLen]...)
	}
	number, rest := 0, e.Event
	for i := 1; i < len(eventNames); i++ {
		if after, ok := strings.CutPrefix(e.Event, eventNames[i]); ok {
			number, rest = i, after
			break
		}
	}
	return append(append(b, byte(number)), rest...)
}

// ParseEventEntry reads an entry of EventsByOccurred.
func ParseEventEntry(e Entry) EventEntry {
	b := e.Extract()
	count, n := binary.Uvarint(b[hashLen:])
	related := b[hashLen+n:]
	size := int(count) * shortLen
	return EventEntry{primary: binary.BigEndian.Uint64(b), related: related[:size:size], name: related[size:]}
}

// RawName is the event's name in its stored form: the same for the same name.
func (e EventEntry) RawName() []byte { return e.name }

// Name is the event's name.
func (e EventEntry) Name() string {
	if int(e.name[0]) >= len(eventNames) {
		return string(e.name[1:])
	}
	return eventNames[e.name[0]] + string(e.name[1:])
}

// Resource is the hash of the resource that the event is about.
func (e EventEntry) Resource() uint64 { return e.primary }

// Related yields the short hashes of the related resources.
func (e EventEntry) Related() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for r := e.related; len(r) > 0; r = r[shortLen:] {
			if !yield(uint64(binary.BigEndian.Uint32(r))<<8 | uint64(r[4])) {
				return
			}
		}
	}
}

// LogEntry is what the entries of LogsByRun say about a log.
type LogEntry struct {
	Level     int
	FlowRunID prefect.ID
	task      uint64
}

// noFlowRun in the place of a task run says that the run of the key is one.
const noFlowRun = 0

func appendLogEntry(l *prefect.Log, b []byte) []byte {
	b = binary.AppendVarint(b, int64(l.Level))
	switch {
	case l.FlowRunID.IsNull():
		b = append(b, noFlowRun)
	case !l.TaskRunID.IsNull():
		b = binary.BigEndian.AppendUint64(b, foldID(l.TaskRunID))
	}
	return b
}

// ParseLogEntry reads an entry of LogsByRun.
func ParseLogEntry(e Entry) LogEntry {
	level, n := binary.Varint(e.Extract())
	entry := LogEntry{Level: int(level), FlowRunID: e.Key.IDAt(0)}
	switch rest := e.Extract()[n:]; len(rest) {
	case 1:
		entry.task, entry.FlowRunID = foldID(entry.FlowRunID), prefect.NoID
	case 8:
		entry.task = binary.BigEndian.Uint64(rest)
	}
	return entry
}

// HasTaskRun reports whether the log is of any task run.
func (e LogEntry) HasTaskRun() bool { return e.task != 0 }

// OfTaskRun reports whether the log is of a task run.
func (e LogEntry) OfTaskRun(id prefect.ID) bool { return e.task == foldID(id) }

// foldID makes 64 bits of an id, never 0.
func foldID(id prefect.ID) uint64 {
	return (binary.BigEndian.Uint64(id[:8]) ^ binary.BigEndian.Uint64(id[8:])) | 1
}
