package ops

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

// How long tests wait for what must happen.
const (
	waitFor = 20 * time.Second
	tick    = time.Millisecond
)

// listener collects what a follower delivers.
type listener struct {
	mu     sync.Mutex
	events []*prefect.Event
	hold   chan struct{} // deliveries wait for it, if set
	cancel context.CancelFunc
	done   chan error
}

func (c *testCluster) follow(q Follow, hold chan struct{}) *listener {
	ctx, cancel := context.WithCancel(c.t.Context())
	l := &listener{hold: hold, cancel: cancel, done: make(chan error, 1)}
	go func() {
		l.done <- FollowEvents(ctx, c, c.hub, q, func(events []*prefect.Event) error {
			if l.hold != nil {
				<-l.hold
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.events = append(l.events, events...)
			return nil
		})
	}()
	c.t.Cleanup(cancel)
	return l
}

func (l *listener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.events)
}

// stop ends a listener and returns what it got.
func (l *listener) stop(t *testing.T) []*prefect.Event {
	l.cancel()
	require.ErrorIs(t, <-l.done, context.Canceled)
	return l.events
}

// checkStream makes sure that nothing came twice, and that the events of each
// resource, and so of each group, came in order.
func checkStream(t *testing.T, events []*prefect.Event, backfilled int) {
	seen := map[prefect.ID]bool{}
	last := map[string]uint64{}
	for i, e := range events {
		require.False(t, seen[e.ID], "event %d came twice", i)
		seen[e.ID] = true
		if i >= backfilled {
			require.Greater(t, e.Sequence, last[e.Resource.ID()])
		}
		last[e.Resource.ID()] = max(last[e.Resource.ID()], e.Sequence)
	}
}

// tick makes a small event about one of a few resources.
func (c *testCluster) small(i int) prefect.Event {
	return prefect.Event{
		ID: c.NewID(), Occurred: c.Now(), Event: "tick",
		Resource: prefect.Resource{"prefect.resource.id": fmt.Sprint("r", i%7)},
	}
}

func forEver(order prefect.EventOrder) prefect.EventFilter {
	return prefect.EventFilter{Occurred: prefect.EventFilterOccurred{Since: 1, Until: at("9999-01-01T00:00:00Z")}, Order: order}
}

func TestFollowersMissNothing(t *testing.T) {
	c := newTestCluster(t, 3)
	const before, during, after = 700, 1500, 300
	for i := range before {
		c.take(c.small(i))
	}
	var writers sync.WaitGroup
	started := make(chan struct{})
	for w := range 3 {
		writers.Go(func() {
			for i := range during / 3 {
				c.take(c.small(w + i))
				if i == 50 && w == 0 {
					close(started)
				}
			}
		})
	}
	<-started // while events are written
	var all []*listener
	for range 3 {
		all = append(all, c.follow(Follow{Filter: forEver(prefect.EventsAsc), Backfill: true, Live: true}, nil))
	}
	late := c.follow(Follow{Filter: forEver(prefect.EventsAsc), Live: true}, nil)
	writers.Wait()
	for i := range after {
		c.take(c.small(i))
	}
	for _, l := range all {
		require.Eventually(t, func() bool { return l.count() == before+during+after }, waitFor, tick)
		checkStream(t, l.stop(t), before+during)
	}
	require.Eventually(t, func() bool { return late.count() >= after }, waitFor, tick)
	checkStream(t, late.stop(t), 0)
	require.Empty(t, c.hub.events[1].items, "nothing is kept when nobody listens")
}

func TestSlowFollowerReadsOn(t *testing.T) {
	c := newTestCluster(t, 2)
	c.take(c.small(0))
	hold := make(chan struct{})
	slow := c.follow(Follow{Filter: forEver(prefect.EventsAsc), Backfill: true, Live: true}, hold)
	fast := c.follow(Follow{Filter: forEver(prefect.EventsAsc), Backfill: true, Live: true}, nil)
	require.Eventually(t, func() bool { return fast.count() == 1 }, waitFor, tick)
	const n = 3 * ringItems
	for i := 0; i < n; i += 500 {
		var batch []prefect.Event
		for j := range 500 {
			batch = append(batch, c.small(j))
		}
		c.take(batch...)
	}
	total := 1 + (n+499)/500*500
	require.Eventually(t, func() bool { return fast.count() == total }, waitFor, tick)
	close(hold)
	require.Eventually(t, func() bool { return slow.count() == total }, waitFor, tick)
	checkStream(t, slow.stop(t), 1)
	checkStream(t, fast.stop(t), 1)
}

func TestFollowerOfAReplacedState(t *testing.T) {
	c := newTestCluster(t, 1)
	l := c.follow(Follow{Filter: forEver(prefect.EventsAsc), Backfill: true, Live: true}, nil)
	c.take(c.small(0))
	require.Eventually(t, func() bool { return l.count() == 1 }, waitFor, tick)
	hub := c.hub
	c.hub = NewHub(c.layout) // these come by another way
	for i := range 700 {
		c.take(c.small(i))
	}
	c.hub = hub
	c.hub.Replaced(1)
	require.Eventually(t, func() bool { return l.count() == 701 }, waitFor, tick)
	c.take(c.small(0))
	require.Eventually(t, func() bool { return l.count() == 702 }, waitFor, tick)
	checkStream(t, l.stop(t), 0)
}

func TestFollowersGetWhatTheyWant(t *testing.T) {
	c := newTestCluster(t, 3)
	f := forEver(prefect.EventsAsc)
	f.Event = &prefect.EventFilterName{Prefix: []string{"wanted."}}
	l := c.follow(Follow{Filter: f, Backfill: true, Live: true}, nil)
	quiet := c.follow(Follow{Filter: f, Backfill: true}, nil)
	require.Eventually(t, func() bool { return c.hub.subscribers.Load() == 2 }, waitFor, tick)
	var want []string
	for i := range 40 {
		e := c.small(i)
		if i%4 == 0 {
			e.Event = "wanted.event"
			want = append(want, e.ID.String())
		}
		c.take(e)
	}
	require.Eventually(t, func() bool { return l.count() == 10 }, waitFor, tick)
	require.ElementsMatch(t, want, ids(l.stop(t)))
	quiet.stop(t)
}

func TestFollowLogs(t *testing.T) {
	c := newTestCluster(t, 2)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string, 10)
	done := make(chan error, 1)
	least := 30
	go func() {
		f := &prefect.LogFilter{Level: &prefect.LogFilterLevel{GE: &least}}
		done <- FollowLogs(ctx, c.hub, f, func(int) {}, func(logs []*prefect.Log) error {
			for _, l := range logs {
				got <- l.Message
			}
			return nil
		})
	}()
	require.Eventually(t, func() bool { return c.hub.subscribers.Load() == 1 }, waitFor, tick)
	require.NoError(t, TakeLogs(ctx, c, []prefect.LogCreate{
		{Message: "info", Level: 20, Timestamp: c.Now(), FlowRunID: c.NewID()},
		{Message: "error", Level: 40, Timestamp: c.Now()},
	}))
	require.Equal(t, "error", <-got)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Empty(t, got)
}
