package ops

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"prefectd/prefect"
	"prefectd/store"
)

// scheduledRun makes a run that waits in a queue of a pool.
func (c *testCluster) scheduledRun(flow prefect.ID, pool, queue string, at prefect.Time) *prefect.FlowRun {
	state := stateCreate(prefect.Scheduled, "")
	state.Details.ScheduledTime = at
	return c.newFlowRun(prefect.FlowRunCreate{FlowID: flow, State: state, WorkPoolName: &pool, WorkQueueName: &queue})
}

// polled lists the runs that a poll finds.
func (c *testCluster) polled(pool string, queues []string, p Poll) (ids []prefect.ID) {
	runs, _, err := PollPool(c.t.Context(), c, pool, queues, p)
	require.NoError(c.t, err)
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return ids
}

// TestPollsAnswerAsThePlainWay compares polls with what follows from looking at all
// rows.
func TestPollsAnswerAsThePlainWay(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := newTestCluster(t, 3)
		now := c.Now()
		limit := func(name string) *int {
			if n := rapid.IntRange(-1, 4).Draw(r, name); n >= 0 {
				return &n
			}
			return nil
		}
		pool := c.newPool("pool", func(p *prefect.WorkPoolCreate) {
			p.ConcurrencyLimit, p.IsPaused = limit("pool"), rapid.IntRange(0, 9).Draw(r, "pause") == 0
		})
		c.newPool("other", nil)
		for n := range rapid.IntRange(0, 3).Draw(r, "queues") {
			must[*prefect.WorkQueue](c, Coordination, &CreateWorkQueue{Pool: new("pool"), Queue: prefect.WorkQueueCreate{
				Name: fmt.Sprint("q", n), ConcurrencyLimit: limit("queue"), IsPaused: rapid.IntRange(0, 4).Draw(r, "pause") == 0,
				Priority: new(rapid.IntRange(1, 5).Draw(r, "priority")),
			}})
		}
		queues := must2[[]*prefect.WorkQueue](c, Coordination, &FindWorkQueues{Window: Window{Limit: 100}})
		var all []*prefect.FlowRun
		states := []prefect.StateType{prefect.Scheduled, prefect.Scheduled, prefect.Scheduled, prefect.Pending, prefect.Running, prefect.Cancelling, prefect.Completed}
		for range rapid.IntRange(0, 30).Draw(r, "runs") {
			run := &prefect.FlowRun{ID: c.NewID(), FlowID: prefect.ID{1}, StateType: rapid.SampledFrom(states).Draw(r, "state")}
			run.WorkQueueID = rapid.SampledFrom(queues).Draw(r, "queue").ID
			if run.StateType == prefect.Scheduled {
				run.NextScheduledStartTime = now.Add(prefect.Duration(rapid.IntRange(-3, 3).Draw(r, "due")) * prefect.Minute)
				run.EmpiricalPolicy.RetryType = prefect.RetryType(rapid.IntRange(0, 2).Draw(r, "retry"))
			}
			all = append(all, run)
			c.put(c.layout.Of(run.ID), func(tx *store.Tx) { store.FlowRuns.Put(tx, run) })
		}
		p := Poll{Limit: rapid.IntRange(0, 10).Draw(r, "limit")}
		if rapid.Bool().Draw(r, "before") {
			p.Before = now.Add(prefect.Minute)
		}
		if rapid.Bool().Draw(r, "after") {
			p.After = now.Add(-prefect.Minute)
		}
		own := slices.DeleteFunc(slices.Clone(queues), func(q *prefect.WorkQueue) bool { return q.WorkPoolID != pool.ID })
		var names []string
		asked := own
		if rapid.Bool().Draw(r, "some") {
			asked = own[:1]
			names = []string{own[0].Name}
		}
		require.Equal(r, plainPoll(pool, own, asked, all, p), c.polled("pool", names, p))
	})
}

// plainPoll is what a poll finds, looked for in all runs.
func plainPoll(pool *prefect.WorkPool, own, asked []*prefect.WorkQueue, all []*prefect.FlowRun, p Poll) (ids []prefect.ID) {
	occupied := func(queues ...*prefect.WorkQueue) (n int) {
		for _, r := range all {
			if slices.ContainsFunc(queues, func(q *prefect.WorkQueue) bool { return q.ID == r.WorkQueueID }) &&
				(r.StateType == prefect.Pending || r.StateType == prefect.Running) {
				n++
			}
		}
		return n
	}
	if pool.IsPaused {
		return nil
	}
	slices.SortFunc(asked, func(a, b *prefect.WorkQueue) int { return cmp.Compare(a.Priority, b.Priority) })
	for _, q := range asked {
		var due []*prefect.FlowRun
		for _, r := range all {
			if r.WorkQueueID == q.ID && r.StateType == prefect.Scheduled && r.EmpiricalPolicy.RetryType != prefect.InProcess &&
				(p.Before == 0 || r.NextScheduledStartTime <= p.Before) && r.NextScheduledStartTime >= p.After {
				due = append(due, r)
			}
		}
		slices.SortFunc(due, func(a, b *prefect.FlowRun) int {
			return cmp.Or(cmp.Compare(a.NextScheduledStartTime, b.NextScheduledStartTime), a.ID.Compare(b.ID))
		})
		room := p.Limit
		if q.ConcurrencyLimit != nil {
			room = min(room, max(0, *q.ConcurrencyLimit-occupied(q)))
		}
		if q.IsPaused {
			room = 0
		}
		for _, r := range due[:min(room, len(due))] {
			ids = append(ids, r.ID)
		}
	}
	room := p.Limit
	if pool.ConcurrencyLimit != nil {
		room = min(room, max(0, *pool.ConcurrencyLimit-occupied(own...)))
	}
	if len(ids) > room {
		ids = ids[:room]
	}
	if len(ids) == 0 {
		return nil
	}
	return ids
}

func TestRunsWaitInTheQueuesThatTheyName(t *testing.T) {
	c := newTestCluster(t, 2)
	flow := c.newFlow().ID
	pool := c.newPool("pool", nil)
	queue := c.newQueue("pool", "q", nil)
	due := c.scheduledRun(flow, "pool", "q", c.Now())
	require.Equal(t, []any{queue.ID, "q", pool.ID, "pool"}, []any{due.WorkQueueID, *due.WorkQueueName, due.WorkPoolID, *due.WorkPoolName})
	inDefault := c.newFlowRun(prefect.FlowRunCreate{FlowID: flow, WorkPoolName: new("pool")})
	require.Equal(t, pool.DefaultQueueID, inDefault.WorkQueueID)
	c.newFlowRun(prefect.FlowRunCreate{FlowID: flow, WorkQueueName: new("only a name")})

	for _, f := range []struct {
		pools  *prefect.WorkPoolFilter
		queues *prefect.WorkQueueFilter
		found  int
	}{
		{&prefect.WorkPoolFilter{Name: &prefect.FilterText{Any: []string{"pool"}}}, nil, 2},
		{&prefect.WorkPoolFilter{Name: &prefect.FilterText{Any: []string{"none"}}}, nil, 0},
		{nil, &prefect.WorkQueueFilter{Name: &prefect.WorkQueueFilterName{StartsWith: []string{"Q"}}}, 1},
		{nil, &prefect.WorkQueueFilter{}, 2},
		{nil, nil, 3},
	} {
		scope := &prefect.FlowRunsScope{FlowsScope: prefect.FlowsScope{WorkPools: f.pools}, WorkPoolQueues: f.queues}
		runs, err := ListFlowRuns(t.Context(), c, scope, prefect.FlowRunStartTimeDesc, 10, 0)
		require.NoError(t, err)
		require.Len(t, runs, f.found)
		n, err := CountFlowRuns(t.Context(), c, scope)
		require.NoError(t, err)
		require.Equal(t, f.found, n)
	}

	events := c.eventsOf(due.ID)
	require.Len(t, events, 1)
	require.Equal(t, []prefect.Resource{
		{"prefect.resource.id": "prefect.work-queue." + queue.ID.String(), "prefect.resource.name": "q", "prefect.resource.role": "work-queue"},
		{"prefect.resource.id": "prefect.work-pool." + pool.ID.String(), "prefect.resource.name": "pool", "prefect.resource.role": "work-pool", "prefect.work-pool.type": "process"},
	}, events[0].Related[1:3])

	must[any](c, Coordination, &DeleteWorkQueue{Queue: QueueKey{ID: queue.ID}})
	gone, err := LookUpFlowRun(t.Context(), c, due.ID)
	require.NoError(t, err)
	require.True(t, gone.WorkQueueID.IsNull())
	require.True(t, gone.WorkPoolID.IsNull())
	require.Equal(t, "q", *gone.WorkQueueName, "what it was told stays")
}

func TestOneQueueCanBePolledAlone(t *testing.T) {
	c := newTestCluster(t, 2)
	flow := c.newFlow().ID
	c.newPool("pool", nil)
	queue := c.newQueue("pool", "q", nil)
	limit := func(n *int) {
		must[any](c, Coordination, &UpdateWorkQueue{Queue: QueueKey{ID: queue.ID}, Update: prefect.WorkQueueUpdate{ConcurrencyLimit: prefect.Opt[*int]{Set: true, Value: n}}})
	}
	poll := func(p Poll) (names []string) {
		runs, _, err := PollQueue(t.Context(), c, queue.ID, p)
		require.NoError(t, err)
		for _, r := range runs {
			names = append(names, *r.WorkPoolName+" "+r.StateType.String())
		}
		return names
	}
	now := c.Now()
	first := c.scheduledRun(flow, "pool", "q", now)
	c.scheduledRun(flow, "pool", "q", now.Add(prefect.Minute))
	require.Len(t, poll(Poll{Limit: 10}), 2)
	require.Equal(t, []string{"pool SCHEDULED"}, poll(Poll{Limit: 10, Before: now}))
	limit(new(1))
	require.Len(t, poll(Poll{Limit: 10}), 1)
	c.forceFlowRun(first.ID, stateCreate(prefect.Running, ""))
	c.forceFlowRun(first.ID, stateCreate(prefect.Cancelling, ""))
	require.Empty(t, poll(Poll{Limit: 10}), "a run that is being cancelled occupies a slot here")
	require.NotEmpty(t, c.polled("pool", nil, Poll{Limit: 10}), "but not in a pool")

	slots, err := SlotsOfQueue(t.Context(), c, queue.ID, 1, Window{Limit: 10})
	require.NoError(t, err)
	require.Equal(t, 1, slots.ActiveSlots)
	require.Equal(t, first.ID, slots.FlowRuns[0].ID)
	ofPool, err := SlotsOfPool(t.Context(), c, "pool", 1, 10, Window{Limit: 1, From: 1})
	require.NoError(t, err)
	require.Equal(t, []any{0, 2, 2, "q"}, []any{ofPool.ActiveSlots, ofPool.Count, ofPool.Pages, ofPool.Queues[0].QueueName})

	must[any](c, Coordination, &UpdateWorkQueue{Queue: QueueKey{ID: queue.ID}, Update: prefect.WorkQueueUpdate{
		ConcurrencyLimit: prefect.Opt[*int]{Set: true}, Filter: prefect.Opt[*prefect.QueueFilter]{Set: true, Value: &prefect.QueueFilter{Tags: []string{"t"}}},
	}})
	tagged := c.newFlowRun(prefect.FlowRunCreate{FlowID: flow, Tags: []string{"t"}, DeploymentID: prefect.ID{7}, State: stateCreate(prefect.Scheduled, "")})
	runs, _, err := PollQueue(t.Context(), c, queue.ID, Poll{Limit: 10})
	require.NoError(t, err)
	require.Len(t, runs, 1)
	require.Equal(t, tagged.ID, runs[0].ID, "an old filter selects runs of deployments, wherever they wait")
	_, _, err = PollQueue(t.Context(), c, prefect.ID{1}, Poll{})
	require.ErrorContains(t, err, "not found.")
}

// BenchmarkPoll polls one of 20 pools, among 10,000 runs that are scheduled.
func BenchmarkPoll(b *testing.B) {
	c := newTestCluster(b, 4)
	now := c.Now()
	var queues []prefect.ID
	for n := range 20 {
		queues = append(queues, c.newPool(fmt.Sprint("pool ", n), nil).DefaultQueueID)
	}
	runs := map[int][]*prefect.FlowRun{}
	for n := range 10_000 {
		run := &prefect.FlowRun{
			ID: c.NewID(), FlowID: prefect.ID{1}, StateType: prefect.Scheduled, WorkQueueID: queues[n%20],
			NextScheduledStartTime: now.Add(prefect.Duration(n/20) * prefect.Minute),
		}
		runs[c.layout.Of(run.ID)] = append(runs[c.layout.Of(run.ID)], run)
	}
	for group, list := range runs {
		c.put(group, func(tx *store.Tx) {
			for _, r := range list {
				store.FlowRuns.Put(tx, r)
			}
		})
	}
	for _, due := range []int{10, 200} {
		b.Run(fmt.Sprint("due ", due), func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				ids := c.polled(fmt.Sprint("pool ", n%20), nil, Poll{Before: now.Add(prefect.Duration(due-1) * prefect.Minute), Limit: 200})
				require.Len(b, ids, due)
			}
		})
	}
}
