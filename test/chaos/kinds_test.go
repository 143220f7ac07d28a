//go:build linux

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestKinds injects and heals a fault of every kind: each is felt, and nothing of it
// stays. The nodes are strangers to one another.
func TestKinds(t *testing.T) {
	c := build(t, 3, 1, (*cluster).serve)
	random := rand.New(rand.NewPCG(*seed, 0))
	before := c.condition(t)
	for _, k := range kinds {
		f := k.choose(c, random)
		t.Run(f.kind, func(t *testing.T) {
			require.NoError(t, f.inject(t.Context()))
			require.NotEqual(t, before, c.conditionWhen(t, func(now string) bool { return now != before }), "the fault is not felt")
			require.NoError(t, f.heal(t.Context()))
			require.Equal(t, before, c.conditionWhen(t, func(now string) bool { return now == before }))
		})
	}
}

// conditionWhen waits for a condition, not for ever, and answers the last.
func (c *cluster) conditionWhen(t *testing.T, ok func(string) bool) string {
	ctx, cancel := context.WithTimeout(t.Context(), calmTime)
	defer cancel()
	for {
		now := c.condition(t)
		if ok(now) || wait(ctx, 10*time.Millisecond) != nil {
			return now
		}
	}
}

// condition is what faults change: whether the nodes answer, the ways to the others,
// and whether there is room on their disks.
func (c *cluster) condition(t *testing.T) (text string) {
	for _, n := range c.nodes {
		text += fmt.Sprintf("%s answers: %v\n", n.host.Name, n.answers(t.Context()))
		for _, what := range [][]string{{"neigh", "show", "nud", "permanent"}, {"route", "show"}} {
			said, err := exec.Command("ip", append([]string{"-n", n.host.Name}, what...)...).CombinedOutput()
			require.NoError(t, err)
			text += string(said)
		}
		var u unix.Statfs_t
		require.NoError(t, unix.Statfs(n.folder, &u))
		text += fmt.Sprintf("room: %v\n", u.Bavail > 0)
	}
	return text
}
