package node

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"prefectd/cluster"
	"prefectd/ops"
	"prefectd/prefect"
)

// controller brings groups where they should be: it runs where the coordination
// group is led, looks at all nodes every so often, and does what the plan says.
type controller struct {
	node *Node
	log  *slog.Logger
}

// How often the controller looks, also when it has just done something, how long a node may take to answer it, and how
// long one may be silent before it does not count as alive.
const (
	controlEvery = time.Second
	controlAgain = 100 * time.Millisecond
	reportTime   = 2 * time.Second
	silence      = 3 * time.Second
)

// Run controls until the context ends.
func (c *controller) Run(ctx context.Context) error {
	heard := map[string]time.Time{} // when each node answered last
	began := time.Now()
	for {
		acted, err := c.control(ctx, heard, began)
		if err != nil && ctx.Err() == nil {
			c.log.Warn("placement of groups will be tried again", "err", err)
		}
		wait := controlEvery
		if acted {
			wait = controlAgain
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// control looks once, and does the next steps, if there are any.
func (c *controller) control(ctx context.Context, heard map[string]time.Time, began time.Time) (acted bool, err error) {
	layout, err := ops.Ask[*ops.Layout](ctx, c.node, ops.Coordination, &ops.ReadLayout{})
	if err != nil || layout.Charter == nil {
		return false, err
	}
	reports := c.node.reports(ctx, layout)
	now := time.Now()
	for name := range reports {
		heard[name] = now
	}
	if err := c.raiseLevel(ctx, layout, reports); err != nil {
		return false, err
	}
	var nodes []cluster.NodeView
	for _, m := range layout.Members {
		last, ok := heard[m.Name]
		if !ok {
			last = began // nobody is given up before he had a chance to answer
		}
		nodes = append(nodes, cluster.NodeView{
			Name: m.Name, Alive: ok && now.Sub(last) < silence, Dead: now.Sub(last) > c.node.config.ReplaceAfter, Draining: m.Draining,
		})
	}
	var groups []cluster.GroupView
	for _, group := range c.node.layout.All() {
		groups = append(groups, groupView(group, layout, reports))
	}
	for _, step := range cluster.Plan(nodes, groups) {
		c.log.Info("placement", "group", step.Group, "act", step.Act, "node", step.Node, "nodes", step.Nodes)
		if err := c.take(ctx, step, groups[step.Group].Leader); err != nil {
			return false, err
		}
		acted = true
	}
	return acted, nil
}

// nearly is how many entries a replica may be behind and still count as current.
const nearly = 256

// groupView is a group as its leader and its replicas report it.
func groupView(group int, layout *ops.Layout, reports map[string]*ops.Report) cluster.GroupView {
	v := cluster.GroupView{Group: group, Everywhere: group == ops.Coordination, Placed: layout.Holders(group)}
	var leading *ops.GroupStatus
	for name, r := range reports {
		if g := r.Group(group); g != nil && g.Role == "leader" && (leading == nil || g.Term > leading.Term) {
			v.Leader, leading = name, g
		}
	}
	if leading == nil {
		return v
	}
	v.Voters, v.Learners, v.Kept = leading.Voters, leading.Learners, leading.Kept
	for name, r := range reports {
		if g := r.Group(group); g != nil && g.Applied+nearly >= leading.Commit {
			v.Current = append(v.Current, name)
		}
	}
	return v
}

// take does a step.
func (c *controller) take(ctx context.Context, s cluster.Step, leader string) error {
	if s.Act == cluster.PlaceGroup {
		_, err := c.node.Do(ctx, ops.Coordination, &ops.Place{Group: s.Group, Nodes: s.Nodes})
		return err
	}
	if leader == c.node.name {
		return c.node.replicas.get(s.Group).Change(s)
	}
	body, err := prefect.Marshal(s)
	if err != nil {
		return err
	}
	_, err = c.node.at(ctx, leader, callChange, body)
	return err
}

// answerChange does a step that the controller asks for.
func (n *Node) answerChange(_ context.Context, c *cluster.Call) error {
	var s cluster.Step
	if err := hear(c, &s); err != nil {
		return err
	}
	if s.Group < 0 || s.Group > n.layout.Runs || n.replicas.get(s.Group) == nil {
		return fmt.Errorf("%w: group %d is not held by %s", cluster.ErrNoLeader, s.Group, n.name)
	}
	return n.replicas.get(s.Group).Change(s)
}

// raiseLevel allows the newest formats that every member knows.
func (c *controller) raiseLevel(ctx context.Context, layout *ops.Layout, reports map[string]*ops.Report) error {
	level := c.node.level()
	for _, m := range layout.Members {
		r := reports[m.Name]
		if r == nil {
			return nil // nobody knows what it will run when it is back
		}
		level = min(level, r.Level)
	}
	if level <= layout.Charter.Level {
		return nil
	}
	_, err := c.node.Do(ctx, ops.Coordination, &ops.RaiseLevel{Level: level})
	return err
}

// reports asks all members what they are and hold; those who don't answer are left
// out.
func (n *Node) reports(ctx context.Context, layout *ops.Layout) map[string]*ops.Report {
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	var mu sync.Mutex
	var wait sync.WaitGroup
	reports := map[string]*ops.Report{}
	for _, m := range layout.Members {
		wait.Go(func() {
			r := n.report()
			if m.Name != n.name {
				var err error
				if r, err = ask[*ops.Report](ctx, n.backend, m.Name, callReport, nil); err != nil {
					return
				}
			}
			mu.Lock()
			defer mu.Unlock()
			reports[m.Name] = r
		})
	}
	wait.Wait()
	return reports
}

func (n *Node) answerReport(_ context.Context, c *cluster.Call) error { return tell(c, n.report()) }
