package cluster

import (
	"math"
	"slices"
	"time"
)

// reservation keeps the log from an entry on, however long it gets: a member is being
// sent the state up to there, and needs what is written meanwhile. Were that cut, it
// would have to be sent the state again, and again.
type reservation struct {
	from  uint64
	limit int64 // of the log's bytes
	begun time.Time
	ends  time.Time // zero while the member is being sent the state
}

// reserve keeps the log from an entry on until release is called, and then for as long
// again, in which the member catches up. A log that is larger than the state is no
// better than that: limit is the state's size.
func (l *logFile) reserve(from uint64, limit int64) (release func()) {
	r := &reservation{from: from, limit: limit, begun: time.Now()}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reservations = append(l.reservations, r)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		now := time.Now()
		r.ends = now.Add(now.Sub(r.begun))
	}
}

// reserved is the first entry that is to be kept. The caller holds the lock.
func (l *logFile) reserved() uint64 {
	now := time.Now()
	l.reservations = slices.DeleteFunc(l.reservations, func(r *reservation) bool {
		return l.bytes > r.limit || !r.ends.IsZero() && now.After(r.ends)
	})
	first := uint64(math.MaxUint64)
	for _, r := range l.reservations {
		first = min(first, r.from)
	}
	return first
}
