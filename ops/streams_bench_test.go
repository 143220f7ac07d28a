package ops

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

var benchEvents = flag.Int("events", 100_000, "events in the state that queries are measured on")

// flowRunEvent makes an event as orchestration does.
func flowRunEvent(id, run, flow, follows prefect.ID, name, state string, occurred prefect.Time) prefect.Event {
	typ := strings.ToUpper(state)
	return prefect.Event{
		ID: id, Follows: follows, Occurred: occurred, Event: "prefect.flow-run." + state,
		Resource: prefect.Resource{
			"prefect.resource.id": "prefect.flow-run." + run.String(), "prefect.resource.name": name, "prefect.run-count": "1",
			"prefect.state-message": "", "prefect.state-name": state, "prefect.state-timestamp": occurred.ISO(), "prefect.state-type": typ,
		},
		Related: []prefect.Resource{{
			"prefect.resource.id": "prefect.flow." + flow.String(), "prefect.resource.role": "flow", "prefect.resource.name": "my-flow",
		}},
		Payload: prefect.JSON(`{"intended":{"from":"PENDING","to":"` + typ + `"},"initial_state":{"type":"PENDING","name":"Pending"},"validated_state":{"type":"` + typ + `","name":"` + state + `"}}`),
	}
}

// taskRunEvents makes the three events of a task run, as a client sends them.
func taskRunEvents(c *testCluster, run, flow prefect.ID, name string) (events []prefect.Event) {
	c.now += prefect.Time(prefect.Millisecond) // as if they came one after the other
	task, dynamic := c.NewID(), c.NewID()
	follows, before := prefect.NoID, "null"
	for i, state := range []string{"Pending", "Running", "Completed"} {
		occurred, typ := c.Now(), strings.ToUpper(state)
		when := occurred.String()
		e := prefect.Event{
			ID: c.NewID(), Follows: follows, Occurred: occurred, Event: "prefect.task-run." + state,
			Resource: prefect.Resource{
				"prefect.resource.id": "prefect.task-run." + task.String(), "prefect.resource.name": name, "prefect.run-count": fmt.Sprint(min(i, 1)),
				"prefect.state-message": "", "prefect.state-name": state, "prefect.state-timestamp": occurred.ISO(),
				"prefect.state-type": typ, "prefect.orchestration": "client",
			},
			Related: []prefect.Resource{
				{"prefect.resource.id": "prefect.flow-run." + run.String(), "prefect.resource.role": "flow-run", "prefect.resource.name": "stirring-starfish"},
				{"prefect.resource.id": "prefect.flow." + flow.String(), "prefect.resource.role": "flow", "prefect.resource.name": "my-flow"},
			},
			Payload: prefect.JSON(`{"intended":{"from":` + before + `,"to":"` + typ + `"},"initial_state":null,"validated_state":{"type":"` + typ + `","name":"` + state + `","message":"","state_details":{},"data":null},` +
				`"task_run":{"name":"` + name + `","task_key":"t-996c0202","dynamic_key":"` + dynamic.String() + `","empirical_policy":{"max_retries":0,"retry_delay_seconds":0.0,"retries":0,"retry_delay":0},` +
				`"tags":[],"labels":{},"task_inputs":{"x":[]},"run_count":1,"flow_run_run_count":1,"expected_start_time":"` + when + `","start_time":"` + when + `","total_run_time":0.036484}}`),
		}
		events = append(events, e)
		follows, before = e.ID, `"`+typ+`"`
	}
	return events
}

// size is what a group's file holds.
func (c *testCluster) size() (bytes int64) {
	for _, db := range c.dbs {
		total, free := db.Size()
		bytes += total - free
	}
	return bytes
}

func BenchmarkTaskRunEvents(b *testing.B) {
	for _, size := range []int{1, 30, 300} {
		b.Run(fmt.Sprint("batch", size), func(b *testing.B) {
			c := newTestCluster(b, 1)
			run, flow := c.flowRun(), c.NewID()
			var events []prefect.Event
			for i := 0; len(events) < b.N; i++ {
				events = append(events, taskRunEvents(c, run, flow, fmt.Sprintf("t-%03x", i))...)
			}
			before := c.size()
			b.ResetTimer()
			b.ReportAllocs()
			for n := 0; n < b.N; n += size {
				batch := events[n:min(n+size, b.N)]
				answer, err := TakeEvents(context.Background(), c, batch)
				require.NoError(b, err)
				require.Equal(b, len(batch), answer.New)
			}
			b.StopTimer()
			b.ReportMetric(float64(c.size()-before)/float64(b.N), "bytes/event")
		})
	}
}

func BenchmarkFlowRunEvents(b *testing.B) {
	c := newTestCluster(b, 1)
	flow := c.NewID()
	events := flowRunLives(c, flow, b.N)
	b.ResetTimer()
	b.ReportAllocs()
	for n := 0; n < b.N; n += 100 {
		_, err := TakeEvents(context.Background(), c, events[n:min(n+100, b.N)])
		require.NoError(b, err)
	}
	b.StopTimer()
	b.ReportMetric(float64(c.size())/float64(b.N), "bytes/event")
}

func flowRunLives(c *testCluster, flow prefect.ID, n int) (events []prefect.Event) {
	r := rand.New(rand.NewPCG(1, 1))
	for i := 0; len(events) < n; i++ {
		run, last := c.NewID(), prefect.NoID
		name := prefect.RandomName(r.Uint64())
		for _, state := range []string{"Scheduled", "Pending", "Running", "Completed"} {
			c.now += prefect.Time(prefect.Second) / 2
			e := flowRunEvent(c.NewID(), run, flow, last, name, state, c.now)
			last = e.ID
			events = append(events, e)
		}
	}
	return events[:n]
}

func BenchmarkLogs(b *testing.B) {
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprint("batch", size), func(b *testing.B) {
			c := newTestCluster(b, 1)
			run, task := c.flowRun(), c.NewID()
			logs := make([]prefect.LogCreate, b.N)
			for i := range logs {
				logs[i] = prefect.LogCreate{
					Name: "prefect.task_runs", Level: 20, Timestamp: c.Now(), FlowRunID: run, TaskRunID: task,
					Message: fmt.Sprintf("processed row %d of the table in %d ms", i, i%97),
				}
			}
			before := c.size()
			b.ResetTimer()
			b.ReportAllocs()
			for n := 0; n < b.N; n += size {
				require.NoError(b, TakeLogs(context.Background(), c, logs[n:min(n+size, b.N)]))
			}
			b.StopTimer()
			b.ReportMetric(float64(c.size()-before)/float64(b.N), "bytes/log")
		})
	}
}

func BenchmarkEventQueries(b *testing.B) {
	c := newTestCluster(b, 4)
	flow := c.NewID()
	events := flowRunLives(c, flow, *benchEvents)
	for n := 0; n < len(events); n += 500 {
		_, err := TakeEvents(context.Background(), c, events[n:min(n+500, len(events))])
		require.NoError(b, err)
	}
	some := events[len(events)/2]
	for name, f := range map[string]prefect.EventFilter{
		"all":         {},
		"lastTenth":   {Occurred: prefect.EventFilterOccurred{Since: events[len(events)*9/10].Occurred}},
		"prefix":      {Event: &prefect.EventFilterName{Prefix: []string{"prefect.flow-run.Comp"}}},
		"resource":    {Resource: &prefect.EventFilterResource{ID: []string{some.Resource.ID()}}},
		"anyResource": {AnyResource: &prefect.EventFilterResources{Many: []prefect.EventFilterResourcesOne{{ID: []string{some.Resource.ID()}}}}},
		"related":     {Related: &prefect.EventFilterRelated{Many: []prefect.EventFilterRelatedOne{{ID: []string{"prefect.flow." + flow.String()}}}}},
		"role":        {Related: &prefect.EventFilterRelated{Many: []prefect.EventFilterRelatedOne{{Role: []string{"flow"}}}}},
		"text":        {Text: &prefect.FilterQuery{Query: "nothing"}},
	} {
		f.Resolve(c.now)
		b.Run("page/"+name, func(b *testing.B) {
			for b.Loop() {
				page := prefect.EventsPage{Filter: f, PageSize: 50}
				_, err := ListEvents(context.Background(), c, &page, true)
				require.NoError(b, err)
			}
		})
	}
	week := prefect.EventFilter{}
	week.Resolve(c.now)
	for _, by := range []prefect.Countable{prefect.CountByDay, prefect.CountByTime, prefect.CountByEvent, prefect.CountByResource} {
		b.Run("count/"+string(by), func(b *testing.B) {
			for b.Loop() {
				_, err := EventCounts(context.Background(), c, prefect.EventCountQuery{Filter: week, TimeUnit: prefect.UnitDay, TimeInterval: 1}, by)
				require.NoError(b, err)
			}
		})
	}
	b.ReportMetric(float64(view(c, 1, func(tx *store.Tx) int { return store.Events.Count(tx, store.Range{}) })), "events/group")
}
