package ops

import (
	"cmp"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// eventScan finds the events of a group that pass a filter, in the order of time,
// by the index that suits the filter best. It decodes an event only when the index
// does not tell enough.
type eventScan struct {
	tx      *store.Tx
	filter  *prefect.EventFilter
	matcher *prefect.Matcher[prefect.Event]
	span    store.Range // of times, as both indexes have them behind their prefix

	// What stands for the resources that the filter looks for, by their hashes.
	resources map[uint64]prefect.Resource
	related   map[uint64]prefect.Resource
	names     map[string]string // by their raw form

	row prefect.Event // of what an index tells; overwritten by the next
}

// foundEvent is one that passes.
type foundEvent struct {
	EventPlace
	hash uint64         // of its resource
	row  *prefect.Event // perhaps only what an index tells
}

// EventPlace is where an event is in its group.
type EventPlace struct {
	Occurred prefect.Time
	Sequence uint64
}

// compare orders the events of one group.
func (p EventPlace) compare(q EventPlace) int {
	return cmp.Or(cmp.Compare(p.Occurred, q.Occurred), cmp.Compare(p.Sequence, q.Sequence))
}

// elsewhere stands for a resource that the filter does not name: no client can
// send such an id.
var elsewhere = prefect.Resource{"prefect.resource.id": "\xff"}

// newEventScan prepares a scan; the filter is resolved.
func newEventScan(tx *store.Tx, f *prefect.EventFilter) *eventScan {
	s := &eventScan{tx: tx, filter: f, matcher: f.Compile(), names: map[string]string{}}
	plan := s.matcher.Plan()
	if plan.At.From != 0 {
		s.span.From = store.Key{}.Time(plan.At.From)
	}
	if plan.At.To != 0 {
		s.span.To = store.Key{}.Time(plan.At.To + 1)
	}
	s.span.Desc = f.Order != prefect.EventsAsc
	s.resources = make(map[uint64]prefect.Resource, len(plan.Resources))
	s.related = make(map[uint64]prefect.Resource, len(plan.Resources))
	for _, id := range plan.Resources {
		hash, r := store.HashResource(id), prefect.Resource{"prefect.resource.id": id}
		s.resources[hash], s.related[store.ShortHash(hash)] = r, r
	}
	return s
}

// timeOnly reports whether the filter asks for nothing but a range of time, which
// need not be looked at event by event.
func (s *eventScan) timeOnly() bool {
	return s.matcher.Columns()&^prefect.EventTimeColumn == 0 && !s.filter.Distinct()
}

// count is the number of events in the range of time.
func (s *eventScan) count() int { return store.EventsByOccurred.Count(s.tx, s.span) }

// each calls found with every event that passes, until it answers false. need are
// the columns that found wants to see.
func (s *eventScan) each(need prefect.Columns, found func(foundEvent) bool) {
	plan := s.matcher.Plan()
	switch {
	case plan.Never:
	case plan.IDs != nil:
		s.eachID(plan.IDs, found)
	case plan.ResourceIDs != nil && len(plan.ResourceIDs) <= maxMerged:
		s.eachOfResources(plan.ResourceIDs, need, found)
	default:
		s.eachInTime(need, found)
	}
}

// maxMerged is how many resources are looked for one by one.
const maxMerged = 64

// eachID looks up events by id.
func (s *eventScan) eachID(ids []prefect.ID, found func(foundEvent) bool) {
	var list []foundEvent
	for _, id := range ids {
		e := store.EventsByID.Find(s.tx, key(id))
		if e != nil && s.matcher.Match(e, prefect.AllColumns) == prefect.Yes {
			list = append(list, foundEvent{EventPlace{e.Occurred, e.Sequence}, store.HashResource(e.Resource.ID()), e})
		}
	}
	slices.SortFunc(list, func(a, b foundEvent) int {
		if s.span.Desc {
			a, b = b, a
		}
		return a.compare(b.EventPlace)
	})
	for _, e := range list {
		if !found(e) {
			return
		}
	}
}

// eachOfResources walks the events about some resources.
func (s *eventScan) eachOfResources(ids []string, need prefect.Columns, found func(foundEvent) bool) {
	var ranges []store.Range
	byKey := map[string]prefect.Resource{}
	prefixLen := 0
	for _, id := range ids {
		prefix := store.Key{}.Resource(id)
		prefixLen = len(prefix)
		byKey[string(prefix)] = prefect.Resource{"prefect.resource.id": id}
		r := store.Range{Prefix: prefix, Desc: s.span.Desc}
		if s.span.From != nil {
			r.From = append(slices.Clone(prefix), s.span.From...)
		}
		if s.span.To != nil {
			r.To = append(slices.Clone(prefix), s.span.To...)
		}
		ranges = append(ranges, r)
	}
	for e := range store.EventsByResource.Entries(s.tx, ranges...) {
		resource := byKey[string(e.Key[:prefixLen])]
		s.row = prefect.Event{Occurred: e.Key.TimeAt(prefixLen), Sequence: e.Primary.Uint64At(0), Resource: resource}
		if !s.decide(prefect.EventOfResourceColumns, need, store.HashResource(resource.ID()), found) {
			return
		}
	}
}

// eachInTime walks all events in the range of time.
func (s *eventScan) eachInTime(need prefect.Columns, found func(foundEvent) bool) {
	var related []prefect.Resource
	for e := range store.EventsByOccurred.Entries(s.tx, s.span) {
		entry := store.ParseEventEntry(e)
		s.row = prefect.Event{
			Occurred: e.Key.TimeAt(0), Sequence: e.Primary.Uint64At(0),
			Event: s.name(entry), Resource: elsewhere,
		}
		if r, ok := s.resources[entry.Resource()]; ok {
			s.row.Resource = r
		}
		if len(s.related) > 0 {
			related = related[:0]
			for hash := range entry.Related() {
				if r, ok := s.related[hash]; ok {
					related = append(related, r)
				}
			}
			s.row.Related = related
		}
		if !s.decide(prefect.EventIndexColumns, need, entry.Resource(), found) {
			return
		}
	}
}

// name is an event's name; each is made once.
func (s *eventScan) name(entry store.EventEntry) string {
	name, ok := s.names[string(entry.RawName())]
	if !ok {
		name = entry.Name()
		s.names[string(entry.RawName())] = name
	}
	return name
}

// decide passes on the event in s.row, of which some columns are known, if it
// passes the filter, and answers whether to go on.
func (s *eventScan) decide(have, need prefect.Columns, hash uint64, found func(foundEvent) bool) bool {
	e := foundEvent{EventPlace{s.row.Occurred, s.row.Sequence}, hash, &s.row}
	verdict := s.matcher.Match(e.row, have)
	if verdict == prefect.No {
		return true
	}
	if verdict == prefect.Maybe || need&^have != 0 {
		if e.row = store.Events.Get(s.tx, store.Key{}.Uint64(e.Sequence)); e.row == nil {
			return true
		}
		if s.matcher.Match(e.row, prefect.AllColumns) != prefect.Yes {
			return true
		}
	}
	return found(e)
}
