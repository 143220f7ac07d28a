package cluster

import (
	"context"
	"flag"
	"math/rand/v2"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/store"
)

// The size of a group whose member catches up, and how much is written beside it.
var (
	catchUpMiB  = flag.Int("catchup.mib", 16, "size of the state file, in MiB, that a member who was away is sent")
	catchUpRate = flag.Int("catchup.rate", 1000, "rows of a KiB that are written each second meanwhile")
)

// fill writes a number of rows of about a KiB, half of which does not compress.
type fill int

func fillEvaluator() Evaluator {
	random := rand.New(rand.NewPCG(1, 2))
	return func(tx *store.Tx, op any) (any, error) {
		for range int(op.(fill)) {
			padding := make([]byte, 1000)
			for i := range padding[:len(padding)/2] {
				padding[i] = byte(random.Uint32())
			}
			items.Put(tx, &item{Number: random.Uint64(), Padding: padding})
		}
		return nil, nil
	}
}

// load writes to a group at a rate, and remembers how long each write took.
type load struct {
	group *Group
	mu    sync.Mutex
	taken []time.Duration
}

// run writes until the context ends.
func (l *load) run(ctx context.Context, rate int) {
	const clients = 8
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			tick := time.NewTicker(time.Second * clients / time.Duration(rate))
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				start := time.Now()
				_, err := l.group.Submit(ctx, fill(1))
				if err == nil {
					l.mu.Lock()
					l.taken = append(l.taken, time.Since(start))
					l.mu.Unlock()
				}
			}
		})
	}
	wait.Wait()
}

// report tells of the writes since the last report.
func (l *load) report() (n int, p50, p99, longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.taken
	l.taken = nil
	if len(taken) == 0 {
		return
	}
	slices.Sort(taken)
	return len(taken), taken[len(taken)/2], taken[len(taken)*99/100], taken[len(taken)-1]
}

// heap is what is in use of it, with what is not collected yet.
func heap() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// TestCatchUpBesideWrites measures what a member that was away for longer than the
// log is kept costs the others when it comes back:
//
//	go test ./cluster -run CatchUpBesideWrites -v -catchup.mib 1024
func TestCatchUpBesideWrites(t *testing.T) {
	size := int64(*catchUpMiB) << 20
	ms := &members{t: t, timeout: max(500*time.Millisecond, time.Duration(*catchUpMiB)*20*time.Millisecond)}
	for range 3 {
		ms.add(func(c *Config) {
			c.Evaluate, c.Observe = fillEvaluator(), nil
			c.Heartbeat, c.LogBytes = time.Second, min(64<<20, size/4)
		})
	}
	leader := ms.leader()
	away := ms.all[2]
	if away == leader {
		away = ms.all[1]
	}
	l := &load{group: leader.Group}
	phase := func(name string, until func() bool) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		wait.Go(func() { l.run(ctx, *catchUpRate) })
		var highest atomic.Int64
		wait.Go(func() {
			for ctx.Err() == nil {
				highest.Store(max(highest.Load(), heap()))
				sleep(ctx, 20*time.Millisecond)
			}
		})
		start := time.Now()
		for !until() {
			sleep(ctx, 10*time.Millisecond)
		}
		took := time.Since(start)
		cancel()
		wait.Wait()
		n, p50, p99, longest := l.report()
		s := leader.Status()
		t.Logf("%-12s %6.1f s, %6d writes, p50 %v, p99 %v, longest %v, heap %d MiB, state %d MiB, log %d MiB", name,
			took.Seconds(), n, p50.Round(100*time.Microsecond), p99.Round(100*time.Microsecond), longest.Round(time.Millisecond),
			highest.Load()>>20, s.FileBytes>>20, s.LogBytes>>20)
	}
	grow := func(until func() bool) {
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				for !until() {
					submit(t, leader.Group, fill(64))
				}
			})
		}
		wait.Wait()
	}
	grow(func() bool { s := leader.Status(); return s.FileBytes >= size })
	ms.isolate(away)
	grow(func() bool { return leader.Status().LogFirst > away.fsm.Applied()+1 })
	still := func() func() bool {
		end := time.Now().Add(max(200*time.Millisecond, time.Duration(*catchUpMiB)*10*time.Millisecond))
		return func() bool { return time.Now().After(end) }
	}
	phase("before", still())
	ms.connect(away)
	phase("catching up", func() bool { return away.fsm.Applied()+16 >= leader.fsm.Applied() })
	phase("after", still())
	eventually(t, func() bool { return away.fsm.Applied() == leader.fsm.Applied() })
	require.Equal(t, rows(t, leader.Group), rows(t, away.Group))
}

// rows counts the rows of a replica as it is.
func rows(t *testing.T, g *Group) (n int) {
	t.Helper()
	require.NoError(t, g.Stale(func(tx *store.Tx) error {
		n = items.Count(tx, store.Range{})
		return nil
	}))
	return n
}
