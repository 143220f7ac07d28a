package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"prefectd/cluster"
	"prefectd/ops"
	"prefectd/prefect"
	"prefectd/store"
)

const tokenFile = "token"

// secretLen is the length of what a node has to know to join.
const secretLen = 16

func newSecret() []byte {
	secret := make([]byte, secretLen)
	rand.Read(secret) // never fails: it ends the program instead
	return secret
}

// found makes this node's groups a cluster of one, unless they are a cluster already.
func (n *Node) found(ctx context.Context) error {
	_, err := n.Do(ctx, ops.Coordination, &ops.FoundCluster{
		Charter: store.Charter{
			ClusterID: n.folder.ClusterID, RunGroups: n.folder.RunGroups, Level: n.level(),
			Authority: []byte(n.trust.AuthorityKey), GossipKey: n.trust.GossipKey, Secret: newSecret(),
		},
		Founder: n.member(),
	})
	return err
}

// member is this node as a member.
func (n *Node) member() store.Member {
	return store.Member{Issued: prefect.TimeOf(n.issued), Name: n.name, Cluster: n.peer.Cluster, Gossip: n.gossipAddress, API: n.peer.API, Version: n.peer.Version, Level: n.peer.Level}
}

// followEvery is how often the layout is looked at, also when it didn't change.
const followEvery = 5 * time.Second

// follow keeps up with the cluster's layout: it opens the groups that are placed
// here, closes those that are not any more, and remembers where the others are.
func (n *Node) follow(ctx context.Context) {
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	updated := false
	for {
		if err := n.keepUp(ctx, &updated); err != nil && ctx.Err() == nil {
			n.log.Warn("the cluster's layout is looked at again", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-n.layoutChanged:
		}
	}
}

func (n *Node) keepUp(ctx context.Context, updated *bool) error {
	layout, err := n.layoutHere()
	if err != nil || layout.Charter == nil {
		return err
	}
	if err := n.directory.learn(layout); err != nil {
		return err
	}
	if err := n.writeToken(layout.Charter); err != nil {
		return err
	}
	me := layout.Member(n.name)
	if me == nil {
		return n.expelled(ctx)
	}
	if !*updated {
		if err := n.update(ctx, me); err != nil {
			return err
		}
		*updated = true
	}
	n.replicas.each(func(_ int, g *cluster.Group) { g.SetLevel(layout.Charter.Level) })
	for _, group := range n.layout.RunGroups() {
		here := slices.Contains(layout.Holders(group), n.name)
		switch g := n.replicas.get(group); {
		case here && g == nil:
			if err := n.openGroup(group, true); err != nil {
				return err
			}
		case !here && g != nil:
			if err := n.release(ctx, group, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// update tells the cluster where this node is now, and what it runs.
func (n *Node) update(ctx context.Context, me *store.Member) error {
	now := n.member()
	if now.Cluster == me.Cluster && now.Gossip == me.Gossip && now.API == me.API && now.Version == me.Version && now.Level == me.Level {
		return nil
	}
	_, err := n.Do(ctx, ops.Coordination, &ops.UpdateMember{Member: now})
	return err
}

// expelled ends a node that is not a member any more: the others go on without it.
func (n *Node) expelled(ctx context.Context) error {
	layout, err := ops.Ask[*ops.Layout](ctx, n, ops.Coordination, &ops.ReadLayout{})
	if err != nil || layout.Member(n.name) != nil {
		return err // this node is only behind
	}
	n.fail(fmt.Errorf("node %s was removed from the cluster: to have it join again, start it with an empty data folder", n.name))
	return nil
}

// release gives up a group that is held by others now.
func (n *Node) release(ctx context.Context, group int, g *cluster.Group) error {
	layout, err := ops.Ask[*ops.Layout](ctx, n, ops.Coordination, &ops.ReadLayout{})
	if err != nil || slices.Contains(layout.Holders(group), n.name) {
		return err
	}
	groups, err := n.ClusterGroups(ctx)
	if err != nil {
		return err
	}
	if now := groups[group]; now.Leader == "" || slices.Contains(now.Voters, n.name) || slices.Contains(now.Learners, n.name) {
		return nil // not yet
	}
	n.log.Info("group is given up", "group", group)
	n.replicas.set(group, nil)
	n.hub.Replaced(group)
	return errors.Join(g.Close(), os.RemoveAll(n.folder.group(group)))
}

// writeToken keeps the join token in the folder, where those may read it who may read
// the node's data.
func (n *Node) writeToken(charter *store.Charter) error {
	authority, err := cluster.ParseAuthority(charter.Authority)
	if err != nil {
		return err
	}
	text := cluster.NewToken(authority, charter.Secret).String() + "\n"
	path := filepath.Join(n.folder.path, tokenFile)
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	return writeFile(path, []byte(text))
}
