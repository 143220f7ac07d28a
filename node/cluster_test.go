package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/ops"
	"prefectd/prefect"
)

// nodes are the nodes of a cluster in this process.
type nodes struct {
	t     *testing.T
	dir   string
	nodes map[string]*Node
}

// newNodes makes a cluster of n nodes and waits until all of them hold what they
// should.
func newNodes(t *testing.T, n int, change ...func(*Config)) *nodes {
	c := &nodes{t: t, dir: t.TempDir(), nodes: map[string]*Node{}}
	for i := range n {
		c.start(fmt.Sprint("n", i+1), change...)
	}
	c.settled()
	return c
}

func (c *nodes) folder(name string) string { return filepath.Join(c.dir, name) }

// start starts a node, as a member of the cluster if there is one.
func (c *nodes) start(name string, change ...func(*Config)) *Node {
	c.t.Helper()
	n, err := c.try(name, change...)
	require.NoError(c.t, err)
	return n
}

func (c *nodes) try(name string, change ...func(*Config)) (*Node, error) {
	config := testConfig(c.folder(name))
	config.Name = name
	for _, other := range c.nodes {
		config.Join = &Join{Address: other.peer.Cluster, Token: c.token()}
	}
	for _, f := range change {
		f(&config)
	}
	n, err := Start(c.t.Context(), config)
	if err != nil {
		return nil, err
	}
	c.nodes[name] = n
	c.t.Cleanup(func() { c.stop(name) })
	return n, nil
}

func (c *nodes) stop(name string) {
	if n := c.nodes[name]; n != nil {
		delete(c.nodes, name)
		require.NoError(c.t, n.Stop())
	}
}

func (c *nodes) token() (token string) {
	c.t.Helper()
	eventually(c.t, func() bool {
		for name := range c.nodes {
			if raw, err := os.ReadFile(filepath.Join(c.folder(name), tokenFile)); err == nil {
				token = strings.TrimSpace(string(raw))
				return true
			}
		}
		return false
	}, "no token")
	return token
}

func (c *nodes) any() *Node {
	for _, n := range c.nodes {
		return n
	}
	panic("no node")
}

// settled waits until every group is led, and held by as many as can.
func (c *nodes) settled() []ops.ClusterGroup {
	c.t.Helper()
	var groups []ops.ClusterGroup
	eventually(c.t, func() bool {
		var err error
		groups, err = c.any().ClusterGroups(c.t.Context())
		require.NoError(c.t, err)
		for _, g := range groups {
			if !g.Healthy || len(g.Voters) < min(len(c.nodes), 3) || len(g.Learners) > 0 || len(g.Replicas) != len(g.Voters) {
				return false
			}
		}
		for _, n := range c.nodes {
			if n.Ready(c.t.Context()) != nil {
				return false
			}
		}
		return true
	}, "groups are not where they should be")
	return groups
}

func eventually(t *testing.T, condition func() bool, what ...any) {
	t.Helper()
	require.Eventually(t, condition, time.Minute, 10*time.Millisecond, what...)
}

// something is an event, as an operation.
func something(n *Node) ops.Operation {
	return &ops.AppendEvents{Events: []prefect.Event{{ID: n.NewID(), Occurred: now(), Event: "noted", Resource: prefect.Resource{}}}}
}

// noted counts the events that a node shows in a group.
func noted(t *testing.T, n *Node, group int) int {
	t.Helper()
	return notedAs(t, t.Context(), n, group)
}

func notedAs(t *testing.T, ctx context.Context, n *Node, group int) int {
	t.Helper()
	events, err := ops.Ask[[]*prefect.Event](ctx, n, group, everything)
	require.NoError(t, err)
	return len(events)
}

var everything = &ops.ReadStream{Limit: 1 << 20}

func TestEveryNodeOfAClusterIsTheServer(t *testing.T) {
	c := newNodes(t, 3)
	total := 0
	for round := range 3 {
		for _, n := range c.nodes {
			for _, group := range n.layout.All() {
				added, err := ops.Do[ops.Appended](t.Context(), n, group, something(n))
				require.NoError(t, err)
				require.Equal(t, 1, added.New)
			}
			total++
			for _, other := range c.nodes {
				for _, group := range n.layout.All() {
					require.Equal(t, total, noted(t, other, group), "round %d", round)
				}
			}
		}
	}
	leaders := map[string]int{}
	eventually(t, func() bool {
		clear(leaders)
		for _, g := range c.settled() {
			leaders[g.Leader]++
		}
		return len(leaders) == 3
	}, "every node leads something: %v", leaders)
}

// Reads and writes of a group go on on nodes that do not hold it.
func TestFiveNodesShareTheGroups(t *testing.T) {
	c := newNodes(t, 3)
	first := c.any()
	for _, group := range first.layout.RunGroups() {
		_, err := first.Do(t.Context(), group, something(first))
		require.NoError(t, err)
	}
	c.start("n4")
	c.start("n5")
	var holders map[string]int
	eventually(t, func() bool {
		holders = map[string]int{}
		groups, err := c.any().ClusterGroups(t.Context())
		require.NoError(t, err)
		for _, g := range groups {
			if len(g.Replicas) != len(g.Voters) || len(g.Learners) > 0 {
				return false
			}
			if g.Group > 0 {
				require.LessOrEqual(t, len(g.Placed), 3)
				for _, r := range g.Replicas {
					holders[r.Node]++
				}
			}
		}
		for _, n := range holders {
			if n > 2 {
				return false
			}
		}
		return len(holders) == 5
	}, "6 replicas on five nodes: %v", holders)
	for _, n := range c.nodes {
		for _, group := range n.layout.RunGroups() {
			before := noted(t, n, group)
			_, err := n.Do(t.Context(), group, something(n))
			require.NoError(t, err)
			require.Equal(t, before+1, noted(t, n, group))
		}
	}
}

// A node that stops, with or without its groups' leaders, is not noticed by those who
// use another, and comes back with its data.
func TestANodeIsMissedByNobody(t *testing.T) {
	c := newNodes(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	keep := c.nodes["n1"]
	written := 0
	var mu sync.Mutex
	wait.Go(func() {
		for ctx.Err() == nil {
			if _, err := keep.Do(ctx, 1, something(keep)); err != nil {
				require.ErrorIs(t, ctx.Err(), context.Canceled, "%v", err)
				return
			}
			mu.Lock()
			written++
			mu.Unlock()
		}
	})
	for _, name := range []string{"n2", "n3", "n2"} {
		c.stop(name)
		mu.Lock()
		now := written
		mu.Unlock()
		eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return written > now+10 }, "writes go on")
		c.start(name, func(config *Config) { config.Join = nil })
		c.settled()
	}
	cancel()
	wait.Wait()
	for _, n := range c.nodes {
		require.GreaterOrEqual(t, noted(t, n, 1), written)
	}
}

// A node whose disk was replaced comes back under its name.
func TestANodeRejoinsWithAnEmptyDisk(t *testing.T) {
	c := newNodes(t, 3)
	n1 := c.nodes["n1"]
	_, err := n1.Do(t.Context(), 1, something(n1))
	require.NoError(t, err)
	_, err = c.try("n3", func(config *Config) { config.DataDir += "-other" })
	require.ErrorContains(t, err, "a node named n3 is running: choose another name with --node-name")
	c.stop("n3")
	old := c.folder("n3-old")
	require.NoError(t, os.Rename(c.folder("n3"), old))
	c.start("n3")
	c.settled()
	c.stop("n3")

	// The old disk turns up again: what it had acknowledged since is not on it.
	var said logs
	_, err = c.try("n3", func(config *Config) {
		config.DataDir, config.Log = old, slog.New(slog.NewTextHandler(&said, nil))
	})
	require.NoError(t, err)
	eventually(t, func() bool { return strings.Contains(said.String(), "other nodes refuse this one") })
	groups, err := n1.ClusterGroups(t.Context())
	require.NoError(t, err)
	for _, g := range groups {
		require.Len(t, g.Replicas, 2)
	}
	c.stop("n3")

	n3 := c.start("n3")
	c.settled()
	c.stop("n1")
	require.Equal(t, 1, noted(t, n3, 1))
}

// logs collects what a node logs.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestStrangersAreNotAdmitted(t *testing.T) {
	c := newNodes(t, 1)
	n := c.nodes["n1"]
	old := c.token()
	other := newNodes(t, 1)
	for name, test := range map[string]struct{ token, message string }{
		"of another cluster": {other.token(), "token"},
		"nonsense":           {"nonsense", "token"},
	} {
		_, err := c.try("n2", func(config *Config) { config.Join.Token = test.token })
		require.ErrorContains(t, err, test.message, name)
		require.NotContains(t, err.Error(), "\n", name)
		require.NoFileExists(t, filepath.Join(c.folder("n2"), nodeFile))
	}
	require.NoError(t, n.ReplaceToken(t.Context()))
	_, err := c.try("n2", func(config *Config) { config.Join.Token = old })
	require.ErrorContains(t, err, "the token is not valid, or not any more: get one with `prefectd token`")
	eventually(t, func() bool { return c.token() != old })
	c.start("n2")
}

func TestANodeIsDrainedAndRemoved(t *testing.T) {
	c := newNodes(t, 3)
	n1, n3 := c.nodes["n1"], c.nodes["n3"]
	require.Error(t, n1.Remove(t.Context(), "n3", false), "it holds something")
	require.NoError(t, n1.Drain(t.Context(), "n3", true))
	eventually(t, func() bool {
		members, err := n1.Members(t.Context())
		require.NoError(t, err)
		i := slices.IndexFunc(members, func(m ops.MemberStatus) bool { return m.Name == "n3" })
		return slices.Equal(members[i].Holds, []int{ops.Coordination}) && len(members[i].Leads) == 0
	}, "it holds nothing but its copy of the coordination group")
	require.NoDirExists(t, n3.folder.group(1))
	_, err := n3.Do(t.Context(), 1, something(n3))
	require.NoError(t, err, "it serves all the same")
	require.NoError(t, n1.Remove(t.Context(), "n3", false))
	require.ErrorContains(t, <-n3.Failed(), "node n3 was removed from the cluster")
	eventually(t, func() bool {
		groups, err := n1.ClusterGroups(t.Context())
		require.NoError(t, err)
		return !inConfiguration(groups, "n3")
	})
}

func TestLeadershipIsTransferred(t *testing.T) {
	c := newNodes(t, 3)
	for name, n := range c.nodes {
		// The cluster spreads leaders itself, so it may be led by another one soon.
		eventually(t, func() bool {
			err := c.any().Transfer(t.Context(), 1, name)
			var refused *ops.Error
			require.True(t, err == nil || errors.As(err, &refused) && refused.Retryable, "%v", err)
			return n.replicas.get(1).Leads()
		})
	}
	// Whoever is told to lead all groups goes on, though leaders are spread else.
	eventually(t, func() bool {
		leads := true
		for _, group := range c.any().layout.All() {
			leads = c.any().Transfer(t.Context(), group, "n2") == nil && leads
		}
		return leads
	})
	control := &controller{node: c.any(), log: c.any().log}
	acted, err := control.control(t.Context(), map[string]time.Time{}, time.Now())
	require.NoError(t, err)
	require.False(t, acted)
	require.ErrorContains(t, c.any().Transfer(t.Context(), 1, "n9"), "no vote")
	require.ErrorContains(t, c.any().Transfer(t.Context(), 9, "n1"), "no group 9")
}

// Events and logs that are written anywhere reach those who listen on any node, also
// on one that does not hold their group.
func TestStreamsReachEveryNode(t *testing.T) {
	c := newNodes(t, 4)
	var without *Node
	eventually(t, func() bool {
		for _, n := range c.nodes {
			if n.replicas.get(1) == nil || n.replicas.get(2) == nil {
				without = n
			}
		}
		return without != nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	got := map[prefect.ID]int{}
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	wait.Go(func() {
		_ = ops.FollowEvents(ctx, without, without.Streams(), ops.Follow{Live: true, Backfill: true}, func(events []*prefect.Event) error {
			mu.Lock()
			defer mu.Unlock()
			for _, e := range events {
				got[e.ID]++
			}
			return nil
		})
	})
	sent := 0
	for range 50 {
		for _, n := range c.nodes {
			for _, group := range n.layout.RunGroups() {
				_, err := n.Do(ctx, group, something(n))
				require.NoError(t, err)
				sent++
			}
		}
	}
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == sent }, "all events")
	for id, n := range got {
		require.Equal(t, 1, n, id)
	}
}

// Without a majority nothing is written, and only stale reads are answered.
func TestAMinorityOnlyShowsWhatItHas(t *testing.T) {
	c := newNodes(t, 3)
	n1 := c.nodes["n1"]
	_, err := n1.Do(t.Context(), 1, something(n1))
	require.NoError(t, err)
	require.Equal(t, 1, noted(t, n1, 1))
	c.stop("n2")
	c.stop("n3")
	eventually(t, func() bool { return n1.Ready(t.Context()) != nil && n1.replicas.get(1).Leader() == "" })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for _, ask := range []func() error{
		func() error { _, err := n1.Do(ctx, 1, something(n1)); return err },
		func() error { _, err := n1.Ask(ctx, 1, everything); return err },
	} {
		var refused *ops.Error
		require.ErrorAs(t, ask(), &refused)
		require.Equal(t, 503, refused.Status)
		require.True(t, refused.Retryable)
	}
	require.Equal(t, 1, notedAs(t, ops.WithReads(t.Context(), ops.Stale), n1, 1))
	status := n1.Status(t.Context())
	require.False(t, status.Ready)
	require.False(t, status.Healthy)
	require.NotEmpty(t, status.Problems)
}

// The newest formats are written when every member knows them, and a member that does
// not is of no use any more.
func TestTheLevelIsRaisedWhenAllKnowIt(t *testing.T) {
	old := func(c *Config) { c.MaxLevel = 1 }
	c := newNodes(t, 3, old)
	write := func() {
		n1 := c.nodes["n1"]
		_, err := n1.Do(t.Context(), 1, something(n1))
		require.NoError(t, err)
	}
	write()
	level := func(n *Node) int { return n.Status(t.Context()).Level }
	alone := func(c *Config) { c.Join = nil }
	again := func(name string, change ...func(*Config)) *Node {
		c.stop(name)
		return c.start(name, append(change, alone)...)
	}
	for _, name := range []string{"n1", "n3", "n2"} {
		require.Equal(t, 1, level(c.any()))
		again(name)
		c.settled()
	}
	eventually(t, func() bool { return level(c.any()) == 2 })
	n2 := again("n2", old)
	eventually(t, func() bool {
		select {
		case err := <-n2.Failed():
			require.ErrorContains(t, err, "log entry has version 2, this program knows 1")
			return true
		default:
			write()
			return false
		}
	})
}

// What a node held that stays away is held by another one soon, and what it holds when
// it comes back is what it should.
func TestANodeThatStaysAwayIsReplaced(t *testing.T) {
	impatient := func(config *Config) { config.ReplaceAfter = 2 * time.Second }
	c := newNodes(t, 4, impatient)
	n1 := c.nodes["n1"]
	_, err := n1.Do(t.Context(), 1, something(n1))
	require.NoError(t, err)
	groups := c.settled()
	gone := groups[1].Placed[0]
	c.stop(gone)
	eventually(t, func() bool {
		groups, err := c.any().ClusterGroups(t.Context())
		require.NoError(t, err)
		return groups[1].Leader != "" && len(groups[1].Voters) == 3 && !slices.Contains(groups[1].Voters, gone)
	}, "three others hold it")
	for _, n := range c.nodes {
		require.Equal(t, 1, noted(t, n, 1))
	}
	back := c.start(gone, impatient, func(config *Config) { config.Join = nil })
	eventually(t, func() bool {
		groups, err := back.ClusterGroups(t.Context())
		require.NoError(t, err)
		held := 0
		for _, g := range groups[1:] {
			if len(g.Replicas) != 3 || !g.Healthy {
				return false
			}
			held += len(g.Replicas)
		}
		return held == 6
	}, "nobody holds too much")
	require.Equal(t, 1, noted(t, back, 1))
}
