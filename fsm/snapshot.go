package fsm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/raft"
	"github.com/klauspost/compress/zstd"

	"prefectd/store"
)

// Snapshot marks where the state file is. There is nothing to copy: the file
// itself is the snapshot, and a snapshot store over it makes the mark good
// (Advance) and streams the file (Stream) to those who need it.
func (f *FSM) Snapshot() (raft.FSMSnapshot, error) { return snapshot{}, nil }

type snapshot struct{}

// Persist completes the mark.
func (snapshot) Persist(sink raft.SnapshotSink) error { return sink.Close() }

// Release has nothing to let go of.
func (snapshot) Release() {}

// Stream writes a consistent, compressed and checksummed copy of a state file
// from one read transaction, and tells which state it is. A slow reader would
// keep the transaction open and the file growing: w should be a file, and Paced. It gives up
// when ctx ends.
func Stream(ctx context.Context, db *store.DB, w io.Writer) (s State, err error) {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
	if err != nil {
		return s, err
	}
	err = db.ViewFile(func(tx *store.Tx) error {
		if s, err = StateOf(tx); err != nil {
			return err
		}
		_, err := tx.WriteTo(&patient{ctx, z})
		return err
	})
	if err = errors.Join(err, z.Close()); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err() // bbolt tells only its text
		}
		return s, fmt.Errorf("copy state file %s: %w", db.Path(), err)
	}
	return s, nil
}

// patient writes until its context ends.
type patient struct {
	ctx context.Context
	to  io.Writer
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.to.Write(b)
}

// Restore replaces the state file by one that Stream wrote, once it is complete,
// on the disk and verified. Readers wait meanwhile.
func (f *FSM) Restore(from io.ReadCloser) (err error) {
	defer func() { err = errors.Join(err, from.Close()) }()
	path := f.db.Path() + ".restore"
	defer os.Remove(path) // gone already if the file took its place
	if err := receive(path, from, func(file *os.File) io.Writer { return NewPaced(file) }); err != nil {
		return fmt.Errorf("restore %s: %w", f.db.Path(), err)
	}
	if err := f.db.Prepare(path); err != nil {
		return fmt.Errorf("restore %s: %w", f.db.Path(), err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	// From here on there may be no state file to go on with.
	err = f.db.Replace(path)
	if err == nil {
		err = f.load()
	}
	if err != nil {
		f.fail(fmt.Errorf("restore: %w", err))
		return f.broken
	}
	if f.observe != nil {
		f.observe(nil)
	}
	return nil
}

// Install makes a new state file of what Stream wrote, for a group whose members are
// others from here on, and tells which state it is.
func Install(path string, schema store.Schema, from io.Reader, members raft.Configuration) (s State, err error) {
	if err := receive(path, from, func(file *os.File) io.Writer { return file }); err != nil {
		return s, fmt.Errorf("make state file %s: %w", path, err)
	}
	if err := store.Verify(path); err != nil {
		return s, err
	}
	db, err := store.Open(path, schema, store.Options{})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.View(func(tx *store.Tx) (err error) { s, err = StateOf(tx); return err }); err != nil {
		return s, fmt.Errorf("state file %s: %w", path, err)
	}
	if s.Index == 0 {
		return s, fmt.Errorf("state file %s is empty", path)
	}
	s.Configuration, s.ConfigurationIndex = members, s.Index
	mark := configurationMark(&raft.Log{Index: s.Index, Data: raft.EncodeConfiguration(members)})
	return s, db.Update(func(w *store.Writer) error { w.SetMeta(metaConfiguration, mark); return nil })
}

// receive unpacks a stream into a file, through a writer to that.
func receive(path string, from io.Reader, to func(*os.File) io.Writer) (err error) {
	z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := io.Copy(to(file), z); err != nil {
		return err
	}
	return file.Sync()
}
