package node

import (
	"context"
	"fmt"
	"io"

	"prefectd/cluster"
	"prefectd/ops"
)

// Backup writes the state of all groups while they go on: of each as it is at a moment
// after Backup was called. It fails if this node does not hold all of them.
func (n *Node) Backup(ctx context.Context, w io.Writer) error {
	layout, err := ops.Ask[*ops.Layout](ctx, n, ops.Coordination, &ops.ReadLayout{})
	if err != nil {
		return err
	}
	header := &BackupHeader{
		ClusterID: n.folder.ClusterID, RunGroups: n.layout.Runs, Level: layout.Charter.Level, Created: now(), Version: n.config.Version,
	}
	return WriteBackup(w, header, func(group int, w io.Writer) error {
		g := n.replicas.get(group)
		if g == nil {
			return fmt.Errorf("group %d is not held by %s", group, n.name)
		}
		index, err := n.readIndex(ctx, group)
		if err != nil {
			return err
		}
		return g.Backup(ctx, index, w)
	})
}

// readIndex asks a group's leader how far a replica has to be to have every write that
// was answered before.
func (b *backend) readIndex(ctx context.Context, group int) (index uint64, err error) {
	err = b.atLeader(ctx, group, undecided, func(ctx context.Context, g *cluster.Group) (err error) {
		index, err = g.ReadIndex(ctx)
		return err
	}, func(ctx context.Context, node string) (err error) {
		index, err = b.readIndexAt(ctx, node, group)
		return err
	})
	return index, refusal(err)
}
