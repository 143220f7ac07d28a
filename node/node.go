package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"prefectd/ops"
)

// Config says what a node is.
type Config struct {
	DataDir   string
	Name      string // of a new node; the machine's
	RunGroups int    // of a new cluster; DefaultRunGroups
	Settings  *Settings
	Version   string // of the program
	Log       *slog.Logger
}

// DefaultRunGroups is how many groups a new cluster spreads its runs over.
const DefaultRunGroups = 2

// identity is what a new data folder is to say.
func (c *Config) identity() (identity, error) {
	id := identity{Name: c.Name, RunGroups: c.RunGroups}
	if id.Name == "" {
		id.Name, _ = os.Hostname() // a machine without a name is no error
	}
	if id.Name == "" {
		id.Name = "prefectd"
	}
	if id.RunGroups == 0 {
		id.RunGroups = DefaultRunGroups
	}
	if id.RunGroups < 1 || id.RunGroups > maxRunGroups {
		return id, fmt.Errorf("%d run groups: there can be 1 to %d", id.RunGroups, maxRunGroups)
	}
	return id, nil
}

// Node is a running node: the backend of the HTTP layer.
type Node struct {
	*backend
	config Config
	folder *folder
	hub    *ops.Hub
	failed chan error

	halt   context.CancelFunc // ends what runs beside the groups
	beside sync.WaitGroup
}

// readyTime is how long the groups of a node may take to be able to serve.
const readyTime = time.Minute

// Start opens the data folder and its groups, and returns when the node can
// serve. Its errors are one line that says what to do.
func Start(c Config) (*Node, error) {
	id, err := c.identity()
	if err != nil {
		return nil, err
	}
	folder, err := openFolder(c.DataDir, id)
	if err != nil {
		return nil, err
	}
	layout := ops.Groups{Runs: folder.RunGroups}
	n := &Node{
		config: c, folder: folder, hub: ops.NewHub(layout), failed: make(chan error, 1),
		backend: newBackend(layout, &c.Settings.Ops, c.Log),
	}
	ctx, halt := context.WithCancel(context.Background())
	n.halt = halt
	if err := n.openGroups(ctx); err != nil {
		n.Stop() // what can be closed; the reason is the first error
		return nil, err
	}
	for _, c := range n.couriers {
		n.beside.Go(func() { c.Run(ctx) })
	}
	return n, nil
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
	for _, group := range n.groups {
		if err := group.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Status tells what the node is and does.
func (n *Node) Status(ctx context.Context) Status {
	s := Status{Version: n.config.Version, Node: n.folder.Name, ClusterID: n.folder.ClusterID, Ready: true}
	if err := n.Ready(ctx); err != nil {
		s.Ready, s.Reason = false, err.Error()
	}
	for number, group := range n.groups {
		g := group.Status()
		kind := "runs"
		if number == ops.Coordination {
			kind = "coordination"
		}
		s.Groups = append(s.Groups, ops.GroupStatus{
			Group: number, Kind: kind, Role: g.Role, Leader: g.Leader, Term: g.Term, Applied: g.Applied,
		})
	}
	return s
}

// Stop ends what runs beside the groups, closes them and lets go of the folder.
func (n *Node) Stop() error {
	n.halt()
	var errs []error
	for _, group := range n.groups {
		if group != nil {
			errs = append(errs, group.Close())
		}
	}
	n.beside.Wait()
	return errors.Join(append(errs, n.folder.close())...)
}
