//go:build linux

package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/test/client"
	"prefectd/test/facts"
)

// load is the clients of a cluster: those that keep facts about writes of their own,
// and those that write and read the same runs at once.
type load struct {
	*cluster
	facts     *facts.Load
	registers *registers
	limits    *limits
	accepted  *accepted
	any       []*client.Client // of each worker that asks any node

	mu         sync.Mutex
	refused    int // requests that did nothing
	unanswered int // requests whose outcome is unknown
	violations []error
}

// rest is how long a client waits after an answer: the machine is to have time for
// elections, not to be measured.
const rest = 15 * time.Millisecond

func newLoad(c *cluster) *load {
	l := &load{cluster: c, accepted: newAccepted(c)}
	l.facts = facts.NewLoad(c.flow, l.asks)
	l.facts.Pause = rest
	l.facts.Answered = l.accepted.note
	l.facts.Elsewhere = func(worker int) *client.Client { return l.elsewhere() }
	for range 32 { // more than there are workers
		l.any = append(l.any, c.anyClient())
	}
	l.registers, l.limits = newRegisters(l), newLimits(l)
	return l
}

// asks gives half of the workers a client of one node, the others one of all.
func (l *load) asks(worker int) *client.Client {
	if worker%2 == 0 {
		return l.any[worker]
	}
	return l.nodes[worker/2%len(l.nodes)].client
}

// elsewhere is a client of a node taken at random.
func (l *load) elsewhere() *client.Client { return l.nodes[rand.IntN(len(l.nodes))].client }

// during keeps the clients busy while something is done to the cluster.
func (l *load) during(ctx context.Context, disturb func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := func(err error) (goOn bool) { l.failed(ctx, err); return true }
	var wait sync.WaitGroup
	wait.Go(func() { l.facts.Run(ctx, failed) })
	wait.Go(func() { l.registers.run(ctx, failed) })
	wait.Go(func() { l.limits.run(ctx, failed) })
	err := disturb()
	cancel()
	wait.Wait()
	return err
}

// failed counts an error. One that a fault explains is none of the test.
func (l *load) failed(ctx context.Context, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var wrong *facts.Violation
	var answer *client.StatusError
	switch {
	case errors.As(err, &wrong):
		l.violations = append(l.violations, err)
	case ctx.Err() != nil:
	case client.NotDone(err):
		l.refused++
	case errors.As(err, &answer) && answer.Status < 500:
		l.violations = append(l.violations, err) // a request that was wrong
	default:
		l.unanswered++
	}
}

// checkTime is how long it may take to read all that is known of a round.
const checkTime = 3 * time.Minute

// check compares what every node tells with what has come to be known since a mark,
// and judges the histories.
func (l *load) check(ctx context.Context, since facts.Mark) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	newest := l.facts.Since(since)
	for _, n := range l.nodes {
		if err := newest.Check(ctx, l.reader(n)); err != nil {
			l.t.Errorf("read through %s: %v", n.host.Name, err)
		}
	}
	if err := errors.Join(l.registers.check(ctx), l.limits.check(ctx)); err != nil {
		l.t.Error(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := errors.Join(l.violations...); err != nil {
		l.t.Error(err)
	}
	l.violations = nil
}

// reader is a client that asks a node again when the connection that it had kept turns
// out to be one of the node's that was killed.
func (l *load) reader(n *node) *client.Client {
	fresh, err := client.New(n.api())
	require.NoError(l.t, err)
	l.t.Cleanup(fresh.Close)
	fresh.RetryWait = rest
	return fresh
}

// accepted is when writes were accepted, for each group.
type accepted struct {
	cluster *cluster
	mu      sync.Mutex
	times   map[int][]time.Time
}

func newAccepted(c *cluster) *accepted { return &accepted{cluster: c, times: map[int][]time.Time{}} }

// note notes that a write about a flow run was accepted now.
func (a *accepted) note(run string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	group := a.cluster.groupOf(run)
	a.times[group] = append(a.times[group], time.Now())
}

// count is how many were accepted.
func (a *accepted) count() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, times := range a.times {
		n += len(times)
	}
	return n
}

// gap is a time without an accepted write of a group.
type gap struct {
	group  int
	from   time.Time
	length time.Duration
}

// gapIn is the longest gap that has something in common with an episode.
func (a *accepted) gapIn(e episode) (longest gap) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for group, times := range a.times {
		at, _ := slices.BinarySearchFunc(times, e.begin, time.Time.Compare)
		for i := max(1, at); i < len(times) && times[i-1].Before(e.end); i++ {
			if length := times[i].Sub(times[i-1]); length > longest.length {
				longest = gap{group, times[i-1], length}
			}
		}
	}
	return longest
}

// requireWork fails a test whose clients had no luck at all: it would prove nothing.
func (l *load) requireWork() {
	require.Greater(l.t, l.accepted.count(), 100, "too few writes were accepted")
	require.NotEmpty(l.t, l.accepted.times[1])
}
