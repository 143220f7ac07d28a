package ops

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// newPool makes a work pool that is no agents'.
func (c *testCluster) newPool(name string, change func(*prefect.WorkPoolCreate)) *prefect.WorkPool {
	body := prefect.WorkPoolCreate{Name: name, Type: "process"}
	if change != nil {
		change(&body)
	}
	return must[*prefect.WorkPool](c, Coordination, &CreateWorkPool{Pool: body})
}

// newQueue makes a queue in a pool.
func (c *testCluster) newQueue(pool, name string, priority *int) *prefect.WorkQueue {
	return must[*prefect.WorkQueue](c, Coordination, &CreateWorkQueue{Pool: &pool, Queue: prefect.WorkQueueCreate{Name: name, Priority: priority}})
}

// workEvents lists what the coordination group's events tell of work, from a number on.
func (c *testCluster) workEvents(from uint64) (names []string, next uint64) {
	all, err := Ask[[]*prefect.Event](c.t.Context(), c, Coordination, &ReadStream{From: from, Limit: 1000})
	require.NoError(c.t, err)
	next = from
	for _, e := range all {
		names = append(names, e.Event+" "+e.Resource["prefect.resource.name"])
		next = e.Sequence + 1
	}
	return names, next
}

func (c *testCluster) refusal(group int, op Operation) *Error {
	_, err := c.Do(c.t.Context(), group, op)
	var refusal *Error
	require.ErrorAs(c.t, err, &refusal)
	return refusal
}

func TestWorkPoolsTellWhatBecomesOfThem(t *testing.T) {
	c := newTestCluster(t, 1)
	c.newPool("pool", nil)
	events, next := c.workEvents(0)
	require.Equal(t, []string{"prefect.work-queue.created default", "prefect.work-pool.created pool", "prefect.work-pool.not-ready pool"}, events)

	yes, no := true, false
	must[any](c, Coordination, &UpdateWorkPool{Name: "pool", Update: prefect.WorkPoolUpdate{
		IsPaused: prefect.Opt[*bool]{Set: true, Value: &yes}, Description: prefect.Opt[*string]{Set: true, Value: new("d")},
	}})
	must[any](c, Coordination, &RecordHeartbeat{Pool: "pool", Worker: "w"})
	must[any](c, Coordination, &UpdateWorkPool{Name: "pool", Update: prefect.WorkPoolUpdate{IsPaused: prefect.Opt[*bool]{Set: true, Value: &no}}})
	events, next = c.workEvents(next)
	require.Equal(t, []string{"prefect.work-pool.paused pool", "prefect.work-pool.updated pool", "prefect.work-pool.ready pool"}, events,
		"a sign of a worker does not end a pause, and after it there is a worker")

	must[any](c, Coordination, &DeleteWorkPool{Name: "pool"})
	events, _ = c.workEvents(next)
	require.Equal(t, []string{"prefect.work-queue.deleted default", "prefect.work-pool.deleted pool"}, events)
	view(c, Coordination, func(tx *store.Tx) any {
		require.Zero(t, store.Workers.Count(tx, store.Range{})+store.WorkQueues.Count(tx, store.Range{})+store.WorkPools.Count(tx, store.Range{}))
		return nil
	})
}

func TestStatusEventsOfAPoolAreAChain(t *testing.T) {
	c := newTestCluster(t, 1)
	c.newPool("pool", nil)
	pause := func(paused bool) {
		must[any](c, Coordination, &UpdateWorkPool{Name: "pool", Update: prefect.WorkPoolUpdate{IsPaused: prefect.Opt[*bool]{Set: true, Value: &paused}}})
	}
	pause(true)
	pause(false)
	c.advance(poolChain)
	pause(true)
	all := must2[[]*prefect.Event](c, Coordination, &ReadStream{Limit: 100})
	status := slices.DeleteFunc(all, func(e *prefect.Event) bool { return e.Resource["prefect.resource.role"] != "" })
	require.Len(t, status, 4)
	require.Equal(t, []prefect.ID{{}, {}, status[1].ID, {}}, []prefect.ID{status[0].Follows, status[1].Follows, status[2].Follows, status[3].Follows})
}

// must2 asks a query that is expected to succeed.
func must2[A any](c *testCluster, group int, q Query) A {
	answer, err := Ask[A](c.t.Context(), c, group, q)
	require.NoError(c.t, err)
	return answer
}

func TestWorkPoolsAreRefused(t *testing.T) {
	c := newTestCluster(t, 1)
	c.newPool("pool", nil)
	must[*prefect.WorkQueue](c, Coordination, &CreateWorkQueue{Queue: prefect.WorkQueueCreate{Name: "for agents"}})
	nothing := prefect.Opt[*bool]{Set: true}
	template := `{"job_configuration":{"a":"{{ n }}"},"variables":{"type":"object","required":["m"],"properties":{"n":{"type":"integer","default":"x"},"m":{"type":"string"}}}}`
	for _, r := range []struct {
		op     Operation
		status int
		detail string
	}{
		{&CreateWorkPool{Pool: prefect.WorkPoolCreate{Name: "Prefect-x"}}, 403, "Work pools starting with 'Prefect' are reserved for internal use."},
		{&CreateWorkPool{Pool: prefect.WorkPoolCreate{Name: "pool"}}, 409, "A work pool with this name already exists."},
		{&CreateWorkPool{Pool: prefect.WorkPoolCreate{Name: "bad", BaseJobTemplate: prefect.JSON(template)}}, 422,
			"Validation failed for work pool's job variable defaults: Validation failed for field 'n'. Failure reason: 'x' is not of type 'integer'"},
		{&UpdateWorkPool{Name: "prefect", Update: prefect.WorkPoolUpdate{Description: prefect.Opt[*string]{Set: true}}}, 403,
			"Work pools starting with 'Prefect' are reserved for internal use and can only be updated to set concurrency limits or pause."},
		{&UpdateWorkPool{Name: "pool", Update: prefect.WorkPoolUpdate{IsPaused: nothing}}, 409, IntegrityConflict().Detail},
		{&DeleteWorkPool{Name: "prefect-x"}, 403, "Work pools starting with 'Prefect' are reserved for internal use and can not be deleted."},
		{&DeleteWorkQueue{Queue: QueueKey{Pool: "pool", Name: "default"}}, 409, "Can't delete a pool's default queue."},
		{&DeleteWorkQueue{Queue: QueueKey{Pool: "none", Name: "q"}}, 404, `Work pool "none" not found.`},
		{&CreateWorkQueue{Pool: new("pool"), Queue: prefect.WorkQueueCreate{Name: "default"}}, 409, "A work queue with this name already exists in work pool 'pool'."},
		{&CreateWorkQueue{Queue: prefect.WorkQueueCreate{Name: "for agents"}}, 409, "A work queue with this name already exists."},
		{&UpdateWorkQueue{Queue: QueueKey{Pool: "default-agent-pool", Name: "for agents"}, Update: prefect.WorkQueueUpdate{Name: prefect.Opt[*string]{Set: true, Value: new("default")}}}, 409, IntegrityConflict().Detail},
		{&DeleteWorker{Pool: "pool", Worker: "w"}, 404, "Worker not found."},
		{&RecordHeartbeat{Pool: "none"}, 404, `Work pool "none" not found.`},
	} {
		refusal := c.refusal(Coordination, r.op)
		require.Equal(t, r.status, refusal.Status, r.detail)
		require.Equal(t, r.detail, refusal.Detail)
	}
}

func TestPrioritiesMakeRoom(t *testing.T) {
	c := newTestCluster(t, 1)
	c.newPool("pool", nil)
	priorities := func() map[string]int {
		found := map[string]int{}
		for _, q := range must2[[]*prefect.WorkQueue](c, Coordination, &FindWorkQueues{Pool: new("pool"), Window: Window{Limit: 100}}) {
			found[q.Name] = q.Priority
		}
		return found
	}
	c.newQueue("pool", "a", nil)
	c.newQueue("pool", "far", new(9))
	c.newQueue("pool", "b", nil)
	require.Equal(t, map[string]int{"default": 1, "a": 2, "b": 3, "far": 9}, priorities(), "the lowest free number")
	c.newQueue("pool", "first", new(1))
	require.Equal(t, map[string]int{"first": 1, "default": 2, "a": 3, "b": 4, "far": 9}, priorities(), "the others make room, as few as can be")
	must[any](c, Coordination, &UpdateWorkQueue{Queue: QueueKey{Pool: "pool", Name: "b"}, Update: prefect.WorkQueueUpdate{Priority: prefect.Opt[*int]{Set: true, Value: new(2)}}})
	require.Equal(t, map[string]int{"first": 1, "b": 2, "default": 3, "a": 4, "far": 9}, priorities())
	must[any](c, Coordination, &DeleteWorkQueue{Queue: QueueKey{Pool: "pool", Name: "b"}})
	require.Equal(t, map[string]int{"first": 1, "default": 3, "a": 4, "far": 9}, priorities(), "gaps stay")
	require.Equal(t, 2, c.newQueue("pool", "c", nil).Priority)
}

func TestQueuesForAgentsHaveAPool(t *testing.T) {
	c := newTestCluster(t, 1)
	queue := must[*prefect.WorkQueue](c, Coordination, &CreateWorkQueue{Queue: prefect.WorkQueueCreate{Name: "default"}})
	require.Equal(t, prefect.DefaultAgentPool, *queue.WorkPoolName)
	pool, err := ReadWorkPool(t.Context(), c, prefect.DefaultAgentPool)
	require.NoError(t, err)
	require.Equal(t, pool.DefaultQueueID, queue.ID, "the pool's own, which was just made")
	require.Nil(t, pool.Status)

	ref := must[*QueueRef](c, Coordination, &EnsureQueue{Queue: new("other")})
	require.Equal(t, "other", ref.Name)
	require.Equal(t, ref, must[*QueueRef](c, Coordination, &EnsureQueue{Queue: new("other")}), "it is there now")
	require.Equal(t, pool.DefaultQueueID, must[*QueueRef](c, Coordination, &EnsureQueue{}).ID)
}

func TestForemanMissesSigns(t *testing.T) {
	c := newTestCluster(t, 1)
	pool := c.newPool("pool", nil)
	must[any](c, Coordination, &RecordHeartbeat{Pool: "pool", Worker: "quick", Interval: new(1)})
	must[any](c, Coordination, &RecordHeartbeat{Pool: "pool", Worker: "slow", Interval: new(100)})
	flow := c.newFlow()
	deployment := &prefect.Deployment{ID: c.NewID(), Name: "d", FlowID: flow.ID, WorkQueueID: pool.DefaultQueueID, Status: prefect.NotReady}
	c.put(Coordination, func(tx *store.Tx) { store.Deployments.Put(tx, deployment) })
	must[any](c, Coordination, &MarkPolled{Queues: []prefect.ID{pool.DefaultQueueID}})
	_, next := c.workEvents(0)
	round := func(after prefect.Duration) (acted int, events []string) {
		c.advance(after)
		acted, err := inspectWork(t.Context(), c, Coordination)
		require.NoError(t, err)
		events, next = c.workEvents(next)
		return acted, events
	}
	statuses := func() map[string]prefect.WorkerStatus {
		found := map[string]prefect.WorkerStatus{}
		for _, w := range must2[[]*prefect.Worker](c, Coordination, &FindWorkers{Pool: "pool", Window: Window{Limit: 10}}) {
			found[w.Name] = w.Status
		}
		return found
	}
	acted, events := round(2 * prefect.Second)
	require.Zero(t, acted)
	require.Empty(t, events)

	acted, _ = round(2 * prefect.Second)
	require.Equal(t, 1, acted, "a worker that sends every second")
	require.Equal(t, map[string]prefect.WorkerStatus{"quick": prefect.Offline, "slow": prefect.Online}, statuses())

	acted, events = round(60 * prefect.Second)
	require.Equal(t, 2, acted)
	require.Equal(t, []string{"prefect.deployment.not-ready d", "prefect.work-queue.not-ready default"}, events, "not polled for a minute")

	acted, events = round(240 * prefect.Second)
	require.Equal(t, 2, acted, "the other worker, and the pool in the same round")
	require.Equal(t, []string{"prefect.work-pool.not-ready pool"}, events)
	acted, _ = round(240 * prefect.Second)
	require.Zero(t, acted)
}

func TestMarksOfPollsAreRenewedNowAndThen(t *testing.T) {
	c := newTestCluster(t, 1)
	pool := c.newPool("pool", nil)
	deployment := &prefect.Deployment{ID: c.NewID(), Name: "d", FlowID: c.newFlow().ID, WorkQueueID: pool.DefaultQueueID, Status: prefect.NotReady, Updated: 1}
	c.put(Coordination, func(tx *store.Tx) { store.Deployments.Put(tx, deployment) })
	writes := 0
	c.gate = func(_ int, op Operation) error {
		if _, ok := op.(*MarkPolled); ok {
			writes++
		}
		return nil
	}
	poll := func() {
		_, polled, err := PollPool(t.Context(), c, "pool", nil, Poll{Limit: 10})
		require.NoError(t, err)
		require.NoError(t, polled.MarkPolled(t.Context(), c))
	}
	read := func() (q *prefect.WorkQueue, d *prefect.Deployment) {
		view(c, Coordination, func(tx *store.Tx) any {
			q, d = store.WorkQueues.Get(tx, key(pool.DefaultQueueID)), store.Deployments.Get(tx, key(deployment.ID))
			return nil
		})
		return q, d
	}
	poll()
	q, d := read()
	require.Equal(t, prefect.Ready, *q.Status)
	require.Equal(t, prefect.Ready, d.Status)
	require.EqualValues(t, 1, d.Updated, "its schedules have not changed")
	poll()
	require.Equal(t, 1, writes, "the marks are new")
	first := q.LastPolled
	c.advance(queueMark)
	poll()
	q, d = read()
	require.Equal(t, 2, writes)
	require.Greater(t, q.LastPolled, first)
	require.Less(t, d.LastPolled.Sub(first), prefect.Second, "a deployment's mark is good for longer")
	c.advance(deploymentMark)
	poll()
	_, d = read()
	require.Greater(t, d.LastPolled.Sub(first), deploymentMark)
}
