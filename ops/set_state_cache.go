package ops

import (
	"prefectd/prefect"
	"prefectd/store"
)

// The cache of task runs: under a key, the states that tasks with that key ended
// in. An entry lives in the group of its key's hash.

// cacheGroup is the run group that holds the entries of a key.
func cacheGroup(groups Groups, cacheKey string) int { return groups.Of(store.CacheHash(cacheKey)) }

// usesCache reports whether a task with a state's details may take its result
// from the cache.
func usesCache(d *prefect.StateDetails) bool {
	return text(d.CacheKey) != "" && (d.RefreshCache == nil || !*d.RefreshCache)
}

// cacheable reports whether a state is kept in the cache.
func cacheable(s *prefect.State) bool {
	return s.Type == prefect.Completed && text(s.Details.CacheKey) != ""
}

// InsertCachedState adds an entry to the cache of task runs, and drops some that
// nobody can find any more.
type InsertCachedState struct {
	Entry store.CachedState
}

// droppedEntries is how many entries that have expired a new one clears away.
const droppedEntries = 10

// Run answers nothing.
func (o *InsertCachedState) Run(c *Context) (any, error) {
	n := 0
	for e := range store.TaskRunCacheByExpiration.Entries(c.Tx, store.Range{To: store.Key{}.Time(c.Now)}) {
		if n++; n > droppedEntries {
			break
		}
		store.TaskRunCache.Delete(c.Tx, append(store.Key{}, e.Primary...))
	}
	for older := range store.TaskRunCache.Rows(c.Tx, store.Range{Prefix: key(store.CacheHash(o.Entry.Key)), To: store.TaskRunCache.Key(&o.Entry)}) {
		if older.Key == o.Entry.Key && outlives(&o.Entry, older) {
			store.TaskRunCache.Delete(c.Tx, store.TaskRunCache.Key(older))
		}
	}
	store.TaskRunCache.Put(c.Tx, &o.Entry)
	return nil, nil
}

// outlives reports whether an entry is there for as long as another.
func outlives(entry, other *store.CachedState) bool {
	return entry.Expiration.IsNull() || !other.Expiration.IsNull() && other.Expiration <= entry.Expiration
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
