package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"prefectd/cluster"
	"prefectd/ops"
	"prefectd/store"
)

// Config says what a node is.
type Config struct {
	DataDir   string
	Name      string // of a new node; the machine's
	RunGroups int    // of a new cluster; DefaultRunGroups
	Settings  *Settings
	Version   string // of the program
	Log       *slog.Logger

	Host        string // address that other nodes reach this one at, and clients
	API         string // where clients reach it, for the others to tell
	ClusterPort int    // 0: a free one
	GossipPort  int    // 0: a free one
	// Solitary lets the node run without its ports for other nodes if they are in
	// use: nobody asked for them.
	Solitary bool
	Join     *Join // the cluster that a new node is to be a member of; nil: its own
	// Bootstrap has new nodes that start together found one cluster; nil: this one founds
	// its own. It takes precedence over Join.
	Bootstrap *Bootstrap
	// ReplaceAfter is how long a member may be silent until others hold its groups;
	// 0 means five minutes.
	ReplaceAfter time.Duration
	MaxLevel     int // the newest formats to use, for tests of upgrades; 0: all
}

// DefaultRunGroups is how many groups a new cluster spreads its runs over.
const DefaultRunGroups = 2

// defaultReplaceAfter is longer than it takes to restart a machine.
const defaultReplaceAfter = 5 * time.Minute

// name is what a new node is called.
func (c *Config) name() string {
	name := c.Name
	if name == "" {
		name, _ = os.Hostname() // a machine without a name is no error
	}
	if name == "" {
		name = "prefectd"
	}
	return name
}

// newcomer is what a new data folder is to say: of a cluster's first node, or of one
// that was admitted to a cluster.
func (c *Config) newcomer(ctx context.Context, l net.Listener, peer cluster.Peer, gossip string) (*newcomer, error) {
	id := identity{Name: peer.Name, ClusterID: uuid.NewString(), RunGroups: c.RunGroups}
	if id.RunGroups == 0 {
		id.RunGroups = DefaultRunGroups
	}
	if id.RunGroups < 1 || id.RunGroups > maxRunGroups {
		return nil, fmt.Errorf("%d run groups: there can be 1 to %d", id.RunGroups, maxRunGroups)
	}
	switch {
	case c.Bootstrap != nil:
		if joined, err := c.bootstrap(ctx, l, peer, gossip); joined != nil || err != nil {
			return joined, err
		}
	case c.Join != nil:
		return c.Join.apply(ctx, peer, gossip)
	}
	t, err := foundTrust(id.ClusterID, id.Name)
	if err != nil {
		return nil, err
	}
	return &newcomer{identity: id, trust: t}, nil
}

// Node is a running node: the backend of the HTTP layer.
type Node struct {
	*backend
	config        Config
	log           *slog.Logger
	folder        *folder
	trust         *trust
	directory     *directory
	peer          cluster.Peer // this node, for the others
	gossipAddress string
	issued        time.Time // its certificate
	gossip        *cluster.Gossip
	hub           *ops.Hub
	metrics       *prometheus.Registry
	services      *serviceMetrics
	kept          kept
	tails         tails
	failed        chan error
	layoutChanged chan struct{}

	halt   context.CancelFunc // ends what runs beside the groups
	beside sync.WaitGroup
}

// readyTime is how long the groups of a node may take to be able to serve.
const readyTime = time.Minute

// Start opens the data folder and its groups, and returns when the node can
// serve, or when it has to wait for others to be able to. Its errors are one line
// that says what to do.
func Start(ctx context.Context, c Config) (*Node, error) {
	if c.ReplaceAfter == 0 {
		c.ReplaceAfter = defaultReplaceAfter
	}
	n := &Node{
		config: c, log: c.Log, failed: make(chan error, 1), layoutChanged: make(chan struct{}, 1),
	}
	if err := n.start(ctx); err != nil {
		n.Stop() // what can be closed; the reason is the first error
		return nil, err
	}
	return n, nil
}

func (n *Node) start(ctx context.Context) (err error) {
	n.halt = func() {}
	var listener net.Listener
	defer func() {
		if err != nil && listener != nil {
			listener.Close() // closed before, when the network served
		}
	}()
	n.folder, err = openFolder(n.config.DataDir, func() (*newcomer, error) {
		if listener, err = n.listen(); err != nil { // others are to be told where
			return nil, err
		}
		return n.config.newcomer(ctx, listener, n.peer, n.gossipAddress)
	})
	if err != nil {
		return err
	}
	if err := n.folder.forgetVote(); err != nil {
		return err
	}
	if listener == nil {
		if listener, err = n.listen(); err != nil {
			return err
		}
	}
	identity, err := n.identify()
	if err != nil {
		return err
	}
	n.issued = identity.Issued()
	n.backend = newBackend(n.folder, &n.config.Settings.Ops, n.log)
	n.hub = ops.NewHub(n.layout)
	n.services = newServiceMetrics()
	n.metrics = n.newMetrics()
	n.net = cluster.NewNetwork(listener, identity, n.directory, wireErrors{}, n.log)
	n.answerCalls()
	return n.run()
}

// identify reads who this node is and where it finds the others.
func (n *Node) identify() (id *cluster.Identity, err error) {
	n.peer.Name = n.folder.Name
	if n.trust, err = n.folder.loadTrust(); err != nil {
		return nil, err
	}
	if n.directory, err = newDirectory(n.folder); err != nil {
		return nil, err
	}
	return n.trust.identity(n.folder.Name)
}

// run opens the groups, and begins what goes on beside them.
func (n *Node) run() error {
	beside, halt := context.WithCancel(context.Background())
	n.halt = halt
	ready, cancel := context.WithTimeout(beside, readyTime)
	defer cancel()
	if err := n.openGroups(ready); err != nil {
		return err
	}
	if layout, err := n.layoutHere(); err == nil && layout.Charter != nil {
		if err := n.writeToken(layout.Charter); err != nil {
			return err
		}
	}
	n.net.HandleJoin(n.admit)
	n.handleSeed()
	if err := n.startGossip(); err != nil {
		return err
	}
	n.replicas.get(ops.Coordination).Serve(&controller{node: n, log: n.log})
	n.beside.Go(func() { n.follow(beside) })
	for _, group := range n.layout.RunGroups() {
		n.beside.Go(func() { n.followGroup(beside, group) })
	}
	return nil
}

// observe is told what an entry changed in a group that this node holds.
func (n *Node) observe(group int, changes []store.Change) {
	if changes == nil {
		n.hub.Replaced(group)
	}
	n.hub.Observe(group, changes)
	n.tails.observe(group, changes)
	n.couriers[group].observe(changes)
	n.heralds[group].observe()
	if group == ops.Coordination {
		n.observeLayout(changes)
	}
}

// observeLayout wakes those who follow the layout when it changes.
func (n *Node) observeLayout(changes []store.Change) {
	for i := range changes {
		switch changes[i].Table {
		case store.Charters.Number(), store.Members.Number(), store.Placements.Number():
		default:
			continue
		}
		select {
		case n.layoutChanged <- struct{}{}:
		default:
		}
		return
	}
}

// fail reports the first error that a running node cannot live with.
func (n *Node) fail(err error) {
	select {
	case n.failed <- err:
	default:
	}
}

// Failed tells when the node cannot go on.
func (n *Node) Failed() <-chan error { return n.failed }

// Streams is where to follow what is written.
func (n *Node) Streams() *ops.Hub { return n.hub }

// Ready answers nil when every group can serve, else why it cannot.
func (n *Node) Ready(ctx context.Context) error {
	for _, group := range n.layout.All() {
		if _, err := n.leader(ctx, group); err != nil {
			return fmt.Errorf("group %d: %w", group, err)
		}
	}
	return nil
}

// Stop ends what runs beside the groups, closes them and lets go of the folder.
func (n *Node) Stop() error {
	n.halt()
	var errs []error
	if n.gossip != nil {
		errs = append(errs, n.gossip.Close())
	}
	if n.backend != nil {
		errs = append(errs, n.replicas.close())
		if n.net != nil {
			errs = append(errs, n.net.Close())
		}
	}
	n.beside.Wait()
	if n.folder != nil {
		errs = append(errs, n.folder.close())
	}
	return errors.Join(errs...)
}
