package cluster

import (
	"bytes"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/stretchr/testify/require"
)

// gossiper is a node of a test's cluster.
type gossiper struct {
	*Gossip
	address string
	log     *journal
	ended   bool

	mu    sync.Mutex
	heard []Peer // what it was told last
}

// journal collects what is logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) contains(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(j.text.String(), text)
}

// count is how often something is said.
func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), text)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func gossipKey(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// freePort is a port that nobody has, for TCP and UDP.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// gossip starts a node that knows some addresses; it ends with the test unless it
// did before.
func gossip(t *testing.T, self Peer, key []byte, seeds []string, change ...func(*GossipConfig)) *gossiper {
	t.Helper()
	port := freePort(t)
	n := &gossiper{address: local(port), log: &journal{}}
	c := GossipConfig{
		Self: self, Host: "127.0.0.1", Port: port, Advertise: "127.0.0.1", Key: key,
		Seeds: func() []string { return seeds },
		Changed: func(peers []Peer) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.heard = peers
		},
		Log: slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&c)
	}
	var err error
	n.Gossip, err = StartGossip(c)
	require.NoError(t, err)
	t.Cleanup(func() {
		if !n.ended {
			n.leave(t)
		}
	})
	return n
}

// leave ends a node in good order.
func (n *gossiper) leave(t *testing.T) {
	t.Helper()
	n.ended = true
	began := time.Now()
	require.NoError(t, n.Close())
	require.Less(t, time.Since(began), 3*time.Second)
}

// kill ends a node that says nothing to the others.
func (n *gossiper) kill(t *testing.T) {
	t.Helper()
	n.ended = true
	n.stop()
	n.running.Wait()
	require.NoError(t, n.list.Shutdown())
}

// knows waits until a node sees some peers, and no others, and was told so.
func (n *gossiper) knows(t *testing.T, want ...Peer) {
	t.Helper()
	eventually(t, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return slices.Equal(n.Peers(), want) && slices.Equal(n.heard, want)
	}, "%s knows %v", n.address, want)
}

func peer(name, api string) Peer {
	return Peer{Name: name, Cluster: name + ":4201", API: api, Version: "1", Level: 2}
}

func TestGossip(t *testing.T) {
	key := gossipKey(1)
	p1, p2, p3 := peer("n1", "http://n1/api"), peer("n2", "http://n2/api"), peer("n3", "http://n3/api")
	n1 := gossip(t, p1, key, nil)
	n2 := gossip(t, p2, key, []string{n1.address})
	n3 := gossip(t, p3, key, []string{n1.address})
	for _, n := range []*gossiper{n1, n2, n3} {
		n.knows(t, p1, p2, p3)
	}

	n3.leave(t)
	n1.knows(t, p1, p2)
	n2.knows(t, p1, p2)

	// One that is killed and comes back elsewhere, with something else to tell, is
	// seen so before the others have noticed that it was gone.
	n2.kill(t)
	began := time.Now()
	p2.API, p2.Version = "http://elsewhere/api", "2"
	n2 = gossip(t, p2, key, []string{n1.address})
	n1.knows(t, p1, p2)
	n2.knows(t, p1, p2)
	require.Less(t, time.Since(began), 2*time.Second)

	// One that does not come back is missed.
	n2.kill(t)
	began = time.Now()
	n1.knows(t, p1)
	t.Logf("a killed node is missed after %v", time.Since(began))
	require.Less(t, time.Since(began), 10*time.Second)
}

// Where others may be is looked up again and again.
func TestGossipLooksForWhoIsMissing(t *testing.T) {
	key := gossipKey(1)
	p1, p2 := peer("n1", ""), peer("n2", "")
	var mu sync.Mutex
	var seeds []string
	n1 := gossip(t, p1, key, nil, func(c *GossipConfig) {
		c.Seeds = func() []string {
			mu.Lock()
			defer mu.Unlock()
			return seeds
		}
	})
	n2 := gossip(t, p2, key, nil)
	n1.knows(t, p1)
	n2.knows(t, p2)
	mu.Lock()
	seeds = []string{strings.Replace(n2.address, "127.0.0.1", "localhost", 1)}
	mu.Unlock()
	n1.knows(t, p1, p2)
	n2.knows(t, p1, p2)
}

func TestGossipWithAnotherKey(t *testing.T) {
	p1, p2, p3 := peer("n1", ""), peer("n2", ""), peer("n3", "")
	n1 := gossip(t, p1, gossipKey(1), nil)
	n2 := gossip(t, p2, gossipKey(2), []string{n1.address})
	eventually(t, func() bool { return n2.log.contains("a node is missing") && n1.log.contains("decrypt") })
	n3 := gossip(t, p3, gossipKey(1), []string{n1.address, n2.address})
	n1.knows(t, p1, p3)
	n3.knows(t, p1, p3)
	n2.knows(t, p2)
}

// A node that takes connections and is silent holds up nobody.
func TestGossipEndsAtOnce(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	key := gossipKey(1)
	p1, p2 := peer("n1", ""), peer("n2", "")
	n1 := gossip(t, p1, key, nil)
	n2 := gossip(t, p2, key, []string{silent.Addr().String(), n1.address})
	n2.knows(t, p1, p2)
	n2.leave(t)
	n1.knows(t, p1)
}

func TestGossipTakesNamesOfHosts(t *testing.T) {
	key := gossipKey(1)
	p1, p2 := peer("n1", ""), peer("n2", "")
	n1 := gossip(t, p1, key, nil, func(c *GossipConfig) { c.Host, c.Advertise = "localhost", "localhost" })
	n2 := gossip(t, p2, key, []string{strings.Replace(n1.address, "127.0.0.1", "localhost", 1)}, func(c *GossipConfig) { c.Host = "" })
	n1.knows(t, p1, p2)
	n2.knows(t, p1, p2)
}

func TestGossipThatCannotBe(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for name, test := range map[string]struct {
		spoil   func(*GossipConfig)
		message string
	}{
		"long":      {func(c *GossipConfig) { c.Self.API = strings.Repeat("x", 500) }, "512 are possible"},
		"port":      {func(c *GossipConfig) { c.Port = taken.Addr().(*net.TCPAddr).Port }, "address already in use"},
		"key":       {func(c *GossipConfig) { c.Key = []byte("short") }, "key"},
		"advertise": {func(c *GossipConfig) { c.Advertise = "nowhere.invalid" }, "nowhere.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			c := GossipConfig{Self: peer("n1", ""), Host: "127.0.0.1", Port: freePort(t), Advertise: "127.0.0.1", Key: gossipKey(1), Log: slog.New(slog.DiscardHandler)}
			test.spoil(&c)
			_, err := StartGossip(c)
			require.ErrorContains(t, err, test.message)
		})
	}
}

// What nodes of other versions tell is read as far as it is known; what cannot be
// read, and what a node told before it came back, is passed over.
func TestCards(t *testing.T) {
	p := &presence{nodes: map[string]present{}, changes: make(chan struct{}, 1)}
	for name, meta := range map[string]string{
		"n1@7": `{"n":"n1","a":"http://new/api","v":"9","l":5,"colour":["red"],"s":7}`,
		"n1@6": `{"n":"n1","a":"http://old/api","s":6}`,
		"n2@8": `{"n":"n2"}`,
		"n3@9": `not a card`,
		"n4@9": `{"s":9}`,
	} {
		p.NotifyJoin(&memberlist.Node{Name: name, Meta: []byte(meta)})
	}
	require.Equal(t, []Peer{{Name: "n1", API: "http://new/api", Version: "9", Level: 5}, {Name: "n2"}}, p.peers())
	p.NotifyLeave(&memberlist.Node{Name: "n1@6"})
	require.Equal(t, "http://new/api", p.peers()[0].API)
}
