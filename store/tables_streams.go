package store

import "prefectd/prefect"

// Logs are ordered by their time.
var (
	// LogsByRun orders the logs of a flow run (of a task run, if there is no flow
	// run) as the table does. An entry says of which level and which task run a log
	// is; see LogEntry.
	LogsByRun = &Index[prefect.Log]{
		Number: 1, Version: 1, Growing: true,
		Keys: func(l *prefect.Log, k Key, add func(Key)) {
			switch {
			case !l.FlowRunID.IsNull():
				add(k.ID(l.FlowRunID))
			case !l.TaskRunID.IsNull():
				add(k.ID(l.TaskRunID))
			}
		},
		Extract: appendLogEntry,
	}
	Logs = NewTable("logs", 6, 8+idLen,
		func(l *prefect.Log, k Key) Key { return k.Time(l.Timestamp).ID(l.ID) },
		LogsByRun).Compressed().Permanent()
)

// Events are numbered as they are written: the table is the group's durable stream.
var (
	EventsByID = &Index[prefect.Event]{
		Number: 1, Version: 1, Unique: true, Growing: true,
		Keys: func(e *prefect.Event, k Key, add func(Key)) { add(k.ID(e.ID)) },
	}
	// EventsByOccurred orders events by time; an entry says what happened to whom,
	// see EventEntry.
	EventsByOccurred = &Index[prefect.Event]{
		Number: 2, Version: 1, Growing: true,
		Keys:    func(e *prefect.Event, k Key, add func(Key)) { add(k.Time(e.Occurred)) },
		Extract: appendEventEntry,
	}
	// EventsByResource orders the events about a resource.
	EventsByResource = &Index[prefect.Event]{
		Number: 3, Version: 1, Growing: true,
		Keys: func(e *prefect.Event, k Key, add func(Key)) {
			add(k.Resource(e.Resource.ID()).Time(e.Occurred))
		},
	}
	Events = NewTable("events", 7, 8,
		func(e *prefect.Event, k Key) Key { return k.Uint64(e.Sequence) },
		EventsByID, EventsByOccurred, EventsByResource).Compressed().Permanent()
)
