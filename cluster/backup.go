package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"prefectd/fsm"
	"prefectd/store"
)

// Backup writes the group's state for Restore to read, with every entry up to an
// index, which the leader's ReadIndex gave. Writes go on meanwhile, also if w is slow.
func (g *Group) Backup(ctx context.Context, index uint64, w io.Writer) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.ctx, cancel)()
	defer func() {
		switch {
		case err != nil && g.ctx.Err() != nil:
			err = ErrClosed
		case err != nil:
			err = fmt.Errorf("backup of group %d: %w", g.config.Number, err)
		}
	}()
	if err := g.fsm.WaitApplied(ctx, index); err != nil {
		return err
	}
	_, file, err := g.snapshots.copy(ctx)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, file)
	return errors.Join(err, file.Close())
}

// keyTerm is the name under which Raft stores its term.
var keyTerm = []byte("CurrentTerm")

// StateFile is the state file of a group in a folder.
func StateFile(dir string) string { return filepath.Join(dir, stateName) }

// Restore makes the folder of a group that goes on from a state which Backup wrote.
// Its only member is the node.
func Restore(dir, node string, schema store.Schema, from io.Reader) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	self := raft.Server{ID: raft.ServerID(node), Address: raft.ServerAddress(node)}
	state, err := fsm.Install(filepath.Join(dir, stateName), schema, from, raft.Configuration{Servers: []raft.Server{self}})
	if err != nil {
		return err
	}
	log, err := openLog(filepath.Join(dir, logName), 0, 0, nil)
	if err != nil {
		return err
	}
	// The log is empty, and stands where the state ends: it is that of a member that
	// was sent the state by a leader of that term.
	return errors.Join(log.SetUint64(keyTerm, state.Term), log.Close())
}

// Salvage writes the state of a group's replica that nobody runs, for Restore to read,
// with everything that is in its log: also what only a majority that is lost could have
// called committed, because that cannot be told from what it did. The folder stays as
// it is; a copy is made in scratch.
func Salvage(ctx context.Context, dir, scratch string, schema store.Schema, w io.Writer) (err error) {
	if _, err := os.Stat(StateFile(dir)); err != nil {
		return fmt.Errorf("there is no group in %s: %w", dir, err)
	}
	if err := os.CopyFS(scratch, os.DirFS(dir)); err != nil {
		return fmt.Errorf("copy group: %w", err)
	}
	db, err := store.Open(StateFile(scratch), schema, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	log, err := openLog(filepath.Join(scratch, logName), 0, 0, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	var broken error
	f, err := fsm.New(db, Level, nil, func(err error) { broken = err })
	if err != nil {
		return err
	}
	first, last, _ := log.extent()
	for index := max(first, f.Applied()+1); index <= last && ctx.Err() == nil; index++ {
		var entry raft.Log
		if err := log.GetLog(index, &entry); err != nil {
			return fmt.Errorf("log file %s: entry %d: %w", log.path, index, err)
		}
		if f.Apply(&entry); broken != nil {
			return broken
		}
	}
	_, err = fsm.Stream(ctx, db, w)
	return err
}
