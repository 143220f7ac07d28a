package ops

import (
	"encoding/binary"
	"math/rand/v2"

	"prefectd/prefect"
	"prefectd/store"
)

// Operation is a change of one group's state. Its exported fields are all it
// knows: it may be sent to another node as JSON. Run answers the caller's value;
// when it fails, none of its writes stay.
type Operation interface {
	Run(c *Context) (any, error)
}

// Query reads one group's state. Its answer must not alias rows of the
// transaction's file.
type Query interface {
	Read(tx *store.Tx, now prefect.Time) (any, error)
}

// Context is what an operation may use: the group's state and its writes so
// far, and the leader's clock and random numbers.
type Context struct {
	Tx       *store.Tx
	Now      prefect.Time // fixed for one operation
	Rand     *rand.Rand
	Settings *Settings
	Groups   Groups // how slots map to groups
	Group    int    // the group that this operation runs in
}

// Groups says how the 256 slots are spread over the run groups, which are
// numbered from 1; the coordination group is number 0.
type Groups struct {
	Runs int // number of run groups
}

// Coordination is the number of the coordination group.
const Coordination = 0

// OfSlot is the run group that owns a slot.
func (g Groups) OfSlot(slot byte) int { return 1 + int(slot)*g.Runs/256 }

// Of is the run group that holds the object with an id.
func (g Groups) Of(id prefect.ID) int { return g.OfSlot(id.Slot()) }

// RunGroups lists the run groups.
func (g Groups) RunGroups() []int {
	list := make([]int, g.Runs)
	for i := range list {
		list[i] = i + 1
	}
	return list
}

// NewID makes a UUIDv7 in a slot.
func (c *Context) NewID(slot byte) prefect.ID { return NewID(c.Now, c.Rand, slot) }

// NewID makes a UUIDv7 of an instant with the last byte chosen.
func NewID(now prefect.Time, r *rand.Rand, slot byte) (id prefect.ID) {
	binary.BigEndian.PutUint64(id[8:], r.Uint64())
	binary.BigEndian.PutUint64(id[:], uint64(now.Go().UnixMilli())<<16|r.Uint64()&0xffff)
	id[6] = 0x70 | id[6]&0x0f
	id[8] = 0x80 | id[8]&0x3f
	id[15] = slot
	return id
}

// All lists all groups, by their number.
func (g Groups) All() []int { return append([]int{Coordination}, g.RunGroups()...) }

// Settings are the limits and waits that operations obey.
type Settings struct {
	MaxCacheKeyLength   int              // PREFECT_SERVER_TASKS_MAX_CACHE_KEY_LENGTH
	TagSlotWait         prefect.Duration // PREFECT_SERVER_TASKS_TAG_CONCURRENCY_SLOT_WAIT_SECONDS
	GlobalSlotWait      prefect.Duration // PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS
	Repossessor         Rounds
	EncryptionKey       string           // PREFECT_SERVER_ENCRYPTION_KEY: of the data of blocks; empty for one that the cluster makes
	DeploymentLease     prefect.Duration // PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION
	DeploymentSlotWait  prefect.Duration // PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS
	GraphMaxNodes       int              // PREFECT_SERVER_FLOW_RUN_GRAPH_MAX_NODES
	GraphMaxArtifacts   int              // PREFECT_SERVER_FLOW_RUN_GRAPH_MAX_ARTIFACTS
	EventMaxBytes       int              // PREFECT_SERVER_EVENTS_MAXIMUM_SIZE_BYTES
	EventMaxBackfill    prefect.Duration // PREFECT_SERVER_EVENTS_MAXIMUM_WEBSOCKET_BACKFILL
	RecordTaskRunEvents bool             // PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED

	LateRuns            LateRuns
	PauseExpirations    Rounds
	CancellationCleanup CancellationCleanup
	Vacuum              Vacuum
	Scheduler           Scheduler
	Triggers            Triggers

	Foreman               bool             // PREFECT_SERVER_SERVICES_FOREMAN_ENABLED
	ForemanLoop           prefect.Duration // PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS
	MissedHeartbeats      int              // PREFECT_SERVER_SERVICES_FOREMAN_INACTIVITY_HEARTBEAT_MULTIPLE
	UsualHeartbeat        int              // seconds: PREFECT_SERVER_SERVICES_FOREMAN_FALLBACK_HEARTBEAT_INTERVAL_SECONDS
	DeploymentPollTimeout int              // seconds: PREFECT_SERVER_SERVICES_FOREMAN_DEPLOYMENT_LAST_POLLED_TIMEOUT_SECONDS
	QueuePollTimeout      int              // seconds: PREFECT_SERVER_SERVICES_FOREMAN_WORK_QUEUE_LAST_POLLED_TIMEOUT_SECONDS

	CleanupReconciler      bool             // PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_ENABLED
	CleanupReconcilerLoop  prefect.Duration // PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_LOOP_SECONDS
	CleanupReconcilerBatch int              // PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_BATCH_SIZE
	CleanupLease           prefect.Duration // PREFECT_SERVER_WORKER_CHANNEL_CLEANUP_LEASE_SECONDS
	CleanupDeliveries      int              // PREFECT_SERVER_WORKER_CHANNEL_CLEANUP_MAX_DELIVERY_ATTEMPTS
}

// DefaultSettings are the defaults of the Python server.
func DefaultSettings() *Settings {
	return &Settings{
		MaxCacheKeyLength:   2000,
		TagSlotWait:         10 * prefect.Second,
		GlobalSlotWait:      30 * prefect.Second,
		Repossessor:         Rounds{Enabled: true, Every: 15 * prefect.Second},
		DeploymentLease:     5 * prefect.Minute,
		DeploymentSlotWait:  30 * prefect.Second,
		GraphMaxNodes:       10_000,
		GraphMaxArtifacts:   10_000,
		EventMaxBytes:       1_500_000,
		EventMaxBackfill:    15 * prefect.Minute,
		RecordTaskRunEvents: true,

		LateRuns:            LateRuns{Rounds: Rounds{Enabled: true, Every: 5 * prefect.Second}, After: 15 * prefect.Second},
		PauseExpirations:    Rounds{Enabled: true, Every: 5 * prefect.Second},
		CancellationCleanup: CancellationCleanup{Rounds: Rounds{Enabled: true, Every: 20 * prefect.Second}, Timeout: 5 * prefect.Minute},
		Vacuum:              defaultVacuum(),
		Scheduler:           defaultScheduler(),
		Triggers: Triggers{
			Rounds:      Rounds{Enabled: true, Every: 500 * prefect.Millisecond},
			Granularity: 5 * prefect.Second, BucketBuffer: prefect.Minute,
		},

		Foreman:               true,
		ForemanLoop:           15 * prefect.Second,
		MissedHeartbeats:      3,
		UsualHeartbeat:        30,
		DeploymentPollTimeout: 60,
		QueuePollTimeout:      60,

		CleanupReconciler:      true,
		CleanupReconcilerLoop:  5 * prefect.Second,
		CleanupReconcilerBatch: 100,
		CleanupLease:           30 * prefect.Second,
		CleanupDeliveries:      3,
	}
}
