package ops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// someEvents makes events of all kinds, some of the same instant.
func someEvents(c *testCluster, n int) []prefect.Event {
	r := rand.New(rand.NewPCG(7, 7))
	t0 := at("2027-01-01T00:00:00Z")
	pool := make([]prefect.ID, 6)
	for i := range pool {
		pool[i] = c.NewID()
	}
	names := []string{"prefect.flow-run.Running", "prefect.flow-run.Completed", "prefect.task-run.Running", "prefect.flow.created", "mine.one", "mine.two"}
	kinds := []string{"prefect.flow-run.", "prefect.task-run.", "prefect.deployment.", "mine."}
	pick := func() string { return kinds[r.IntN(len(kinds))] + pool[r.IntN(len(pool))].String() }
	events := make([]prefect.Event, n)
	for i := range events {
		resource := pick()
		e := prefect.Event{
			ID: c.NewID(), Occurred: t0 + prefect.Time(r.IntN(n/2+1))*prefect.Time(prefect.Minute),
			Event:    names[r.IntN(len(names))],
			Resource: prefect.Resource{"prefect.resource.id": resource, "prefect.resource.name": fmt.Sprint("name", r.IntN(3)), "colour": []string{"red", "blue"}[r.IntN(2)]},
			Payload:  prefect.JSON(fmt.Sprintf(`{"n":%d}`, i)),
		}
		for range r.IntN(4) {
			e.Related = append(e.Related, prefect.Resource{"prefect.resource.id": pick(), "prefect.resource.role": []string{"flow", "tag"}[r.IntN(2)]})
		}
		events[i] = e
	}
	return events
}

// someFilters are filters for what someEvents makes.
func someFilters(events []prefect.Event) map[string]prefect.EventFilter {
	id := func(i int) string { return events[i].Resource.ID() }
	one := func(f prefect.EventFilterRelatedOne) *prefect.EventFilterRelated {
		return &prefect.EventFilterRelated{One: &f}
	}
	anyOf := func(f ...prefect.EventFilterResourcesOne) *prefect.EventFilterResources {
		return &prefect.EventFilterResources{Many: f}
	}
	red := "red"
	related := events[slices.IndexFunc(events, func(e prefect.Event) bool { return len(e.Related) > 0 })].Related[0].ID()
	return map[string]prefect.EventFilter{
		"all":               {},
		"range":             {Occurred: prefect.EventFilterOccurred{Since: events[3].Occurred, Until: events[3].Occurred + prefect.Time(20*prefect.Minute)}},
		"nothing":           {Occurred: prefect.EventFilterOccurred{Since: 1, Until: 2}},
		"upside down":       {Occurred: prefect.EventFilterOccurred{Since: events[3].Occurred, Until: 2}},
		"prefix":            {Event: &prefect.EventFilterName{Prefix: []string{"prefect.flow-run.", "mine.o"}}},
		"name":              {Event: &prefect.EventFilterName{Name: []string{"mine.two", "prefect.flow.created"}}},
		"excluded":          {Event: &prefect.EventFilterName{ExcludePrefix: []string{"mine."}, ExcludeName: []string{"prefect.flow.created"}}},
		"resource":          {Resource: &prefect.EventFilterResource{ID: []string{id(0)}}},
		"resources":         {Resource: &prefect.EventFilterResource{ID: []string{id(0), id(1), id(2), "unknown"}}},
		"resource and name": {Resource: &prefect.EventFilterResource{ID: []string{id(0), id(1)}}, Event: &prefect.EventFilterName{Prefix: []string{"prefect."}}},
		"resource prefix":   {Resource: &prefect.EventFilterResource{IDPrefix: []string{"mine."}}},
		"resource label":    {Resource: &prefect.EventFilterResource{ID: []string{id(0), id(1)}, Labels: prefect.LabelSpec{"colour": {One: &red}}}},
		"distinct":          {Resource: &prefect.EventFilterResource{Distinct: true}},
		"distinct red":      {Resource: &prefect.EventFilterResource{Distinct: true, Labels: prefect.LabelSpec{"colour": {One: &red}}}},
		"distinct of some":  {Resource: &prefect.EventFilterResource{Distinct: true, ID: []string{id(0), id(1)}}},
		"related":           {Related: one(prefect.EventFilterRelatedOne{ID: []string{related}})},
		"related role":      {Related: one(prefect.EventFilterRelatedOne{ID: []string{related}, Role: []string{"tag"}})},
		"role":              {Related: one(prefect.EventFilterRelatedOne{Role: []string{"tag"}})},
		"in roles":          {Related: one(prefect.EventFilterRelatedOne{ResourcesInRoles: [][2]string{{related, "flow"}}})},
		"any resource":      {AnyResource: anyOf(prefect.EventFilterResourcesOne{ID: []string{related}})},
		"any resources":     {AnyResource: anyOf(prefect.EventFilterResourcesOne{ID: []string{related}}, prefect.EventFilterResourcesOne{IDPrefix: []string{"mine."}})},
		"id":                {ID: prefect.EventFilterID{ID: []prefect.ID{events[5].ID, events[1].ID, {1}}}},
		"text":              {Text: &prefect.FilterQuery{Query: "blue -mine"}},
	}
}

// naive is what a filter means.
func naive(events []*prefect.Event, f prefect.EventFilter) []*prefect.Event {
	m := f.Compile()
	var list []*prefect.Event
	for _, e := range events {
		if m.Match(e, prefect.AllColumns) == prefect.Yes {
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b *prefect.Event) int {
		if f.Order != prefect.EventsAsc {
			a, b = b, a
		}
		return cmp.Compare(a.Occurred, b.Occurred)
	})
	if f.Distinct() {
		seen := map[string]bool{}
		list = slices.DeleteFunc(list, func(e *prefect.Event) bool {
			twice := seen[e.Resource.ID()]
			seen[e.Resource.ID()] = true
			return twice
		})
	}
	return list
}

// stored are all events as they are stored, in the order in which queries see those
// of one time.
func (c *testCluster) stored() (all []*prefect.Event) {
	for _, g := range c.layout.All() {
		all = append(all, view(c, g, func(tx *store.Tx) []*prefect.Event {
			return slices.Collect(store.Events.Rows(tx, store.Range{}))
		})...)
	}
	return all
}

func TestEventQueriesAgainstAModel(t *testing.T) {
	for _, groups := range []int{1, 5} {
		c := newTestCluster(t, groups)
		events := someEvents(c, 300)
		require.Equal(t, 300, c.take(events...).New)
		require.Equal(t, 0, c.take(events[:150]...).New, "known by their ids")
		all := c.stored()
		require.Len(t, all, 300)
		reversed := slices.Clone(all)
		slices.Reverse(reversed)
		for name, filter := range someFilters(events) {
			for _, order := range []prefect.EventOrder{prefect.EventsAsc, prefect.EventsDesc} {
				t.Run(fmt.Sprint(groups, name, order), func(t *testing.T) {
					filter := filter
					filter.Order = order
					filter.Resolve(c.now)
					model := all
					if order == prefect.EventsDesc {
						model = reversed
					}
					want := naive(model, filter)
					got, total := c.list(filter, 7)
					require.Equal(t, len(want), total)
					require.Equal(t, ids(want), ids(got))
					c.checkCounts(t, all, filter)
				})
			}
		}
	}
}

func ids(events []*prefect.Event) []string {
	list := make([]string, len(events))
	for i, e := range events {
		list[i] = e.ID.String()
	}
	return list
}

// list reads all pages, each from the token of the one before.
func (c *testCluster) list(f prefect.EventFilter, size int) (events []*prefect.Event, total int) {
	page := prefect.EventsPage{Filter: f, PageSize: size}
	for first := true; ; first = false {
		part, err := ListEvents(c.t.Context(), c, &page, first)
		require.NoError(c.t, err)
		require.LessOrEqual(c.t, len(part), size)
		events = append(events, part...)
		next, ok := page.Next()
		if !ok {
			return events, page.Count
		}
		token, err := next.Token()
		require.NoError(c.t, err)
		page, err = prefect.ParseEventsPage(token)
		require.NoError(c.t, err)
	}
}

func (c *testCluster) checkCounts(t *testing.T, all []*prefect.Event, f prefect.EventFilter) {
	if f.Distinct() {
		return
	}
	for _, by := range []prefect.Countable{prefect.CountByDay, prefect.CountByTime, prefect.CountByEvent, prefect.CountByResource} {
		query := prefect.EventCountQuery{Filter: f, TimeUnit: prefect.UnitDay, TimeInterval: 0.4}
		counter, err := query.Counter(by, c.now)
		require.NoError(t, err)
		for _, e := range naive(all, f) {
			counter.Add(e)
		}
		got, err := EventCounts(t.Context(), c, query, by)
		require.NoError(t, err)
		require.Equal(t, unlabelled(counter.Counts()), unlabelled(got), by)
	}
}

// unlabelled leaves out the labels: which is the newest of one instant is not said.
func unlabelled(counts []prefect.EventCount) []prefect.EventCount {
	counts = slices.Clone(counts)
	for i := range counts {
		counts[i].Label = ""
	}
	slices.SortFunc(counts, func(a, b prefect.EventCount) int { return cmp.Compare(a.Value, b.Value) })
	return counts
}

func TestIndexesSpareTheRows(t *testing.T) {
	c := newTestCluster(t, 1)
	events := someEvents(c, 400)
	c.take(events...)
	for _, db := range c.dbs {
		require.NoError(t, db.Sync())
	}
	filters := someFilters(events)
	rowsRead := func(f prefect.EventFilter, limit int) int {
		f.Resolve(c.now)
		return view(c, 1, func(tx *store.Tx) int {
			before := tx.Visited()
			_, err := (&FindEvents{Filter: f, Limit: limit, Count: true}).Read(tx, 0)
			require.NoError(t, err)
			return tx.Visited() - before
		})
	}
	require.LessOrEqual(t, rowsRead(filters["all"], 50), 60, "counted by pages")
	for _, name := range []string{"prefix", "name", "related", "any resource"} {
		require.LessOrEqual(t, rowsRead(filters[name], 50), 402, "%s: no row is looked at", name)
	}
	require.Less(t, rowsRead(filters["resource"], 50), 100)
	require.Less(t, rowsRead(filters["id"], 50), 20)
}

func TestEventsLiveWithTheirRun(t *testing.T) {
	groups := Groups{Runs: 8}
	run, task := prefect.ID{1, 15: 0x11}, prefect.ID{2, 15: 0xee}
	flowRun := prefect.Resource{"prefect.resource.id": "prefect.flow-run." + run.String(), "prefect.resource.role": "flow-run"}
	about := func(id string, related ...prefect.Resource) *prefect.Event {
		return &prefect.Event{Resource: prefect.Resource{"prefect.resource.id": id}, Related: related}
	}
	require.Equal(t, groups.Of(run), groupOfEvent(groups, about("prefect.flow-run."+run.String())))
	require.Equal(t, groups.Of(task), groupOfEvent(groups, about("prefect.task-run."+task.String())))
	require.Equal(t, groups.Of(run), groupOfEvent(groups, about("prefect.task-run."+task.String(), flowRun)))
	require.Equal(t, groupOfEvent(groups, about("x")), groupOfEvent(groups, about("x", flowRun)))
	require.NotZero(t, groupOfEvent(groups, about("prefect.flow-run.none")))
}

func TestPipeKeepsTheOrderAndWaits(t *testing.T) {
	c := newTestCluster(t, 3)
	blocked := make(chan struct{})
	var batches atomic.Int32
	c.gate = func(int, Operation) error {
		batches.Add(1)
		<-blocked
		return nil
	}
	pipe := NewEventPipe(t.Context(), c, func([]string) {})
	events := someEvents(c, 500)
	for i := range events {
		require.NoError(t, pipe.Send(events[i], 100))
	}
	waited := make(chan error, 1)
	go func() { waited <- pipe.Wait() }()
	select {
	case <-waited:
		t.Fatal("nothing is stored yet")
	default:
	}
	close(blocked)
	require.NoError(t, <-waited)
	require.NoError(t, pipe.Close())
	require.LessOrEqual(t, batches.Load(), int32(9), "few operations for many events")
	sent := map[prefect.ID]int{}
	for i, e := range events {
		sent[e.ID] = i
	}
	stored := 0
	for g := 1; g <= 3; g++ {
		last := -1
		for e := range sequence(c, g) {
			require.Greater(t, sent[e.ID], last)
			last = sent[e.ID]
			stored++
		}
	}
	require.Equal(t, 500, stored)
}

// sequence yields a group's stream.
func sequence(c *testCluster, group int) func(func(*prefect.Event) bool) {
	return func(yield func(*prefect.Event) bool) {
		for _, e := range view(c, group, func(tx *store.Tx) []*prefect.Event {
			return slices.Collect(store.Events.Rows(tx, store.Range{}))
		}) {
			if !yield(e) {
				return
			}
		}
	}
}

func TestPipeIsBounded(t *testing.T) {
	c := newTestCluster(t, 1)
	blocked, entered := make(chan struct{}), make(chan struct{}, 100)
	c.gate = func(int, Operation) error {
		entered <- struct{}{}
		<-blocked
		return nil
	}
	pipe := NewEventPipe(t.Context(), c, func([]string) {})
	events := someEvents(c, 9)
	var accepted atomic.Int32
	var sender sync.WaitGroup
	sender.Go(func() {
		for i := range events {
			if pipe.Send(events[i], maxPending/4) != nil {
				return
			}
			accepted.Add(1)
		}
	})
	<-entered
	require.Eventually(t, func() bool { return accepted.Load() == 4 }, waitFor, tick)
	close(blocked)
	sender.Wait()
	require.NoError(t, pipe.Close())
	require.Equal(t, int32(9), accepted.Load())
}

func TestPipeTriesAgain(t *testing.T) {
	c := newTestCluster(t, 1)
	events := someEvents(c, 3)
	failures := 2
	c.gate = func(int, Operation) error {
		if failures--; failures >= 0 {
			return Unavailable("busy")
		}
		return nil
	}
	pipe := NewEventPipe(t.Context(), c, func([]string) {})
	require.NoError(t, pipe.Send(events[0], 100))
	require.NoError(t, pipe.Wait())

	broken := errors.New("broken")
	c.gate = func(int, Operation) error { return broken }
	require.NoError(t, pipe.Send(events[1], 100))
	require.ErrorIs(t, pipe.Wait(), broken)
	require.ErrorIs(t, pipe.Send(events[2], 100), broken)
	require.ErrorIs(t, pipe.Close(), broken)
}

func TestPipeEndsWithItsContext(t *testing.T) {
	c := newTestCluster(t, 1)
	c.gate = func(int, Operation) error { return Unavailable("busy") }
	ctx, cancel := context.WithCancel(t.Context())
	pipe := NewEventPipe(ctx, c, func([]string) {})
	require.NoError(t, pipe.Send(someEvents(c, 1)[0], 100))
	cancel()
	require.ErrorIs(t, pipe.Close(), context.Canceled)
}

func TestFlowsTellWhatBecomesOfThem(t *testing.T) {
	c := newTestCluster(t, 2)
	create := &CreateFlow{Flow: prefect.FlowCreate{Name: "f", Tags: []string{"a"}}}
	flow := must[Upserted[prefect.Flow]](c, Coordination, create).Object
	must[Upserted[prefect.Flow]](c, Coordination, create) // it is there already
	c.advance(prefect.Second)
	must[any](c, Coordination, &UpdateFlow{ID: flow.ID, Update: prefect.FlowUpdate{Tags: prefect.Opt[[]string]{Set: true, Value: []string{"b"}}}})
	c.advance(prefect.Second)
	require.NoError(t, RemoveFlow(t.Context(), c, flow.ID))

	f := prefect.EventFilter{Order: prefect.EventsAsc}
	f.Resolve(c.now)
	events, total := c.list(f, 50)
	require.Equal(t, 3, total)
	for i, want := range []struct{ name, payload string }{
		{"prefect.flow.created", `{"name":"f","tags":["a"],"labels":{}}`},
		{"prefect.flow.updated", `{"name":"f","tags":["b"],"labels":{}}`},
		{"prefect.flow.deleted", `{"name":"f","tags":["b"],"labels":{}}`},
	} {
		e := events[i]
		require.Equal(t, want.name, e.Event)
		require.JSONEq(t, want.payload, string(e.Payload))
		require.Equal(t, prefect.Resource{"prefect.resource.id": "prefect.flow." + flow.ID.String(), "prefect.resource.name": "f"}, e.Resource)
		require.Empty(t, e.Related)
	}
}
