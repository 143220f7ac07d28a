//go:build linux

package chaos

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/ops"
	"prefectd/prefect"
	"prefectd/test/client"
	"prefectd/test/lab"
)

// cluster is the nodes of a test, each on a host of its own.
type cluster struct {
	t      *testing.T
	lab    *lab.Lab
	nodes  []*node
	groups ops.Groups
	flow   string // of all flow runs
}

const (
	startTime = time.Minute      // that nodes may take until they serve
	calmTime  = 30 * time.Second // until all is well after the last fault
)

// build starts nodes, each in a way that is given.
func build(t *testing.T, n, disks int, first func(*cluster, *node) error) *cluster {
	t.Helper()
	if impossible != nil {
		t.Skip(impossible)
	}
	c := &cluster{t: t}
	folder, err := os.MkdirTemp("", "cluster-")
	require.NoError(t, err)
	t.Cleanup(func() {
		c.close()
		if !t.Failed() { // otherwise it is kept with the lab's folder
			require.NoError(t, os.RemoveAll(folder))
		}
	})
	c.lab, err = lab.New(n)
	require.NoError(t, err)
	for i, host := range c.lab.Hosts {
		node, err := newNode(host, folder)
		require.NoError(t, err)
		if i >= n-disks {
			node.disk, err = lab.NewDisk(node.folder)
			require.NoError(t, err)
		}
		c.nodes = append(c.nodes, node)
		require.NoError(t, first(c, node))
	}
	groups, err := c.clusterGroups(t.Context())
	require.NoError(t, err)
	c.groups = ops.Groups{Runs: len(groups) - 1}
	c.flow, err = c.anyClient().EnsureFlow(t.Context(), "chaos")
	require.NoError(t, err)
	return c
}

// newCluster starts n nodes, the last of them on disks that can be filled, and waits
// until they hold all groups together.
func newCluster(t *testing.T, n, disks int) *cluster {
	t.Helper()
	c := build(t, n, disks, (*cluster).join)
	require.NoError(t, c.form(t.Context()))
	return c
}

// replicas is how many a group has, if there are as many nodes.
const replicas = 3

// form waits until the cluster is well and every group has its replicas.
func (c *cluster) form(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		groups, err := c.clusterGroups(ctx)
		if err == nil && !slices.ContainsFunc(groups, func(g ops.ClusterGroup) bool {
			return !g.Healthy || len(g.Voters) < min(replicas, len(c.nodes))
		}) {
			return nil
		}
		if wait(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("the nodes do not become a cluster: %w, %+v", err, groups)
		}
	}
}

// clusterGroups asks the first node what the cluster knows of its groups.
func (c *cluster) clusterGroups(ctx context.Context) (groups []ops.ClusterGroup, err error) {
	return groups, c.nodes[0].ask(ctx, statusTime, "/cluster/groups", &groups)
}

// join starts a node for the first time: the first as a server, the others as
// further members.
func (c *cluster) join(n *node) error {
	first := c.nodes[0]
	if n == first {
		return c.serve(n)
	}
	token, err := c.token(first)
	if err != nil {
		return err
	}
	member := net.JoinHostPort(first.host.Address, strconv.Itoa(clusterPort))
	return c.launch(n, "join", member, "--token", token)
}

// token asks for the join token, which is there some time after the first node is.
func (c *cluster) token(n *node) (string, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), startTime)
	defer cancel()
	for {
		said, err := exec.CommandContext(ctx, *program, "token", "--data-dir", n.folder).CombinedOutput()
		if err == nil {
			return strings.TrimSpace(string(said)), nil
		}
		if wait(ctx, 20*time.Millisecond) != nil {
			return "", fmt.Errorf("prefectd token: %w: %s", err, said)
		}
	}
}

// serve starts a node for the first time, as a server of its own.
func (c *cluster) serve(n *node) error { return c.launch(n, "server") }

// launch gives a node the command that it is started with, starts it, and waits
// until it serves.
func (c *cluster) launch(n *node, command ...string) error {
	n.args = append(command, n.arguments()...)
	ctx, cancel := context.WithTimeout(c.t.Context(), startTime)
	defer cancel()
	return n.ready(ctx)
}

// close ends everything; of a test that failed it tells what the nodes said.
func (c *cluster) close() {
	for _, n := range c.nodes {
		n.kill()
		n.client.Close()
		if c.t.Failed() {
			c.t.Logf("%s said at last:\n%s", n.host.Name, n.tail())
		}
		if n.disk != nil {
			require.NoError(c.t, n.disk.Close())
		}
	}
	if c.lab != nil {
		require.NoError(c.t, c.lab.Close())
	}
}

// clients give up after these times; one that may ask any node has less patience.
const (
	pinnedPatience = 8 * time.Second
	anyPatience    = 2 * time.Second
)

// anyClient makes a client that asks any node, and another if that one is gone.
func (c *cluster) anyClient(except ...*node) *client.Client {
	var apis []string
	for _, n := range c.nodes {
		if !slices.Contains(except, n) {
			apis = append(apis, n.api())
		}
	}
	all, err := client.New(apis...)
	require.NoError(c.t, err)
	all.GiveUpAfter(anyPatience)
	c.t.Cleanup(all.Close)
	return all
}

// groupOf is the group that holds a flow run.
func (c *cluster) groupOf(run string) int {
	id, err := prefect.ParseID(run)
	if err != nil {
		return ops.Coordination
	}
	return c.groups.Of(id)
}

// leaders asks all nodes who leads. Of several that say they do, the one of the
// latest term does; a group without leader is left out.
func (c *cluster) leaders(ctx context.Context) map[int]*node {
	var mu sync.Mutex
	terms, leaders := map[int]uint64{}, map[int]*node{}
	var wait sync.WaitGroup
	for _, n := range c.nodes {
		wait.Go(func() {
			status, err := n.status(ctx)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, g := range status.Groups {
				if g.Role == "leader" && g.Term > terms[g.Group] {
					terms[g.Group], leaders[g.Group] = g.Term, n
				}
			}
		})
	}
	wait.Wait()
	return leaders
}

// calm waits until every node runs and takes writes for every group. It answers how
// long that took.
func (c *cluster) calm(ctx context.Context) (took time.Duration, err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, calmTime)
	defer cancel()
	for _, n := range c.nodes {
		if err := n.ready(ctx); err != nil {
			return 0, err
		}
		if err := c.takesWrites(ctx, n); err != nil {
			return 0, err
		}
		n.setFull(false)
	}
	return time.Since(began), nil
}

// takesWrites waits until a node takes a write for every group of runs.
func (c *cluster) takesWrites(ctx context.Context, n *node) error {
	for _, group := range c.groups.RunGroups() {
		for {
			_, err := c.runOf(ctx, n.client, group)
			if err == nil {
				break
			}
			if wait(ctx, 20*time.Millisecond) != nil {
				return fmt.Errorf("%s takes no writes of group %d: %w", n.host.Name, group, err)
			}
		}
	}
	return nil
}

// runOf makes a flow run that lives in a group.
func (c *cluster) runOf(ctx context.Context, through *client.Client, group int) (run client.FlowRun, err error) {
	for {
		run, err = through.CreateRun(ctx, client.NewRun{FlowID: c.flow, State: "PENDING"})
		if err != nil || c.groupOf(run.ID) == group {
			return run, err
		}
	}
}

// wait lets a time pass; an error says that the context ended before.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
