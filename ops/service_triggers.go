package ops

import (
	"context"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// Triggers are the settings of the services that evaluate automations and do what they ask
// for.
type Triggers struct {
	Rounds
	Granularity  prefect.Duration // PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY: how often to look for events that did not happen
	BucketBuffer prefect.Duration // PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER: how long what was counted is kept after its time
}

var (
	triggers = inCoordination(serviceOf("triggers", func(s *Settings) *Rounds { return &s.Triggers.Rounds }, evaluateEvents))
	actions  = inCoordination(serviceOf("actions", func(s *Settings) *Rounds { return &s.Triggers.Rounds }, doActions))

	proactiveTriggers = Service{
		Name: "proactive_triggers", Coordination: true,
		Enabled: func(s *Settings) bool { return s.Triggers.Enabled },
		Every:   func(s *Settings) prefect.Duration { return s.Triggers.Granularity },
		Round:   evaluateTime,
	}
)

// TriggersDue says what there is for triggers to do.
type TriggersDue struct {
	Automations []*prefect.Automation // that are switched on
	Next        []uint64              // by group: the number of the first event that was not looked at
	Timed       bool                  // a Proactive trigger has something to do, or a bucket is over
}

// ReadTriggersDue reads it. Buffer is how long a bucket is kept after its time.
type ReadTriggersDue struct {
	Buffer prefect.Duration
}

// Read answers a *TriggersDue.
func (q *ReadTriggersDue) Read(tx *store.Tx, now prefect.Time) (any, error) {
	due := &TriggersDue{Automations: enabledAutomations(tx)}
	leaves, err := leavesOf(due.Automations)
	if err != nil {
		return nil, err
	}
	for _, l := range leaves {
		due.Timed = due.Timed || l.isDue(tx, now)
	}
	for cursor := range store.EventCursors.Rows(tx, store.Range{}) {
		for len(due.Next) <= cursor.Group {
			due.Next = append(due.Next, 0)
		}
		due.Next[cursor.Group] = cursor.Next
	}
	for range store.BucketsByEnd.Rows(tx, store.Range{To: store.Key{}.Time(now.Add(-q.Buffer))}) {
		due.Timed = true
		break
	}
	return due, nil
}

// isDue reports whether a Proactive trigger has a bucket to begin or to end.
func (l *leaf) isDue(tx *store.Tx, now prefect.Time) bool {
	if l.test.Posture != prefect.Proactive {
		return false
	}
	none := true
	for b := range store.Buckets.Rows(tx, store.Range{Prefix: key(l.automation.ID).ID(l.test.ID)}) {
		if none = false; b.End <= now || b.Count >= l.test.Threshold {
			return true
		}
	}
	return none && len(l.test.ForEach) == 0 && len(l.test.After) == 0
}

// FindStreamPosition finds where in a group's stream the events begin that were received
// at some time or later.
type FindStreamPosition struct {
	Received prefect.Time
}

// Read answers the number of the first one, or the next number that there will be.
func (q *FindStreamPosition) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	low, high := uint64(0), lastSequence(tx)+1
	for low < high {
		middle := low + (high-low)/2
		first := (*prefect.Event)(nil)
		for e := range store.Events.Rows(tx, store.Range{From: store.Key{}.Uint64(middle)}) {
			first = e
			break
		}
		if first == nil || first.Received >= q.Received {
			high = middle
		} else {
			low = first.Sequence + 1
		}
	}
	return low, nil
}

// farBehind is how many events make it worth while to look for those that can matter.
const farBehind = 2000

// evaluateEvents shows the triggers the events that they have not seen yet.
func evaluateEvents(ctx context.Context, b Backend, _ int) (acted int, err error) {
	due, err := triggersDue(ctx, b)
	if err != nil || len(due.Automations) == 0 {
		return 0, err
	}
	watch, err := watcherOf(due.Automations)
	if err != nil {
		return 0, err
	}
	for more := true; more; {
		op := &EvaluateEvents{}
		more = false
		for _, group := range b.Groups().All() {
			part, full, err := watch.next(ctx, b, group, due)
			if err != nil {
				return acted, err
			}
			if part.Next != part.From {
				op.Groups = append(op.Groups, part)
			}
			more = more || full
		}
		if len(op.Groups) == 0 {
			return acted, nil
		}
		n, err := Do[int](ctx, b, Coordination, op)
		if err != nil {
			return acted, err
		}
		acted += n
		for _, part := range op.Groups {
			due.set(part.Group, part.Next)
		}
	}
	return acted, nil
}

func triggersDue(ctx context.Context, b Backend) (*TriggersDue, error) {
	return Ask[*TriggersDue](ctx, b, Coordination, &ReadTriggersDue{Buffer: b.Settings().Triggers.BucketBuffer})
}

func (d *TriggersDue) next(group int) uint64 {
	if group < len(d.Next) {
		return d.Next[group]
	}
	return 0
}

func (d *TriggersDue) set(group int, next uint64) {
	for len(d.Next) <= group {
		d.Next = append(d.Next, 0)
	}
	d.Next[group] = next
}

// watcher picks the events that matter.
type watcher struct {
	leaves []*leaf
	oldest prefect.Time // when the first of the automations was made or switched on
}

func watcherOf(list []*prefect.Automation) (*watcher, error) {
	leaves, err := leavesOf(list)
	if err != nil {
		return nil, err
	}
	w := &watcher{leaves: leaves, oldest: list[0].Updated}
	for _, a := range list {
		w.oldest = min(w.oldest, a.Updated)
	}
	return w, nil
}

// next reads on in the stream of a group; full says that there may be more.
func (w *watcher) next(ctx context.Context, b Backend, group int, due *TriggersDue) (part EventsOfGroup, full bool, err error) {
	part = EventsOfGroup{Group: group, From: due.next(group), Next: due.next(group)}
	events, err := Ask[[]*prefect.Event](ctx, b, group, &ReadStream{From: part.Next, Limit: streamPage})
	if err != nil {
		return part, false, err
	}
	if full = len(events) == streamPage; full && events[0].Received < w.oldest {
		// What came before there was any automation need not be read.
		first, err := Ask[uint64](ctx, b, group, &FindStreamPosition{Received: w.oldest})
		if err != nil {
			return part, false, err
		}
		if first > part.Next+farBehind {
			part.Next = first
			return part, true, nil
		}
	}
	for _, e := range events {
		part.Next = e.Sequence + 1
		if slices.ContainsFunc(w.leaves, func(l *leaf) bool { return l.matters(e) }) {
			part.Events = append(part.Events, e)
		}
	}
	return part, full, nil
}

// evaluateTime has the triggers fire that waited in vain. What happened before is looked at
// first, so that no event is missed for being late.
func evaluateTime(ctx context.Context, b Backend, group int) (acted int, err error) {
	due, err := triggersDue(ctx, b)
	if err != nil || !due.Timed {
		return 0, err
	}
	if acted, err = evaluateEvents(ctx, b, group); err != nil {
		return acted, err
	}
	n, err := Do[int](ctx, b, Coordination, &EvaluateTime{})
	return acted + n, err
}
