package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

// newStarters makes new nodes that reach each other at their names. What is said goes
// through carry, which may fail before or after it was heard.
func newStarters(t *testing.T, quorum, n int, carry func(from, to string, say func() error) error) map[string]*starter {
	all := map[string]*starter{}
	p := plan{Quorum: quorum}
	for i := range n {
		p.Addresses = append(p.Addresses, fmt.Sprint("n", i+1))
	}
	for _, name := range p.Addresses {
		s, err := newStarter(t.TempDir(), name, p)
		require.NoError(t, err)
		s.ask = func(ctx context.Context, to string, q *inquiry) (*standing, error) {
			var r standing
			return &r, carry(name, to, func() error {
				body, err := prefect.Marshal(q)
				if err != nil {
					return err
				}
				answer, err := all[to].answer(ctx, body)
				if err != nil {
					return err
				}
				return prefect.Unmarshal(answer, &r)
			})
		}
		all[name] = s
	}
	return all
}

func rounds(t *testing.T, all map[string]*starter, n int) (founders map[string]bool) {
	founders = map[string]bool{}
	var mu sync.Mutex
	var running sync.WaitGroup
	for name, s := range all {
		running.Go(func() {
			for range n {
				now, err := s.round(t.Context())
				if err != nil {
					t.Error(err)
				}
				if now.founds {
					mu.Lock()
					founders[name] = true
					mu.Unlock()
				}
			}
		})
	}
	running.Wait()
	return founders
}

// Whatever is lost on the way, one node at most is elected, and one is once nothing is.
func TestStartersElectOneOverABadNetwork(t *testing.T) {
	errLost := errors.New("lost")
	for round := range 30 {
		var calm atomic.Bool
		cut := fmt.Sprint("n", 1+rand.IntN(3)) // hears others, and is not heard
		n := 3 + round%3
		quorum := n/2 + 1 + rand.IntN(n-n/2)
		all := newStarters(t, quorum, n, func(from, to string, say func() error) error {
			if !calm.Load() && (from == cut || rand.IntN(4) == 0) {
				return errLost
			}
			err := say()
			if !calm.Load() && rand.IntN(4) == 0 {
				return errLost
			}
			return err
		})
		founders := rounds(t, all, 3)
		calm.Store(true)
		for _, s := range all {
			again, err := newStarter(s.dir, s.self.Name, s.plan) // it crashes
			require.NoError(t, err)
			require.Equal(t, s.self, again.self)
			require.Equal(t, s.cast, again.cast)
			again.ask = s.ask
			all[s.self.Name] = again
		}
		for range 20 { // they may be in each other's way
			for name := range rounds(t, all, 1) {
				founders[name] = true
			}
		}
		require.Len(t, founders, 1)
	}
}

func TestWhatAStarterWaitsFor(t *testing.T) {
	direct := func(_, _ string, say func() error) error { return say() }
	waits := func(s *starter) string {
		now, err := s.round(t.Context())
		require.NoError(t, err)
		require.False(t, now.founds)
		return now.waits
	}
	all := newStarters(t, 3, 3, direct)
	all["n2"].plan.Quorum = 2
	require.Equal(t, "2 of 3 new nodes are there: node n2 at n2 was started with other --join or --bootstrap-expect", waits(all["n1"]))

	all = newStarters(t, 2, 2, direct)
	all["n2"].self = all["n1"].self
	require.Equal(t, "1 of 2 new nodes are there: n2 is another address of node n1", waits(all["n1"]))

	all = newStarters(t, 2, 2, direct)
	ask := all["n1"].ask
	all["n1"].ask = func(ctx context.Context, to string, q *inquiry) (*standing, error) {
		return &standing{Cluster: "of " + to}, nil
	}
	require.Equal(t, "the nodes of --join are of 2 clusters: name only those of one", waits(all["n1"]))

	fourth := newStarters(t, 2, 3, direct)["n3"]
	fourth.plan, fourth.ask = all["n1"].plan, ask
	require.Equal(t, "it is none of --join, so it waits until those have a cluster", waits(fourth))
	now, err := all["n2"].round(t.Context())
	require.NoError(t, err)
	require.True(t, now.founds)
	all["n1"].ask = ask
	require.Contains(t, waits(all["n1"]), "node n2 is elected to found the cluster and has not yet")
	require.Contains(t, waits(fourth), "node n2 is elected")

	renamed, err := newStarter(all["n2"].dir, "other", all["n2"].plan)
	require.NoError(t, err)
	renamed.ask = ask
	now, err = renamed.round(t.Context())
	require.NoError(t, err)
	require.True(t, now.founds, "it is the same node")

	require.NoError(t, os.WriteFile(filepath.Join(fourth.dir, voteFile), []byte("{"), 0o600))
	_, err = newStarter(fourth.dir, "n4", fourth.plan)
	require.ErrorContains(t, err, "bootstrap.json is damaged: the node has no data yet, so empty its data folder")
}
