package store

import "prefectd/prefect"

// State is the schema of every group's state file. Table numbers are stored in
// files and log entries: they are never reused.
var State = Schema{
	Flows, Leases,
	FlowRuns, TaskRuns, FlowRunStates, TaskRunStates, FlowRunInputs, TaskRunCache, Artifacts, ArtifactCollections,
	TaskQueue, CancelledRuns,
	Deployments, ScheduleProgresses, WorkPools, WorkQueues, Workers, Cleanups, ConcurrencyLimits, Variables, SavedSearches,
	CSRFTokens, BlockTypes, BlockSchemas, BlockDocuments, Configurations,
	Automations, Buckets, ChildFirings, EventCursors, Invocations,
	Logs, Events,
	Outbox, Inbox, OutboxMarks,
	Charters, Members, Removals, Placements,
	Operations,
}

// idLen is the length of an id as a key.
const idLen = 16

// Flows, in the coordination group.
var (
	FlowsByName = &Index[prefect.Flow]{
		Number: 1, Version: 1, Unique: true,
		Keys: func(f *prefect.Flow, k Key, add func(Key)) { add(k.String(f.Name)) },
	}
	Flows = NewTable("flows", 1, idLen,
		func(f *prefect.Flow, k Key) Key { return k.ID(f.ID) },
		FlowsByName)
)

// FlowRunInputs live with their flow run.
var (
	FlowRunInputsByKey = &Index[prefect.FlowRunInput]{
		Number: 1, Version: 1, Unique: true,
		Keys: func(in *prefect.FlowRunInput, k Key, add func(Key)) { add(k.ID(in.FlowRunID).String(in.Key)) },
	}
	FlowRunInputs = NewTable("flow_run_inputs", 8, idLen,
		func(in *prefect.FlowRunInput, k Key) Key { return k.ID(in.ID) },
		FlowRunInputsByKey)
)

// CachedState is an entry of the task-run cache. It lives in the group of the
// cache key's hash.
type CachedState struct {
	Key        string        `json:"key" row:"1"`
	Created    prefect.Time  `json:"created" row:"2"`
	Expiration prefect.Time  `json:"expiration" row:"3"`
	State      prefect.State `json:"state" row:"4"`
	Data       prefect.JSON  `json:"data" row:"5"`
}

// CacheHash is what places and finds a cache key.
func CacheHash(key string) prefect.ID { return prefect.ID(Key{}.Name(key)) }

// TaskRunCache holds, per cache key, the newest entry last.
var (
	// TaskRunCacheByExpiration orders the entries that expire.
	TaskRunCacheByExpiration = &Index[CachedState]{
		Number: 1, Version: 1,
		Keys: func(c *CachedState, k Key, add func(Key)) {
			if c.Expiration != 0 {
				add(k.Time(c.Expiration))
			}
		},
	}
	TaskRunCache = NewTable("task_run_cache", 10, idLen+8,
		func(c *CachedState, k Key) Key { return k.ID(CacheHash(c.Key)).Time(c.Created) },
		TaskRunCacheByExpiration)
)

// Message is an operation for another group that an entry of this group causes.
type Message struct {
	Sequence uint64       `row:"1"`
	Group    int          `row:"2"` // the group that it is for
	Kind     string       `row:"3"` // the operation
	Body     []byte       `row:"4"` // encoded
	Sent     prefect.Time `row:"5"`
}

// Outbox holds the messages that the group's leader has yet to deliver, per
// receiving group in order.
var Outbox = NewTable("outbox", 11, 16,
	func(m *Message, k Key) Key { return k.Uint64(uint64(m.Group)).Uint64(m.Sequence) })

// Received is how far a group has taken another group's messages.
type Received struct {
	Group    int    `row:"1"` // the group that sent them
	Sequence uint64 `row:"2"` // the last one taken
}

// Inbox makes the delivery of messages idempotent: they arrive in order, and
// those up to the mark were taken already.
var Inbox = NewTable("inbox", 12, 8,
	func(r *Received, k Key) Key { return k.Uint64(uint64(r.Group)) })

// OutboxMarks is how far each group has taken this group's messages: numbers go
// on from there when the outbox is empty.
var OutboxMarks = NewTable("outbox_marks", 13, 8,
	func(r *Received, k Key) Key { return k.Uint64(uint64(r.Group)) })
