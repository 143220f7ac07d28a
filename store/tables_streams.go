package store

import (
	"hash/fnv"

	"prefectd/prefect"
)

// Logs are ordered by their time.
var (
	// LogsByRun orders the logs of a flow run (of a task run, if there is no flow
	// run) by time.
	LogsByRun = &Index[prefect.Log]{
		Number: 1, Version: 1, Cover: prefect.ColumnSet(4, 8),
		Keys: func(l *prefect.Log, k Key, add func(Key)) {
			switch {
			case !l.FlowRunID.IsNull():
				add(k.ID(l.FlowRunID).Time(l.Timestamp))
			case !l.TaskRunID.IsNull():
				add(k.ID(l.TaskRunID).Time(l.Timestamp))
			}
		},
	}
	Logs = NewTable("logs", 6, 8+idLen,
		func(l *prefect.Log, k Key) Key { return k.Time(l.Timestamp).ID(l.ID) },
		LogsByRun)
)

// Events are numbered as they are written: the table is the group's durable stream.
var (
	EventsByID = &Index[prefect.Event]{
		Number: 1, Version: 1, Unique: true,
		Keys: func(e *prefect.Event, k Key, add func(Key)) { add(k.ID(e.ID)) },
	}
	EventsByOccurred = &Index[prefect.Event]{
		Number: 2, Version: 1, Cover: prefect.ColumnSet(2),
		Keys: func(e *prefect.Event, k Key, add func(Key)) { add(k.Time(e.Occurred)) },
	}
	// EventsByResource orders the events about a resource, by the hash of its id.
	EventsByResource = &Index[prefect.Event]{
		Number: 3, Version: 1,
		Keys: func(e *prefect.Event, k Key, add func(Key)) {
			add(k.Uint64(ResourceHash(e.Resource.ID())).Time(e.Occurred))
		},
	}
	Events = NewTable("events", 7, 8,
		func(e *prefect.Event, k Key) Key { return k.Uint64(e.Sequence) },
		EventsByID, EventsByOccurred, EventsByResource).Compressed()
)

// ResourceHash stands for a resource id in an index key.
func ResourceHash(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	return h.Sum64()
}
