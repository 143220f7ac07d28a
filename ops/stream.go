package ops

import (
	"prefectd/prefect"
	"prefectd/store"
)

// Emit appends an event to the group's stream. One that is there already, by its
// id, is left alone; the answer says whether it was new.
//
// The newest event of a group is never removed, so that no number comes again.
func (c *Context) Emit(e *prefect.Event) bool {
	if store.EventsByID.Has(c.Tx, key(e.ID)) {
		return false
	}
	e.Received = c.Now
	e.Sequence = lastSequence(c.Tx) + 1
	if e.Payload == nil {
		e.Payload = prefect.JSON(`{}`)
	}
	store.Events.Put(c.Tx, e)
	return true
}

// lastSequence is the number of the group's newest event, 0 if there is none.
func lastSequence(tx *store.Tx) uint64 {
	if last := store.Events.LastKey(tx, store.Range{}); last != nil {
		return last.Uint64At(0)
	}
	return 0
}

// ReadStream reads a group's stream from a number on.
type ReadStream struct {
	From  uint64
	Limit int
}

// Read answers a []*prefect.Event.
func (q *ReadStream) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	var events []*prefect.Event
	for e := range store.Events.Rows(tx, store.Range{From: store.Key{}.Uint64(q.From)}) {
		if events = append(events, e); len(events) >= q.Limit {
			break
		}
	}
	return events, nil
}
