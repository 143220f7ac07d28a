package ops

import (
	"context"
	"slices"
	"sync"

	"prefectd/prefect"
	"prefectd/store"
)

// FindEvents finds where in a group the events are that pass a filter.
type FindEvents struct {
	Filter prefect.EventFilter // resolved
	Limit  int                 // of places; negative for all
	Count  bool                // count them all
}

// FoundEvents are the first events in the filter's order. Last is the number of
// the group's newest event, whether it passes or not.
type FoundEvents struct {
	Places []EventPlace
	Hashes []uint64 // of their resources, if the filter is for distinct ones
	Total  int
	Last   uint64
}

// Read answers a FoundEvents.
func (q *FindEvents) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	scan := newEventScan(tx, &q.Filter)
	answer := FoundEvents{Last: lastSequence(tx)}
	distinct := q.Filter.Distinct()
	seen := map[uint64]bool{}
	counting := q.Count
	if counting && scan.timeOnly() {
		answer.Total, counting = scan.count(), false
	}
	if !counting && q.Limit == 0 {
		return answer, nil
	}
	scan.each(0, func(e foundEvent) bool {
		if distinct {
			if seen[e.hash] {
				return true
			}
			seen[e.hash] = true
			answer.Hashes = append(answer.Hashes, e.hash)
		}
		if counting {
			answer.Total++
		}
		if q.Limit < 0 || distinct || len(answer.Places) < q.Limit {
			answer.Places = append(answer.Places, e.EventPlace)
		}
		return counting || distinct || len(answer.Places) != q.Limit
	})
	return answer, nil
}

// ReadEvents reads events by their numbers.
type ReadEvents struct {
	Sequences []uint64
}

// Read answers a []*prefect.Event, without those that are gone.
func (q *ReadEvents) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	events := make([]*prefect.Event, 0, len(q.Sequences))
	for _, n := range q.Sequences {
		if e := store.Events.Get(tx, store.Key{}.Uint64(n)); e != nil {
			events = append(events, e)
		}
	}
	return events, nil
}

// globalPlace is where an event is in the cluster.
type globalPlace struct {
	EventPlace
	group int
}

// mergePlaces orders what was found in all groups. Of events about one resource
// only the first counts if the filter says so.
func mergePlaces(groups []int, parts []FoundEvents, f *prefect.EventFilter) (places []globalPlace, total int) {
	hashes := map[globalPlace]uint64{}
	for i, part := range parts {
		total += part.Total
		for j, p := range part.Places {
			place := globalPlace{p, groups[i]}
			places = append(places, place)
			if part.Hashes != nil {
				hashes[place] = part.Hashes[j]
			}
		}
	}
	slices.SortFunc(places, func(a, b globalPlace) int {
		if f.Order != prefect.EventsAsc {
			a, b = b, a
		}
		if order := int(a.Occurred - b.Occurred); order != 0 {
			return order
		}
		if a.group != b.group {
			return a.group - b.group
		}
		return a.compare(b.EventPlace)
	})
	if f.Distinct() {
		seen := map[uint64]bool{}
		places = slices.DeleteFunc(places, func(p globalPlace) bool {
			twice := seen[hashes[p]]
			seen[hashes[p]] = true
			return twice
		})
		total = len(places)
	}
	return places, total
}

// fetchEvents reads the events at some places, in their order.
func fetchEvents(ctx context.Context, b Backend, places []globalPlace) ([]*prefect.Event, error) {
	numbers := map[int][]uint64{}
	for _, p := range places {
		numbers[p.group] = append(numbers[p.group], p.Sequence)
	}
	var (
		found  = map[globalPlace]*prefect.Event{}
		failed error
		mu     sync.Mutex
		wait   sync.WaitGroup
	)
	for group, list := range numbers {
		wait.Go(func() {
			events, err := Ask[[]*prefect.Event](ctx, b, group, &ReadEvents{Sequences: list})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
			}
			for _, e := range events {
				found[globalPlace{EventPlace{e.Occurred, e.Sequence}, group}] = e
			}
		})
	}
	wait.Wait()
	if failed != nil {
		return nil, failed
	}
	events := make([]*prefect.Event, 0, len(places))
	for _, p := range places {
		if e := found[p]; e != nil {
			events = append(events, e)
		}
	}
	return events, nil
}

// findEvents asks all groups.
func findEvents(ctx context.Context, b Backend, q *FindEvents) (groups []int, parts []FoundEvents, err error) {
	groups = b.Groups().All()
	answers, err := b.AskAll(ctx, groups, q)
	if err != nil {
		return nil, nil, err
	}
	parts = make([]FoundEvents, len(answers))
	for i, a := range answers {
		if parts[i], err = as[FoundEvents](a, nil); err != nil {
			return nil, nil, err
		}
	}
	return groups, parts, nil
}

// ListEvents reads a page of events. The first one, which knows no count, learns
// it.
func ListEvents(ctx context.Context, b Backend, page *prefect.EventsPage, first bool) ([]*prefect.Event, error) {
	groups, parts, err := findEvents(ctx, b, &FindEvents{
		Filter: page.Filter, Limit: page.Offset + page.PageSize, Count: first,
	})
	if err != nil {
		return nil, err
	}
	places, total := mergePlaces(groups, parts, &page.Filter)
	if first {
		page.Count = total
	}
	from := min(page.Offset, len(places))
	return fetchEvents(ctx, b, places[from:min(from+page.PageSize, len(places))])
}

// CountEvents counts the events of a group.
type CountEvents struct {
	Query prefect.EventCountQuery
	By    prefect.Countable
	Now   prefect.Time
}

// Read answers a []prefect.EventCount.
func (q *CountEvents) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	query := q.Query
	counter, err := query.Counter(q.By, q.Now)
	if err != nil {
		return nil, Unprocessable(err.Error())
	}
	scan := newEventScan(tx, &query.Filter)
	if q.By == prefect.CountByResource {
		counter.Merge(countByResource(tx, scan))
		return counter.Counts(), nil
	}
	scan.each(counter.Columns(), func(e foundEvent) bool {
		counter.Add(e.row)
		return true
	})
	return counter.Counts(), nil
}

// countByResource reads one event of each resource, the newest, which tells the
// resource's name.
func countByResource(tx *store.Tx, scan *eventScan) []prefect.EventCount {
	type group struct {
		count       int
		first, last EventPlace
	}
	groups := map[uint64]*group{}
	scan.each(0, func(e foundEvent) bool {
		g := groups[e.hash]
		if g == nil {
			g = &group{first: e.EventPlace, last: e.EventPlace}
			groups[e.hash] = g
		}
		g.count++
		if e.compare(g.first) < 0 {
			g.first = e.EventPlace
		}
		if e.compare(g.last) > 0 {
			g.last = e.EventPlace
		}
		return true
	})
	counts := make([]prefect.EventCount, 0, len(groups))
	for _, g := range groups {
		e := store.Events.Get(tx, store.Key{}.Uint64(g.last.Sequence))
		if e == nil {
			continue
		}
		counts = append(counts, prefect.EventCount{
			Value: e.Resource.ID(), Label: e.Resource.Name(),
			Count: g.count, Start: g.first.Occurred, End: g.last.Occurred,
		})
	}
	return counts
}

// EventCounts counts the events of the cluster.
func EventCounts(ctx context.Context, b Backend, query prefect.EventCountQuery, by prefect.Countable) ([]prefect.EventCount, error) {
	now := b.Now()
	total, err := query.Counter(by, now)
	if err != nil {
		return nil, Unprocessable(err.Error())
	}
	answers, err := b.AskAll(ctx, b.Groups().All(), &CountEvents{Query: query, By: by, Now: now})
	if err != nil {
		return nil, err
	}
	for _, a := range answers {
		counts, err := as[[]prefect.EventCount](a, nil)
		if err != nil {
			return nil, err
		}
		total.Merge(counts)
	}
	return total.Counts(), nil
}
