package node

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/cluster"
	"prefectd/ops"
)

// bootNodes are nodes that are started with the same command, each at its port.
type bootNodes struct {
	*nodes
	bootstrap Bootstrap
	ports     map[string]int
}

func newBootNodes(t *testing.T, n, expect int) *bootNodes {
	b := &bootNodes{
		nodes:     &nodes{t: t, dir: t.TempDir(), nodes: map[string]*Node{}},
		bootstrap: Bootstrap{Expect: expect, Token: cluster.NewSeed()}, ports: map[string]int{},
	}
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		b.ports[fmt.Sprint("n", i+1)] = portOf(l.Addr())
		b.bootstrap.Addresses = append(b.bootstrap.Addresses, l.Addr().String())
	}
	return b
}

// config is the same for all but the name and the port. One that is none of the list
// has any port.
func (b *bootNodes) config(name string) Config {
	c := testConfig(b.folder(name))
	c.Name, c.ClusterPort, c.Bootstrap = name, b.ports[name], &b.bootstrap
	return c
}

// startAll starts nodes, each after a delay, and waits for them.
func (b *bootNodes) startAll(delay func() time.Duration, names ...string) {
	b.t.Helper()
	var mu sync.Mutex
	var starting sync.WaitGroup
	for _, name := range names {
		wait := time.After(delay())
		starting.Go(func() {
			<-wait
			n, err := Start(b.t.Context(), b.config(name))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				b.t.Errorf("%s: %v", name, err)
				return
			}
			b.nodes.nodes[name] = n
			b.t.Cleanup(func() { b.stop(name) })
		})
	}
	starting.Wait()
	for _, name := range names {
		require.Contains(b.t, b.nodes.nodes, name)
	}
}

func atOnce() time.Duration { return 0 }

// clusters are those that the nodes are of.
func (b *bootNodes) clusters() map[string]bool {
	ids := map[string]bool{}
	for _, n := range b.nodes.nodes {
		ids[n.folder.ClusterID] = true
	}
	return ids
}

func (b *bootNodes) members() (names []string) {
	b.t.Helper()
	layout, err := ops.Ask[*ops.Layout](b.t.Context(), b.any(), ops.Coordination, &ops.ReadLayout{})
	require.NoError(b.t, err)
	for _, m := range layout.Members {
		names = append(names, m.Name)
	}
	return names
}

// Nodes that are started with the same command, in any order, are one cluster.
func TestSameCommandOneCluster(t *testing.T) {
	for round := range 4 {
		b := newBootNodes(t, 3, 3)
		delay := atOnce
		if round > 0 {
			delay = func() time.Duration { return rand.N(time.Second) }
		}
		b.startAll(delay, "n1", "n2", "n3")
		b.settled()
		require.Len(t, b.clusters(), 1)
		require.Equal(t, []string{"n1", "n2", "n3"}, b.members())
		for name := range b.nodes.nodes {
			require.NoFileExists(t, filepath.Join(b.folder(name), voteFile))
		}
		for name := range b.ports {
			b.stop(name)
		}
	}
}

// A further node, one whose disk is lost, and one that starts again: all by the same
// command, or by joining with the seed token.
func TestSameCommandLater(t *testing.T) {
	b := newBootNodes(t, 3, 3)
	b.startAll(atOnce, "n1", "n2", "n3")
	was := b.clusters()
	b.startAll(atOnce, "n4")
	b.settled()
	b.stop("n2")
	b.startAll(atOnce, "n2")
	b.settled()
	b.stop("n1")
	require.NoError(t, os.RemoveAll(b.folder("n1")))
	b.startAll(atOnce, "n1")
	b.settled()
	config := testConfig(b.folder("n5"))
	config.Name, config.Join = "n5", &Join{Address: b.bootstrap.Addresses[1], Token: b.bootstrap.Token}
	n5, err := Start(t.Context(), config)
	require.NoError(t, err)
	b.nodes.nodes["n5"] = n5
	t.Cleanup(func() { b.stop("n5") })
	require.Equal(t, was, b.clusters())
	require.Equal(t, []string{"n1", "n2", "n3", "n4", "n5"}, b.members())

	config = testConfig(b.folder("n6"))
	config.Name, config.Join = "n6", &Join{Address: b.bootstrap.Addresses[1], Token: cluster.NewSeed()}
	_, err = Start(t.Context(), config)
	require.ErrorContains(t, err, "was not started with this seed token")
}

// What a node is told beside its data is of no consequence.
func TestANodeWithDataJustStarts(t *testing.T) {
	folder := t.TempDir()
	n := start(t, folder)
	id := n.folder.ClusterID
	require.NoError(t, n.Stop())
	config := testConfig(folder)
	for _, b := range []Bootstrap{{}, {Expect: 1, Addresses: []string{"127.0.0.1:1", "127.0.0.1:2"}, Token: cluster.NewSeed()}} {
		config.Bootstrap = &b
		n, err := Start(t.Context(), config)
		require.NoError(t, err)
		require.Equal(t, id, n.folder.ClusterID)
		require.NoError(t, n.Stop())
	}
}

func TestBootstrapPlans(t *testing.T) {
	seed := cluster.NewSeed()
	for name, test := range map[string]struct {
		Bootstrap
		message string
	}{
		"half":         {Bootstrap{2, []string{"a:1", "b:1", "c:1", "d:1"}, seed}, "--bootstrap-expect 2 is not more than half of the 4 addresses of --join, so there could be two clusters: 3 or, better, 4"},
		"too many":     {Bootstrap{3, []string{"a:1", "b:1", "b:1"}, seed}, "--bootstrap-expect 3 is more than the 2 addresses of --join"},
		"no addresses": {Bootstrap{3, nil, seed}, "--bootstrap-expect needs --join"},
		"no token":     {Bootstrap{1, []string{"a:1"}, ""}, "this is no seed token"},
	} {
		config := testConfig(t.TempDir())
		config.Bootstrap = &test.Bootstrap
		_, err := Start(t.Context(), config)
		require.ErrorContains(t, err, test.message, name)
		require.NotContains(t, err.Error(), "\n", name)
	}
	p, err := (&Bootstrap{Addresses: []string{"b:1", "a:1", "b:1"}}).plan()
	require.NoError(t, err)
	require.Equal(t, plan{2, []string{"a:1", "b:1"}}, p)
}

// listened keeps what is logged.
type listened struct {
	slog.Handler
	mu   sync.Mutex
	said []string
}

func (l *listened) Enabled(context.Context, slog.Level) bool { return true }

func (l *listened) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "waits" {
			l.said = append(l.said, a.Value.String())
		}
		return true
	})
	return nil
}

// Two of three are no cluster, and say what they wait for, until they are stopped.
func TestTooFewNodesAreNoCluster(t *testing.T) {
	b := newBootNodes(t, 3, 3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log := &listened{Handler: slog.DiscardHandler}
	var waiting sync.WaitGroup
	for _, name := range []string{"n1", "n2"} {
		waiting.Go(func() {
			config := b.config(name)
			config.Log = slog.New(log)
			_, err := Start(ctx, config)
			if err == nil {
				t.Errorf("%s has founded a cluster", name)
			}
		})
	}
	eventually(t, func() bool {
		log.mu.Lock()
		defer log.mu.Unlock()
		seen := 0
		for _, line := range log.said {
			if regexp.MustCompile(`^2 of 3 new nodes are there: nobody listens at 127\.0\.0\.1:`).MatchString(line) {
				seen++
			}
		}
		return seen == 2
	})
	cancel()
	waiting.Wait()
	for _, name := range []string{"n1", "n2"} {
		require.NoFileExists(t, filepath.Join(b.folder(name), nodeFile))
	}
	b.startAll(atOnce, "n1", "n2", "n3")
	require.Len(t, b.clusters(), 1)
}
