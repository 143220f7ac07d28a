package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"prefectd/cluster"
	"prefectd/fsm"
	"prefectd/ops"
	"prefectd/store"
)

// Backup writes the state of all groups while they go on: of each as it is at a moment
// after Backup was called.
func (n *Node) Backup(ctx context.Context, w io.Writer) error {
	layout, err := ops.Ask[*ops.Layout](ctx, n, ops.Coordination, &ops.ReadLayout{})
	if err != nil {
		return err
	}
	header := &BackupHeader{
		ClusterID: n.folder.ClusterID, RunGroups: n.layout.Runs, Level: layout.Charter.Level, Created: now(), Version: n.config.Version,
	}
	return WriteBackup(w, header, func(group int, w io.Writer) error { return n.backupGroup(ctx, group, w) })
}

// backupGroup writes the state of a group, from this node or from another that holds it.
func (n *Node) backupGroup(ctx context.Context, group int, w io.Writer) error {
	mark, err := n.mark(ctx, group)
	if err != nil {
		return err
	}
	holders, err := n.holders(group)
	if err != nil {
		return err
	}
	to := &counted{Writer: w}
	if g := n.replicas.get(group); g != nil {
		// It may be given up to another node just now.
		if err = g.Backup(ctx, mark.Index, to); err == nil || to.written || !cluster.Unavailable(err) {
			return err
		}
	}
	for _, node := range holders {
		if err = n.copyGroup(ctx, node, group, mark, to); err == nil || to.written {
			return err
		}
	}
	if err == nil {
		err = fmt.Errorf("group %d is held by no node", group)
	}
	return err
}

// counted knows whether anything was written.
type counted struct {
	io.Writer
	written bool
}

// Write writes.
func (c *counted) Write(p []byte) (int, error) {
	c.written = true
	return c.Writer.Write(p)
}

// copyGroup has another node write the state of a group.
func (n *Node) copyGroup(ctx context.Context, node string, group int, mark cluster.Mark, w io.Writer) error {
	head := binary.AppendUvarint(nil, uint64(group))
	stream, err := n.net.Stream(ctx, node, callBackupGroup, binary.AppendUvarint(head, mark.Index))
	if err != nil {
		return err
	}
	_, err = io.Copy(w, stream)
	return errors.Join(err, stream.Close())
}

// mark asks a group's leader how far a replica has to be to have every write that was
// answered before.
func (b *backend) mark(ctx context.Context, group int) (mark cluster.Mark, err error) {
	err = b.atLeader(ctx, group, undecided, func(ctx context.Context, g *cluster.Group) (err error) {
		mark, err = g.ReadMark(ctx)
		return err
	}, func(ctx context.Context, node string) (err error) {
		mark, err = b.markAt(ctx, node, group)
		return err
	})
	return mark, refusal(err)
}

func (n *Node) answerBackupGroup(ctx context.Context, r *replica, c *cluster.Call) error {
	index := r.uvarint()
	if r.failed {
		return errCall
	}
	return r.Backup(ctx, index, c.Answer)
}

// answerBackup writes a backup to somebody who has the certificate of a node: it holds
// the keys of the cluster.
func (n *Node) answerBackup(ctx context.Context, c *cluster.Call) error {
	return n.Backup(ctx, c.Answer)
}

// FetchBackup has the running node of a data folder make a backup, into a new file.
func FetchBackup(ctx context.Context, dataDir, path string, log *slog.Logger) (*BackupHeader, error) {
	return draftBackup(path, func(w io.Writer) error { return fetchBackup(ctx, dataDir, w, log) })
}

// draftBackup has a backup written to a new file, which gets its name when it is
// complete and was read back.
func draftBackup(path string, write func(w io.Writer) error) (h *BackupHeader, err error) {
	if _, err := os.Stat(path); err == nil {
		return nil, fmt.Errorf("%s is there already: name a new file", path)
	}
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(draft.Name()) // gone already when all went well
	if err := errors.Join(write(fsm.NewPaced(draft)), draft.Sync(), draft.Close()); err != nil {
		return nil, err
	}
	if h, err = CheckBackup(draft.Name()); err != nil {
		return nil, err
	}
	return h, os.Rename(draft.Name(), path)
}

func fetchBackup(ctx context.Context, dataDir string, w io.Writer, log *slog.Logger) (err error) {
	f := &folder{path: dataDir}
	err = f.identify(func() (*newcomer, error) { return nil, fmt.Errorf("%s is no data folder of a node", dataDir) })
	if err != nil {
		return err
	}
	t, err := f.loadTrust()
	if err != nil {
		return err
	}
	identity, err := t.identity(f.Name)
	if err != nil {
		return err
	}
	d, err := newDirectory(f)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // for nobody
	if err != nil {
		return err
	}
	network := cluster.NewNetwork(listener, identity, d, wireErrors{}, log)
	defer func() { err = errors.Join(err, network.Close()) }()
	stream, err := network.Stream(ctx, f.Name, callBackup, nil)
	if err != nil {
		return fmt.Errorf("the node of %s does not make a backup: %w", dataDir, err)
	}
	_, err = io.Copy(w, stream)
	return errors.Join(err, stream.Close())
}

// SalvageBackup makes a backup of a node that is stopped, with everything that it has:
// for when the others are lost. The node must hold all groups. Its folder is not
// touched, but a copy of each group is made beside the file for a while.
func SalvageBackup(ctx context.Context, dataDir, path, version string) (h *BackupHeader, err error) {
	f, err := openFolder(dataDir, func() (*newcomer, error) { return nil, fmt.Errorf("%s is no data folder of a node", dataDir) })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	return draftBackup(path, func(w io.Writer) error {
		header := &BackupHeader{ClusterID: f.ClusterID, RunGroups: f.RunGroups, Level: cluster.Level, Created: now(), Version: version}
		return WriteBackup(w, header, func(group int, w io.Writer) error {
			scratch, err := os.MkdirTemp(filepath.Dir(path), filepath.Base(path)+".group-*")
			if err != nil {
				return err
			}
			defer os.RemoveAll(scratch)
			if err := cluster.Salvage(ctx, f.group(group), filepath.Join(scratch, "copy"), store.State, w); err != nil {
				return fmt.Errorf("group %d: %w", group, err)
			}
			return nil
		})
	})
}
