package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"prefectd/cluster"
	"prefectd/ops"
)

// Drain has a member lead and hold nothing, or lets it do so again.
func (n *Node) Drain(ctx context.Context, name string, draining bool) error {
	_, err := n.Do(ctx, ops.Coordination, &ops.DrainMember{Name: name, Draining: draining})
	return err
}

// Remove ends a membership. One that is not forced is refused as long as the member
// holds or leads anything that others have to take over first.
func (n *Node) Remove(ctx context.Context, name string, force bool) error {
	if !force {
		groups, err := n.ClusterGroups(ctx)
		if err != nil {
			return err
		}
		for _, g := range groups {
			if g.Leader == name || g.Kind == kindOf(1) && slices.Contains(slices.Concat(g.Placed, g.Voters, g.Learners), name) {
				return ops.Conflict(fmt.Sprintf("Node %s still has group %d: drain it first.", name, g.Group))
			}
		}
	}
	_, err := n.Do(ctx, ops.Coordination, &ops.RemoveMember{Name: name})
	return err
}

// ReplaceToken makes the join tokens that were given out useless.
func (n *Node) ReplaceToken(ctx context.Context) error {
	_, err := n.Do(ctx, ops.Coordination, &ops.ReplaceSecret{Secret: newSecret()})
	return err
}

// transferTime is how long a change of leader may take: Raft gives up after an
// election's time.
const transferTime = 10 * time.Second

// Transfer has a member lead a group, and go on for keepTime even if it leads more than
// others.
func (n *Node) Transfer(ctx context.Context, group int, name string) error {
	groups, err := n.ClusterGroups(ctx)
	if err != nil {
		return err
	}
	if group < 0 || group >= len(groups) {
		return ops.NotFound(fmt.Sprintf("There is no group %d.", group))
	}
	g := groups[group]
	switch {
	case g.Leader == name:
		return nil
	case g.Leader == "":
		return ops.Unavailable(fmt.Sprintf("Group %d has no leader now.", group))
	case !slices.Contains(g.Voters, name):
		return ops.Conflict(fmt.Sprintf("Node %s has no vote in group %d.", name, group))
	}
	ctx, cancel := context.WithTimeout(ctx, transferTime)
	defer cancel()
	if name == n.name {
		n.kept.keep(group)
	} else if _, err := n.at(ctx, name, callKeep, binary.AppendUvarint(nil, uint64(group))); err != nil {
		return ops.Unavailable("Leadership was not transferred: " + err.Error())
	}
	step := cluster.Step{Act: cluster.TransferLead, Group: group, Node: name}
	err = (&controller{node: n, log: n.log}).take(ctx, step, g.Leader)
	if errors.Is(err, cluster.ErrNoLeader) || errors.Is(err, cluster.ErrUnknownOutcome) {
		return ops.Unavailable("Leadership was not transferred: " + err.Error())
	}
	return err
}

// keepTime is how long who leads a group because of an operator is left to it.
const keepTime = 10 * time.Minute

// kept are the groups that this node is to lead, by an operator's wish. The zero value
// is ready.
type kept struct {
	mu    sync.Mutex
	until map[int]time.Time
}

func (k *kept) keep(group int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.until == nil {
		k.until = map[int]time.Time{}
	}
	k.until[group] = time.Now().Add(keepTime)
}

func (k *kept) has(group int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Now().Before(k.until[group])
}

// answerKeep notes that this node is about to lead a group by an operator's wish.
func (n *Node) answerKeep(_ context.Context, r *replica, _ *cluster.Call) error {
	n.kept.keep(r.number)
	return nil
}

// TaskWorkers lists the task workers that are connected to any node that answers.
func (n *Node) TaskWorkers(ctx context.Context) (all []ops.ConnectedWorker, err error) {
	layout, err := n.layoutHere()
	if err != nil {
		return nil, err
	}
	all = n.hub.Workers.Connected()
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	for _, m := range layout.Members {
		if m.Name == n.name {
			continue
		}
		if others, err := ask[[]ops.ConnectedWorker](ctx, n.backend, m.Name, callWorkers, nil); err == nil {
			all = append(all, others...)
		}
	}
	return all, nil
}

func (n *Node) answerWorkers(_ context.Context, c *cluster.Call) error {
	return tell(c, n.hub.Workers.Connected())
}
