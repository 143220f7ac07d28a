package ops

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"

	"github.com/google/uuid"

	"prefectd/prefect"
	"prefectd/store"
)

// Messages to workers live in the coordination group, so that a worker may be connected
// to any node. Each is delivered to one worker at a time, for as long as its lease
// lasts, and so many times; then it is given up.

// CancellingTimeout is the kind of message about a run that was cancelled because
// nobody answered.
const CancellingTimeout = "cancelling_timeout_teardown.v1"

// cleanupMemory is how long a message that is done is known, should it come again.
const cleanupMemory = prefect.Hour * 24

// EnqueueCleanup has the workers of a run's pool remove what the run left behind, once
// for a state of the run. It does nothing if there is no such pool, or if its kind of
// infrastructure has no workers.
type EnqueueCleanup struct {
	FlowRunID         prefect.ID
	StateID           prefect.ID // that the run was put in
	WorkQueueID       prefect.ID // of the run
	InfrastructurePID *string
}

// Run answers nothing.
func (o *EnqueueCleanup) Run(c *Context) (any, error) {
	queue := refOfQueue(c.Tx, store.WorkQueues.Get(c.Tx, key(o.WorkQueueID)))
	if queue == nil || strings.HasSuffix(queue.PoolType, ":push") || strings.HasSuffix(queue.PoolType, ":managed") {
		return nil, nil
	}
	name := CancellingTimeout + ":" + o.FlowRunID.String() + ":" + o.StateID.String()
	if store.CleanupsByKey.Has(c.Tx, key(queue.PoolID).String(name)) {
		return nil, nil
	}
	target, err := prefect.Marshal(struct {
		FlowRunID         prefect.ID `json:"flow_run_id"`
		InfrastructurePID *string    `json:"infrastructure_pid"`
	}{o.FlowRunID, o.InfrastructurePID})
	if err != nil {
		return nil, err
	}
	store.Cleanups.Put(c.Tx, &prefect.Cleanup{
		ID: prefect.ID(uuid.NewSHA1(uuid.NameSpaceURL, []byte("prefect:"+name))), Key: name,
		WorkPoolID: queue.PoolID, WorkQueueID: queue.ID, Kind: CancellingTimeout, Target: target,
		Data: prefect.JSON(`{}`), Created: c.Now,
	})
	return nil, nil
}

// CleanupWish says which messages a worker takes.
type CleanupWish struct {
	WorkPoolID prefect.ID
	Kinds      []string
	Queues     []prefect.ID // those of these queues first
}

// find is the message that is the worker's next, nil if there is none.
func (w *CleanupWish) find(tx *store.Tx, now prefect.Time) (next *prefect.Cleanup) {
	for m := range store.CleanupsByPool.Rows(tx, store.Range{Prefix: key(w.WorkPoolID)}) {
		switch {
		case !slices.Contains(w.Kinds, m.Kind) || m.Token != "" && now < m.Until:
		case slices.Contains(w.Queues, m.WorkQueueID):
			return m
		case next == nil:
			next = m
		}
	}
	return next
}

// CleanupWaits looks for a message.
type CleanupWaits struct {
	Wish CleanupWish
}

// Read answers a bool.
func (q *CleanupWaits) Read(tx *store.Tx, now prefect.Time) (any, error) {
	return q.Wish.find(tx, now) != nil, nil
}

// ReserveCleanup leaves a message to a worker, until the end of its lease.
type ReserveCleanup struct {
	Wish  CleanupWish
	Token string // by which the worker is known
}

// Run answers a *prefect.Cleanup, nil if there is none.
func (o *ReserveCleanup) Run(c *Context) (any, error) {
	for {
		m := o.Wish.find(c.Tx, c.Now)
		if m == nil {
			return m, nil
		}
		if m.Deliveries >= c.Settings.CleanupDeliveries {
			c.finishCleanup(m, true)
			continue
		}
		m.Deliveries++
		m.Token, m.Until = o.Token, c.Now.Add(c.Settings.CleanupLease)
		store.Cleanups.Put(c.Tx, m)
		return m, nil
	}
}

// finishCleanup keeps a message only so that it is known when it comes again.
func (c *Context) finishCleanup(m *prefect.Cleanup, failed bool) {
	m.Done, m.Failed, m.Token, m.Until = true, failed, "", c.Now.Add(cleanupMemory)
	store.Cleanups.Put(c.Tx, m)
}

// freeCleanup ends a worker's lease: the message is the next one's, or is given up when
// it was delivered often enough. The answer says which.
func (c *Context) freeCleanup(m *prefect.Cleanup) (failed bool) {
	if m.Deliveries >= c.Settings.CleanupDeliveries {
		c.finishCleanup(m, true)
		return true
	}
	m.Token, m.Until = "", 0
	store.Cleanups.Put(c.Tx, m)
	return false
}

// NextCleanup reserves the next message for a worker, nil if there is none.
func NextCleanup(ctx context.Context, b Backend, wish CleanupWish) (*prefect.Cleanup, error) {
	waits, err := Ask[bool](ctx, b, Coordination, &CleanupWaits{wish})
	if err != nil || !waits {
		return nil, err
	}
	return Do[*prefect.Cleanup](ctx, b, Coordination, &ReserveCleanup{Wish: wish, Token: rand.Text()})
}

// What a worker can do with a message that it has.
const (
	AckCleanup     = "ack"
	ReleaseCleanup = "release"
	RenewCleanup   = "renew"
)

// SettleCleanup does what a worker says with a message that it has.
type SettleCleanup struct {
	WorkPoolID prefect.ID
	MessageID  prefect.ID
	Token      string
	Operation  string
}

// Settled tells a worker what became of what it said.
type Settled struct {
	Status string       // accepted, or why not
	Until  prefect.Time // of an accepted renewal
	Reason string       // of what was not accepted
}

// Run answers a Settled.
func (o *SettleCleanup) Run(c *Context) (any, error) {
	m := store.Cleanups.Get(c.Tx, key(o.MessageID))
	switch {
	case m == nil || m.Done:
		return Settled{Status: "not_found", Reason: "message_not_found"}, nil
	case m.WorkPoolID != o.WorkPoolID:
		return Settled{Status: "unauthorized", Reason: "work_pool_mismatch"}, nil
	case m.Token == "":
		return Settled{Status: "not_current", Reason: "no_active_reservation"}, nil
	case m.Token != o.Token:
		return Settled{Status: "invalid_token", Reason: "reservation_token_mismatch"}, nil
	case m.Until <= c.Now:
		return c.settledFree(m, Settled{Status: "expired", Reason: "lease_expired"}), nil
	}
	answer := Settled{Status: "accepted"}
	switch o.Operation {
	case AckCleanup:
		c.finishCleanup(m, false)
	case ReleaseCleanup:
		answer = c.settledFree(m, answer)
	default:
		m.Until = c.Now.Add(c.Settings.CleanupLease)
		store.Cleanups.Put(c.Tx, m)
		answer.Until = m.Until
	}
	return answer, nil
}

func (c *Context) settledFree(m *prefect.Cleanup, answer Settled) Settled {
	if c.freeCleanup(m) {
		return Settled{Status: "dead_lettered", Reason: "max_delivery_attempts_reached"}
	}
	return answer
}

// cleanupReconciler ends the leases of workers that did not do what they took.
var cleanupReconciler = Service{
	Name: "cleanup_reconciler", Coordination: true,
	Enabled: func(s *Settings) bool { return s.CleanupReconciler },
	Every:   func(s *Settings) prefect.Duration { return s.CleanupReconcilerLoop },
	Round: func(ctx context.Context, b Backend, group int) (acted int, err error) {
		due, err := Ask[bool](ctx, b, group, &CleanupsEnd{})
		if err != nil || !due {
			return 0, err
		}
		return Do[int](ctx, b, group, &EndCleanups{})
	},
}

// CleanupsEnd looks whether the lease or the life of a message has ended.
type CleanupsEnd struct{}

// Read answers a bool.
func (q *CleanupsEnd) Read(tx *store.Tx, now prefect.Time) (any, error) {
	for range store.CleanupsByEnd.Entries(tx, store.Range{To: store.Key{}.Time(now)}) {
		return true, nil
	}
	return false, nil
}

// EndCleanups ends leases, and forgets what was done long ago.
type EndCleanups struct{}

// Run answers how many leases ended.
func (o *EndCleanups) Run(c *Context) (any, error) {
	ended, left := 0, c.Settings.CleanupReconcilerBatch
	for m := range store.CleanupsByEnd.Rows(c.Tx, store.Range{To: store.Key{}.Time(c.Now)}) {
		if left--; left < 0 {
			break
		}
		if m.Done {
			store.Cleanups.Delete(c.Tx, key(m.ID))
			continue
		}
		c.freeCleanup(m)
		ended++
	}
	return ended, nil
}
