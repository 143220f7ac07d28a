package ops

import (
	"context"
	"maps"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// Vacuum are the settings of the services that remove what is old.
type Vacuum struct {
	Of           []string                    // events, flow_runs, orphans: PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED
	Every        prefect.Duration            // PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS
	OrphansEvery prefect.Duration            // PREFECT_SERVER_SERVICES_DB_VACUUM_ORPHAN_CLEANUP_LOOP_SECONDS
	FlowRuns     prefect.Duration            // how long they are kept: PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD
	Batch        int                         // rows that one operation removes: PREFECT_SERVER_SERVICES_DB_VACUUM_BATCH_SIZE
	Events       prefect.Duration            // how long they are kept: PREFECT_SERVER_EVENTS_RETENTION_PERIOD
	EventsNamed  map[string]prefect.Duration // those of a name: PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES
}

func defaultVacuum() Vacuum {
	return Vacuum{
		Of: []string{"events"}, Every: prefect.Hour, OrphansEvery: prefect.Day, Batch: 200,
		FlowRuns: 90 * prefect.Day, Events: 7 * prefect.Day,
		EventsNamed: map[string]prefect.Duration{"prefect.flow-run.heartbeat": 7 * prefect.Day},
	}
}

// of reports whether something is to be removed. Who has runs removed wants nothing
// of them to stay.
func (v *Vacuum) of(what string) bool {
	return slices.Contains(v.Of, what) || what == "orphans" && slices.Contains(v.Of, "flow_runs")
}

var (
	vacuumEvents             = vacuumService("events", removeOldEvents)
	vacuumCoordinationEvents = inCoordination(vacuumService("events", removeOldEvents))
	vacuumFlowRuns           = vacuumService("flow_runs", removeOldFlowRuns)
	vacuumOrphans            = vacuumService("orphans", removeOrphans)
)

func vacuumService(what string, act round) Service {
	return Service{
		Name:    "db_vacuum_" + what,
		Enabled: func(s *Settings) bool { return s.Vacuum.of(what) },
		Every: func(s *Settings) prefect.Duration {
			if what == "orphans" {
				return s.Vacuum.OrphansEvery
			}
			return s.Vacuum.Every
		},
		Round: act,
	}
}

func inCoordination(s Service) Service {
	s.Coordination = true
	return s
}

// FindOldEvents looks for events from before a time, all or those of one name.
type FindOldEvents struct {
	Name  string
	Until prefect.Time
	After []byte // where the page before ended
	Limit int
}

// FoundOldEvents are the numbers of a page of them. End is where it ends, nil if it
// is the last.
type FoundOldEvents struct {
	Sequences []uint64
	End       []byte
}

// Read answers a FoundOldEvents.
func (q *FindOldEvents) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	var found FoundOldEvents
	for e := range store.EventsByOccurred.Entries(tx, store.Range{From: behind(q.After), To: store.Key{}.Time(q.Until)}) {
		if q.Name != "" && store.ParseEventEntry(e).Name() != q.Name {
			continue
		}
		found.Sequences = append(found.Sequences, e.Primary.Uint64At(0))
		if len(found.Sequences) == q.Limit {
			found.End = append(append(found.End, e.Key...), e.Primary...)
			break
		}
	}
	return found, nil
}

// DeleteEvents removes events from a group's stream. The newest stays: see Emit.
type DeleteEvents struct {
	Sequences []uint64
}

// Run answers how many there were.
func (o *DeleteEvents) Run(c *Context) (any, error) {
	n, last := 0, lastSequence(c.Tx)
	for _, sequence := range o.Sequences {
		k := store.Key{}.Uint64(sequence)
		if sequence == last || !store.Events.Has(c.Tx, k) {
			continue
		}
		store.Events.Delete(c.Tx, k)
		n++
	}
	return n, nil
}

// removeOldEvents removes the events that are no longer kept.
func removeOldEvents(ctx context.Context, b Backend, group int) (acted int, err error) {
	v := &b.Settings().Vacuum
	acted, err = removeEventsUntil(ctx, b, group, "", v.Events)
	for _, name := range slices.Sorted(maps.Keys(v.EventsNamed)) {
		if kept := v.EventsNamed[name]; err == nil && kept < v.Events {
			var n int
			n, err = removeEventsUntil(ctx, b, group, name, kept)
			acted += n
		}
	}
	return acted, err
}

func removeEventsUntil(ctx context.Context, b Backend, group int, name string, kept prefect.Duration) (acted int, err error) {
	q := &FindOldEvents{Name: name, Until: b.Now().Add(-kept), Limit: b.Settings().Vacuum.Batch}
	for {
		found, err := Ask[FoundOldEvents](ctx, b, group, q)
		if err != nil || len(found.Sequences) == 0 {
			return acted, err
		}
		n, err := Do[int](ctx, b, group, &DeleteEvents{Sequences: found.Sequences})
		acted += n
		if err != nil || found.End == nil {
			return acted, err
		}
		q.After = found.End
	}
}
