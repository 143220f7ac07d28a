package ops

import (
	"prefectd/prefect"
	"prefectd/store"
)

// InsertCachedState adds an entry to the cache of task runs.
type InsertCachedState struct {
	Entry store.CachedState
}

// Run answers nothing.
func (o *InsertCachedState) Run(c *Context) (any, error) {
	store.TaskRunCache.Put(c.Tx, &o.Entry)
	return nil, nil
}

// ReadCachedState looks a key up in the cache of task runs.
type ReadCachedState struct {
	Key string
}

// Read answers the newest *store.CachedState that has not expired, or nil.
func (q *ReadCachedState) Read(tx *store.Tx, now prefect.Time) (any, error) {
	for entry := range store.TaskRunCache.Rows(tx, store.Range{Prefix: key(store.CacheHash(q.Key)), Desc: true}) {
		if entry.Key == q.Key && (entry.Expiration.IsNull() || entry.Expiration > now) {
			return entry, nil
		}
	}
	return (*store.CachedState)(nil), nil
}

// runOrSend runs an operation here if this is its group, else sends it there.
func (c *Context) runOrSend(group int, op Operation) error {
	if group != c.Group {
		return c.Send(group, op)
	}
	_, err := op.Run(c)
	return err
}

// fail notes the first failure of a transition's hooks.
func (t *transition) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}
