//go:build linux

package chaos

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/test/client"
)

// What TestContention asks for.
const (
	contenders   = 200
	contendedFor = 10 // slots
	contendShort = 15 * time.Second
	contendLong  = time.Minute
	contendLease = 60 // seconds, the shortest that there is
	freeTime     = 2 * contendLease * time.Second
)

// holding is how long somebody had a slot for certain: from when he heard that he got it
// until he set out to give it back.
type holding struct{ from, to time.Time }

// TestContention has many clients on all nodes want the few slots of one limit, while
// the leader that keeps it is killed again and again. Never do more hold a slot than
// there are, and when all leases have ended all slots are free.
func TestContention(t *testing.T) {
	c := newCluster(t, *nodes, 0)
	_, err := c.anyClient().CreateLimit(t.Context(), "contended", contendedFor)
	require.NoError(t, err)
	length := contendShort
	if *long {
		length = contendLong
	}
	holdings, lost := c.contend(length)
	most, times := 0, 0
	for n := range overlaps(holdings) {
		most, times = max(most, n), times+1
	}
	t.Logf("%d slots were taken, at most %d at a time; what became of %d requests is not known", len(holdings), most, lost)
	require.LessOrEqual(t, most, contendedFor)
	require.Greater(t, len(holdings), contendedFor, "hardly anybody got a slot")

	ctx, cancel := context.WithTimeout(t.Context(), freeTime)
	defer cancel()
	for _, n := range c.nodes {
		for {
			l, err := n.client.ReadLimit(ctx, "contended")
			require.NoError(t, err, "slots are not free")
			if l.ActiveSlots == 0 {
				break
			}
			require.NoError(t, wait(ctx, 100*time.Millisecond), "%d slots are not free", l.ActiveSlots)
		}
	}
	c.requireAlive()
}

// contend lets the clients at it for a time. Afterwards those that know of a slot have
// given it back.
func (c *cluster) contend(length time.Duration) (holdings []holding, lost int) {
	ctx, cancel := context.WithTimeout(c.t.Context(), length)
	defer cancel()
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range contenders {
		through := c.nodes[i%len(c.nodes)].client
		all.Go(func() {
			for ctx.Err() == nil {
				held, unknown := takeAndGive(ctx, through)
				mu.Lock()
				holdings, lost = append(holdings, held...), lost+unknown
				mu.Unlock()
			}
		})
	}
	for wait(ctx, 4*time.Second) == nil {
		leader := c.who(c.t.Context(), role{group: 0})
		leader.kill()
		_ = wait(ctx, time.Second)
		require.NoError(c.t, leader.start())
	}
	all.Wait()
	_, err := c.calm(c.t.Context())
	require.NoError(c.t, err)
	return holdings, lost
}

// takeAndGive takes a slot, has it for a moment, and gives it back, by however many
// requests that takes.
func takeAndGive(ctx context.Context, through *client.Client) (held []holding, lost int) {
	id, err := through.TakeSlot(ctx, "contended", contendLease)
	switch {
	case err == nil && id != "":
	case err != nil && !client.NotDone(err):
		lost = 1
		fallthrough
	default:
		_ = wait(ctx, time.Duration(50+rand.IntN(200))*time.Millisecond)
		return nil, lost
	}
	h := holding{from: time.Now()}
	_ = wait(ctx, time.Duration(rand.IntN(50))*time.Millisecond)
	h.to = time.Now()
	for through.GiveSlot(context.Background(), id) != nil { // may be said twice: a lease is given back once
		lost++
		time.Sleep(rest)
	}
	return []holding{h}, lost
}

// overlaps tells how many hold a slot, at each moment at which that changes.
func overlaps(holdings []holding) func(yield func(int) bool) {
	type change struct {
		at time.Time
		by int
	}
	var changes []change
	for _, h := range holdings {
		changes = append(changes, change{h.from, 1}, change{h.to, -1})
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.by, b.by)) })
	return func(yield func(int) bool) {
		n := 0
		for _, c := range changes {
			if n += c.by; !yield(n) {
				return
			}
		}
	}
}
