package store

import (
	"slices"

	"prefectd/prefect"
)

// What hands runs to workers lives in the coordination group.

// Deployments hold their schedules.
var (
	DeploymentsByFlow = &Index[prefect.Deployment]{
		Number: 1, Version: 1, Unique: true,
		Keys: func(d *prefect.Deployment, k Key, add func(Key)) { add(k.ID(d.FlowID).String(d.Name)) },
	}
	DeploymentsByQueue = &Index[prefect.Deployment]{
		Number: 2, Version: 1,
		Keys: func(d *prefect.Deployment, k Key, add func(Key)) {
			if !d.WorkQueueID.IsNull() {
				add(k.ID(d.WorkQueueID))
			}
		},
	}
	DeploymentsByName = &Index[prefect.Deployment]{
		Number: 3, Version: 1,
		Keys: func(d *prefect.Deployment, k Key, add func(Key)) { add(k.String(d.Name)) },
	}
	Deployments = NewTable("deployments", 20, idLen,
		func(d *prefect.Deployment, k Key) Key { return k.ID(d.ID) },
		DeploymentsByFlow, DeploymentsByQueue, DeploymentsByName)
)

// ScheduleProgress is how far the runs of an active schedule were made.
type ScheduleProgress struct {
	DeploymentID prefect.ID   `row:"1"`
	ScheduleID   prefect.ID   `row:"2"`
	Stamp        prefect.ID   `row:"3"` // another one after each change of deployment or schedule
	Through      prefect.Time `row:"4"` // the last date that a run was made for; null for none since that change
	Due          prefect.Time `row:"5"` // when more are to be made; null for never
}

// Progress of schedules, as far as they and their deployments are active.
var (
	ScheduleProgressByDue = &Index[ScheduleProgress]{
		Number: 1, Version: 1,
		Keys: func(p *ScheduleProgress, k Key, add func(Key)) {
			if p.Due != 0 {
				add(k.Time(p.Due))
			}
		},
	}
	ScheduleProgresses = NewTable("schedule_progress", 27, 2*idLen,
		func(p *ScheduleProgress, k Key) Key { return k.ID(p.DeploymentID).ID(p.ScheduleID) },
		ScheduleProgressByDue)
)

// Work pools, their queues and workers.
var (
	WorkPoolsByName = &Index[prefect.WorkPool]{
		Number: 1, Version: 1, Unique: true,
		Keys: func(p *prefect.WorkPool, k Key, add func(Key)) { add(k.String(p.Name)) },
	}
	WorkPools = NewTable("work_pools", 21, idLen,
		func(p *prefect.WorkPool, k Key) Key { return k.ID(p.ID) },
		WorkPoolsByName)

	WorkQueuesByName = &Index[prefect.WorkQueue]{
		Number: 1, Version: 1, Unique: true,
		Keys: func(q *prefect.WorkQueue, k Key, add func(Key)) { add(k.ID(q.WorkPoolID).String(q.Name)) },
	}
	WorkQueues = NewTable("work_queues", 22, idLen,
		func(q *prefect.WorkQueue, k Key) Key { return k.ID(q.ID) },
		WorkQueuesByName)

	WorkersByName = &Index[prefect.Worker]{
		Number: 1, Version: 1, Unique: true,
		Keys: func(w *prefect.Worker, k Key, add func(Key)) { add(k.ID(w.WorkPoolID).String(w.Name)) },
	}
	// WorkersByHeartbeat orders those that are online by the last sign of them.
	WorkersByHeartbeat = &Index[prefect.Worker]{
		Number: 2, Version: 1,
		Keys: func(w *prefect.Worker, k Key, add func(Key)) {
			if w.Status == prefect.Online {
				add(k.Time(w.LastHeartbeat))
			}
		},
	}
	Workers = NewTable("workers", 23, idLen,
		func(w *prefect.Worker, k Key) Key { return k.ID(w.ID) },
		WorkersByName, WorkersByHeartbeat)
)

// Lease is a claim on slots of concurrency limits, until it expires.
type Lease struct {
	ID         prefect.ID   `row:"1"`
	Created    prefect.Time `row:"2"`
	Expiration prefect.Time `row:"3"`
	Limits     []prefect.ID `row:"4"` // of each of which it has Slots: those that were active
	Slots      int          `row:"5"`
	HolderType string       `row:"6"` // flow_run, task_run or deployment; empty if it is not known
	Holder     prefect.ID   `row:"7"`
}

// Concurrency limits; the leases on their slots are beside them.
var (
	LeasesByExpiration = &Index[Lease]{
		Number: 1, Version: 1,
		Keys: func(l *Lease, k Key, add func(Key)) { add(k.Time(l.Expiration)) },
	}
	LeasesByLimit = &Index[Lease]{
		Number: 2, Version: 1,
		Keys: func(l *Lease, k Key, add func(Key)) {
			for i, limit := range l.Limits {
				if !slices.Contains(l.Limits[:i], limit) {
					add(k.ID(limit).Time(l.Created))
				}
			}
		},
	}
	LeasesByHolder = &Index[Lease]{
		Number: 3, Version: 1,
		Keys: func(l *Lease, k Key, add func(Key)) {
			if !l.Holder.IsNull() {
				add(k.ID(l.Holder))
			}
		},
	}
	Leases = NewTable("leases", 14, idLen,
		func(l *Lease, k Key) Key { return k.ID(l.ID) },
		LeasesByExpiration, LeasesByLimit, LeasesByHolder)

	ConcurrencyLimitsByName = &Index[prefect.ConcurrencyLimit]{
		Number: 1, Version: 1, Unique: true,
		Keys: func(l *prefect.ConcurrencyLimit, k Key, add func(Key)) { add(k.String(l.Name)) },
	}
	ConcurrencyLimits = NewTable("concurrency_limits", 24, idLen,
		func(l *prefect.ConcurrencyLimit, k Key) Key { return k.ID(l.ID) },
		ConcurrencyLimitsByName)
)

// The messages to workers.
var (
	CleanupsByKey = &Index[prefect.Cleanup]{
		Number: 1, Version: 1, Unique: true,
		Keys: func(m *prefect.Cleanup, k Key, add func(Key)) { add(k.ID(m.WorkPoolID).String(m.Key)) },
	}
	// CleanupsByPool holds those that are not done, the oldest first.
	CleanupsByPool = &Index[prefect.Cleanup]{
		Number: 2, Version: 1,
		Keys: func(m *prefect.Cleanup, k Key, add func(Key)) {
			if !m.Done {
				add(k.ID(m.WorkPoolID).Time(m.Created))
			}
		},
	}
	// CleanupsByEnd holds those with a lease or a life that ends.
	CleanupsByEnd = &Index[prefect.Cleanup]{
		Number: 3, Version: 1,
		Keys: func(m *prefect.Cleanup, k Key, add func(Key)) {
			if m.Until != 0 {
				add(k.Time(m.Until))
			}
		},
	}
	Cleanups = NewTable("worker_cleanups", 26, idLen,
		func(m *prefect.Cleanup, k Key) Key { return k.ID(m.ID) },
		CleanupsByKey, CleanupsByPool, CleanupsByEnd)
)
