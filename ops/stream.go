package ops

import (
	"prefectd/prefect"
	"prefectd/store"
)

// Emit appends an event to the group's stream. One that is there already, by its
// id, is left alone; the answer says whether it was new.
func (c *Context) Emit(e *prefect.Event) bool {
	if store.EventsByID.Find(c.Tx, key(e.ID)) != nil {
		return false
	}
	e.Received = c.Now
	e.Sequence = 1
	if last := store.Events.Last(c.Tx, store.Range{}); last != nil {
		e.Sequence = last.Sequence + 1
	}
	store.Events.Put(c.Tx, e)
	return true
}
