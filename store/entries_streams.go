package store

import (
	"encoding/binary"
	"hash/crc32"
	"hash/fnv"
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

// ResourceHash stands for a resource id in an index entry. Its 40 bits are
// trusted: among a million events about seven resources each, one would be taken
// for an event about another resource once in 150,000 queries.
type ResourceHash [5]byte

// HashResource is the hash of a resource id.
func HashResource(id string) (hash ResourceHash) {
	h := fnv.New64a()
	h.Write([]byte(id))
	sum := h.Sum64()
	binary.BigEndian.PutUint32(hash[:], uint32(sum^sum>>32))
	hash[4] = byte(crc32.ChecksumIEEE([]byte(id)))
	return hash
}

// EventEntry is what the entries of EventsByOccurred say about an event. It
// aliases the entry.
type EventEntry struct {
	hashes []byte
	name   []byte
}

// eventNames are the beginnings that most names of events have; an entry has the
// number of one instead. Numbers are stored: only append.
var eventNames = []string{"", "prefect.flow-run.", "prefect.task-run.", "prefect."}

func appendEventEntry(e *prefect.Event, b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(ResourceHash{})*(1+len(e.Related))))
	hash := HashResource(e.Resource.ID())
	b = append(b, hash[:]...)
	for _, r := range e.Related {
		hash = HashResource(r.ID())
		b = append(b, hash[:]...)
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
	size, n := binary.Uvarint(e.Extract())
	b := e.Extract()[n:]
	return EventEntry{hashes: b[:size:size], name: b[size:]}
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

// About reports whether the event is about one of the resources.
func (e EventEntry) About(resources map[ResourceHash]bool) bool {
	return resources[ResourceHash(e.hashes)]
}

// Relates reports whether one of the resources is related to the event.
func (e EventEntry) Relates(resources map[ResourceHash]bool) bool {
	for h := e.hashes[len(ResourceHash{}):]; len(h) > 0; h = h[len(ResourceHash{}):] {
		if resources[ResourceHash(h)] {
			return true
		}
	}
	return false
}

// LogEntry is what the entries of LogsByRun say about a log.
type LogEntry struct {
	Level int
	task  uint64
}

func appendLogEntry(l *prefect.Log, b []byte) []byte {
	b = binary.AppendVarint(b, int64(l.Level))
	if !l.TaskRunID.IsNull() {
		b = binary.BigEndian.AppendUint64(b, foldID(l.TaskRunID))
	}
	return b
}

// ParseLogEntry reads an entry of LogsByRun.
func ParseLogEntry(e Entry) LogEntry {
	level, n := binary.Varint(e.Extract())
	entry := LogEntry{Level: int(level)}
	if b := e.Extract()[n:]; len(b) == 8 {
		entry.task = binary.BigEndian.Uint64(b)
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
