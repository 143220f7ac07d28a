package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// Peer is what a node gossips about itself. It is a hint: who is a member, and of
// what, only Raft's configurations say.
type Peer struct {
	Name    string `json:"n"`
	Cluster string `json:"c"` // its address for other nodes
	API     string `json:"a"` // and for clients
	Version string `json:"v"`
	Level   int    `json:"l"` // the newest formats that it knows
}

// GossipConfig says how a node gossips.
type GossipConfig struct {
	Self      Peer
	Host      string // to listen on
	Port      int    // TCP and UDP
	Advertise string // the host that others are told
	Key       []byte // 32 bytes, the cluster's
	// Seeds are the addresses, host:port, where other nodes were lately.
	Seeds func() []string
	// Changed is told of all who are there when that changed. It must return soon.
	Changed func([]Peer)
	Log     *slog.Logger
}

// Gossip keeps nodes informed of where the others are.
type Gossip struct {
	config  GossipConfig
	list    *memberlist.Memberlist
	here    *presence
	stop    context.CancelFunc
	running sync.WaitGroup
}

// Times of gossip.
const (
	rejoinEvery = 2 * time.Second
	leaveTime   = 500 * time.Millisecond
)

// StartGossip listens, and looks for the others from now on.
func StartGossip(c GossipConfig) (*Gossip, error) {
	g := &Gossip{config: c, here: &presence{nodes: map[string]present{}, changes: make(chan struct{}, 1)}}
	meta, err := json.Marshal(c.Self)
	if err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	conf := memberlist.DefaultLANConfig()
	conf.Name = c.Self.Name
	conf.BindAddr, conf.BindPort = bindAddress(c.Host), c.Port
	conf.AdvertiseAddr, conf.AdvertisePort = c.Advertise, c.Port
	conf.SecretKey = c.Key
	conf.Delegate, conf.Events = delegate{meta}, g.here
	conf.Logger = stdLogger(c.Log)
	// A node that comes back at another address is itself, not another of its name.
	conf.DeadNodeReclaimTime = time.Second
	if g.list, err = memberlist.Create(conf); err != nil {
		return nil, fmt.Errorf("gossip on port %d: %w", c.Port, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	g.running.Go(func() { g.tell(ctx) })
	g.running.Go(func() { g.rejoin(ctx) })
	return g, nil
}

// bindAddress is a host as memberlist wants it.
func bindAddress(host string) string {
	switch host {
	case "", "::":
		return "0.0.0.0"
	case "localhost":
		return "127.0.0.1"
	}
	return host
}

// tell passes on who is there.
func (g *Gossip) tell(ctx context.Context) {
	for {
		g.config.Changed(g.Peers())
		select {
		case <-g.here.changes:
		case <-ctx.Done():
			return
		}
	}
}

// rejoin looks for those who are missing: memberlist forgets whom it lost.
func (g *Gossip) rejoin(ctx context.Context) {
	ticker := time.NewTicker(rejoinEvery)
	defer ticker.Stop()
	for {
		missing := slices.DeleteFunc(g.config.Seeds(), g.here.at)
		if len(missing) > 0 {
			if _, err := g.list.Join(missing); err != nil && ctx.Err() == nil {
				g.config.Log.Debug("gossip: nodes are missing", "addresses", strings.Join(missing, " "), "err", err)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Peers are those who are there, this node among them, by name.
func (g *Gossip) Peers() []Peer { return g.here.peers() }

// Close takes leave of the others.
func (g *Gossip) Close() error {
	g.stop()
	g.running.Wait()
	if err := g.list.Leave(leaveTime); err != nil {
		g.config.Log.Debug("gossip: nobody heard that this node leaves", "err", err)
	}
	if err := g.list.Shutdown(); err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	return nil
}

// delegate gives memberlist what is gossiped about this node.
type delegate struct{ meta []byte }

func (d delegate) NodeMeta(limit int) []byte {
	if len(d.meta) > limit {
		return nil
	}
	return d.meta
}

func (delegate) NotifyMsg([]byte) {}

func (delegate) GetBroadcasts(int, int) [][]byte { return nil }

func (delegate) LocalState(bool) []byte { return nil }

func (delegate) MergeRemoteState([]byte, bool) {}

// presence is who is there. Memberlist's own list may change while it is read.
type presence struct {
	changes chan struct{}

	mu    sync.Mutex
	nodes map[string]present
}

type present struct {
	peer    Peer
	address string // where it gossips
}

func (p *presence) peers() (list []Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(p.nodes)) {
		list = append(list, p.nodes[name].peer)
	}
	return list
}

// at reports whether somebody gossips at an address.
func (p *presence) at(address string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.nodes {
		if n.address == address {
			return true
		}
	}
	return false
}

// set notes that a node is there, or gone.
func (p *presence) set(m *memberlist.Node, there bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := present{address: m.Address()}
	if there && json.Unmarshal(m.Meta, &n.peer) == nil && n.peer.Name == m.Name {
		p.nodes[m.Name] = n
	} else {
		delete(p.nodes, m.Name)
	}
	select {
	case p.changes <- struct{}{}:
	default:
	}
}

// NotifyJoin, NotifyUpdate and NotifyLeave are how memberlist tells of a node.
func (p *presence) NotifyJoin(m *memberlist.Node)   { p.set(m, true) }
func (p *presence) NotifyUpdate(m *memberlist.Node) { p.set(m, true) }
func (p *presence) NotifyLeave(m *memberlist.Node)  { p.set(m, false) }
