package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

func TestCleanupsAreDeliveredUntilOneIsDone(t *testing.T) {
	c := newTestCluster(t, 1)
	pool := c.newPool("pool", nil)
	queue := c.newQueue("pool", "q", nil)
	enqueue := func(run byte, queue prefect.ID) {
		must[any](c, Coordination, &EnqueueCleanup{FlowRunID: prefect.ID{run}, StateID: prefect.ID{1}, WorkQueueID: queue, InfrastructurePID: new("pid")})
	}
	wish := CleanupWish{WorkPoolID: pool.ID, Kinds: []string{CancellingTimeout}, Queues: []prefect.ID{queue.ID}}
	next := func(w CleanupWish) *prefect.Cleanup {
		m, err := NextCleanup(t.Context(), c, w)
		require.NoError(t, err)
		return m
	}
	settle := func(m *prefect.Cleanup, operation string) Settled {
		return must[Settled](c, Coordination, &SettleCleanup{WorkPoolID: pool.ID, MessageID: m.ID, Token: m.Token, Operation: operation})
	}
	require.Nil(t, next(wish))
	enqueue(1, pool.DefaultQueueID)
	enqueue(2, queue.ID)
	enqueue(2, queue.ID)
	enqueue(3, prefect.ID{7})

	first, second := next(wish), next(wish)
	require.Contains(t, string(first.Target), prefect.ID{2}.String(), "those of its own queues first")
	require.JSONEq(t, `{"flow_run_id":"`+prefect.ID{1}.String()+`","infrastructure_pid":"pid"}`, string(second.Target))
	require.NotEqual(t, first.Token, second.Token)
	require.Nil(t, next(wish), "what came again is known, and a queue that is gone has no workers")
	require.Nil(t, next(CleanupWish{WorkPoolID: pool.ID, Kinds: []string{"other"}}))

	require.Equal(t, Settled{Status: "accepted"}, settle(first, AckCleanup))
	require.Equal(t, "not_found", settle(first, AckCleanup).Status)
	enqueue(2, queue.ID)
	require.Nil(t, next(wish), "it was done")

	stranger := *second
	stranger.Token = "guess"
	require.Equal(t, Settled{Status: "invalid_token", Reason: "reservation_token_mismatch"}, settle(&stranger, AckCleanup))
	require.Equal(t, Settled{Status: "unauthorized", Reason: "work_pool_mismatch"},
		must[Settled](c, Coordination, &SettleCleanup{WorkPoolID: prefect.ID{1}, MessageID: second.ID, Token: second.Token, Operation: AckCleanup}))
	require.Equal(t, Settled{Status: "accepted"}, settle(second, ReleaseCleanup))
	require.Equal(t, Settled{Status: "not_current", Reason: "no_active_reservation"}, settle(second, RenewCleanup))

	again := next(wish)
	require.Equal(t, 2, again.Deliveries)
	c.advance(20 * prefect.Second)
	renewed := settle(again, RenewCleanup)
	require.Greater(t, renewed.Until, again.Until)
	c.advance(20 * prefect.Second)
	require.Nil(t, next(wish), "the lease was renewed")
	c.advance(20 * prefect.Second)
	require.Equal(t, Settled{Status: "expired", Reason: "lease_expired"}, settle(again, AckCleanup))

	last := next(wish)
	require.Equal(t, 3, last.Deliveries)
	require.Equal(t, Settled{Status: "dead_lettered", Reason: "max_delivery_attempts_reached"}, settle(last, ReleaseCleanup))
	require.Nil(t, next(wish))
}

func TestReconcilerEndsLeases(t *testing.T) {
	c := newTestCluster(t, 1)
	pool := c.newPool("pool", nil)
	c.newPool("pushed", func(p *prefect.WorkPoolCreate) { p.Type = "cloud-run:push" })
	pushed, err := ReadWorkPool(t.Context(), c, "pushed")
	require.NoError(t, err)
	for _, queue := range []prefect.ID{pool.DefaultQueueID, pushed.DefaultQueueID} {
		must[any](c, Coordination, &EnqueueCleanup{FlowRunID: prefect.ID{1}, WorkQueueID: queue})
	}
	rows := func() (all []*prefect.Cleanup) {
		return view(c, Coordination, func(tx *store.Tx) (all []*prefect.Cleanup) {
			for m := range store.Cleanups.Rows(tx, store.Range{}) {
				all = append(all, m)
			}
			return all
		})
	}
	require.Len(t, rows(), 1, "pools without workers get none")
	round := func(after prefect.Duration) int {
		c.advance(after)
		acted, err := cleanupReconciler.Round(t.Context(), c, Coordination)
		require.NoError(t, err)
		return acted
	}
	wish := CleanupWish{WorkPoolID: pool.ID, Kinds: []string{CancellingTimeout}}
	for n := range c.settings.CleanupDeliveries {
		m, err := NextCleanup(t.Context(), c, wish)
		require.NoError(t, err)
		require.Equal(t, n+1, m.Deliveries)
		require.Zero(t, round(20*prefect.Second))
		require.Equal(t, 1, round(20*prefect.Second))
	}
	require.True(t, rows()[0].Failed)
	require.Zero(t, round(cleanupMemory+prefect.Second))
	require.Empty(t, rows(), "it is not known for ever")
}

func TestWorkersAreWelcomed(t *testing.T) {
	c := newTestCluster(t, 1)
	template := prefect.JSON(`{"job_configuration":{"a":"b"},"variables":{"properties":{}}}`)
	welcome := func(change func(*WelcomeWorker)) (*Welcome, error) {
		op := &WelcomeWorker{Pool: "pool", Worker: "w", Interval: 10, Type: "process", Template: template}
		change(op)
		return Do[*Welcome](t.Context(), c, Coordination, op)
	}
	_, err := welcome(func(*WelcomeWorker) {})
	require.ErrorContains(t, err, "not found")
	_, err = welcome(func(o *WelcomeWorker) { o.Pool, o.Create = "Prefect's", true })
	require.ErrorContains(t, err, "reserved")
	w, err := welcome(func(o *WelcomeWorker) { o.Create = true })
	require.NoError(t, err)
	require.Equal(t, []any{"process", prefect.Ready, string(template)}, []any{w.Pool.Type, *w.Pool.Status, string(w.Pool.BaseJobTemplate)})
	require.Len(t, w.Queues, 1, "all of them")

	c.newPool("empty", nil)
	c.newQueue("empty", "q", nil)
	_, err = welcome(func(o *WelcomeWorker) { o.Pool, o.Queues = "empty", []string{"q", "none"} })
	require.ErrorContains(t, err, "Work pool queue 'empty/none' not found.")
	_, next := c.workEvents(0)
	w, err = welcome(func(o *WelcomeWorker) { o.Pool, o.Queues = "empty", []string{"q", "q"} })
	require.NoError(t, err)
	require.Equal(t, "q", w.Queues[0].Name)
	require.Len(t, w.Queues, 1)
	events, _ := c.workEvents(next)
	require.Equal(t, []string{"prefect.work-pool.updated empty", "prefect.work-pool.ready empty"}, events, "it takes over the worker's template")
}
