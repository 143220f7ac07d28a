package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
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
	lookupTime  = 5 * time.Second // for this node's own addresses
)

// gossipTimes makes memberlist notice in about three seconds that a node is gone: of
// three nodes each is asked every other interval, found silent one later, and given
// four more to object. There are too few nodes to wait for others to agree.
func gossipTimes(c *memberlist.Config) {
	c.ProbeInterval, c.ProbeTimeout = 400*time.Millisecond, 200*time.Millisecond
	c.SuspicionMult, c.SuspicionMaxTimeoutMult = 4, 1
	c.GossipInterval = 100 * time.Millisecond
	c.TCPTimeout = 5 * time.Second
}

// StartGossip listens, and looks for the others from now on.
func StartGossip(c GossipConfig) (*Gossip, error) {
	ctx, stop := context.WithCancel(context.Background())
	g := &Gossip{config: c, stop: stop, here: &presence{nodes: map[string]present{}, changes: make(chan struct{}, 1)}}
	if err := g.start(ctx); err != nil {
		stop()
		return nil, fmt.Errorf("gossip on %s port %d: %w", c.Host, c.Port, err)
	}
	g.running.Go(func() { g.tell(ctx) })
	g.running.Go(func() { g.rejoin(ctx) })
	return g, nil
}

// start listens.
func (g *Gossip) start(ctx context.Context) error {
	conf, err := g.settings(ctx)
	if err != nil {
		return err
	}
	listening, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{
		BindAddrs: []string{conf.BindAddr}, BindPort: conf.BindPort, Logger: conf.Logger,
	})
	if err != nil {
		return err
	}
	conf.Transport = &gossipTransport{listening, ctx}
	if g.list, err = memberlist.Create(conf); err != nil {
		return errors.Join(err, listening.Shutdown())
	}
	return nil
}

// settings are what memberlist is told. It knows a node by a name that is new each
// time the node starts, so one that comes back, at whichever address, never has to
// wait until the others have given up what they knew of it before.
func (g *Gossip) settings(ctx context.Context) (*memberlist.Config, error) {
	c := &g.config
	card := card{Peer: c.Self, Since: time.Now().UnixMicro()}
	meta, err := json.Marshal(card)
	if err != nil {
		return nil, err
	}
	if len(meta) > memberlist.MetaMaxSize {
		return nil, fmt.Errorf("name and addresses of the node take %d bytes, %d are possible", len(meta), memberlist.MetaMaxSize)
	}
	conf := memberlist.DefaultLANConfig()
	gossipTimes(conf)
	conf.Name = fmt.Sprintf("%s@%d", card.Name, card.Since)
	conf.BindPort, conf.AdvertisePort = c.Port, c.Port
	if conf.BindAddr, err = ipOf(ctx, c.Host); err != nil {
		return nil, err
	}
	if conf.AdvertiseAddr, err = ipOf(ctx, c.Advertise); err != nil {
		return nil, err
	}
	conf.SecretKey = c.Key
	conf.Delegate, conf.Events = delegate{meta}, g.here
	conf.Logger = stdLogger(c.Log)
	return conf, nil
}

// ipOf is an address of a host, which is all that memberlist understands.
func ipOf(ctx context.Context, host string) (string, error) {
	if host == "" || host == "::" {
		return "0.0.0.0", nil // Go takes it for all addresses of either kind
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", err
	}
	return addresses[0], nil
}

// gossipTransport ends its connections when the node stops.
type gossipTransport struct {
	*memberlist.NetTransport
	ctx context.Context
}

// DialAddressTimeout connects to another node.
func (t *gossipTransport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(t.ctx, "tcp", a.Addr)
	if err != nil {
		return nil, err
	}
	return &gossipConn{conn, context.AfterFunc(t.ctx, func() { conn.Close() })}, nil
}

type gossipConn struct {
	net.Conn
	forget func() bool
}

// Close ends the connection.
func (c *gossipConn) Close() error {
	c.forget()
	return c.Conn.Close()
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
		var looking sync.WaitGroup
		for _, seed := range g.config.Seeds() {
			looking.Go(func() {
				if err := g.find(ctx, seed); err != nil && ctx.Err() == nil {
					g.config.Log.Debug("gossip: a node is missing", "address", seed, "err", err)
				}
			})
		}
		looking.Wait()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// find gets in touch with who should be at an address, unless somebody there is
// known.
func (g *Gossip) find(ctx context.Context, seed string) error {
	host, port, err := net.SplitHostPort(seed)
	if err != nil {
		return err
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return err
	}
	for i := range addresses {
		if addresses[i] = net.JoinHostPort(addresses[i], port); g.here.at(addresses[i]) {
			return nil
		}
	}
	_, err = g.list.Join(addresses)
	return err
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

// card is what memberlist carries about a node. Who reads it skips fields that it
// does not know.
type card struct {
	Peer
	Since int64 `json:"s"` // when it started, in microseconds since 1970
}

// presence is who is there. Memberlist's own list may change while it is read.
type presence struct {
	changes chan struct{}

	mu    sync.Mutex
	nodes map[string]present // by memberlist's names
}

type present struct {
	card
	address string // where it gossips
}

// peers are the nodes by name. One that came back counts as it is now, also while
// what it was before is not given up.
func (p *presence) peers() []Peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	newest := map[string]card{}
	for _, n := range p.nodes {
		if n.Since >= newest[n.Name].Since {
			newest[n.Name] = n.card
		}
	}
	list := make([]Peer, 0, len(newest))
	for _, name := range slices.Sorted(maps.Keys(newest)) {
		list = append(list, newest[name].Peer)
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
	if there && json.Unmarshal(m.Meta, &n.card) == nil && n.Name != "" {
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
