package fsm

import (
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
// keep the transaction open and the file growing: w should be a file.
func Stream(db *store.DB, w io.Writer) (s State, err error) {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
	if err != nil {
		return s, err
	}
	err = db.ViewFile(func(tx *store.Tx) error {
		if s, err = StateOf(tx); err != nil {
			return err
		}
		_, err := tx.WriteTo(z)
		return err
	})
	if err = errors.Join(err, z.Close()); err != nil {
		return s, fmt.Errorf("copy state file %s: %w", db.Path(), err)
	}
	return s, nil
}

// Restore replaces the state file by one that Stream wrote, once it is complete,
// on the disk and verified. Readers wait meanwhile.
func (f *FSM) Restore(from io.ReadCloser) (err error) {
	defer func() { err = errors.Join(err, from.Close()) }()
	path := f.db.Path() + ".restore"
	defer os.Remove(path) // gone already if the file took its place
	if err := receive(path, from); err != nil {
		return fmt.Errorf("restore %s: %w", f.db.Path(), err)
	}
	if err := store.Verify(path); err != nil {
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

// receive unpacks a stream into a file.
func receive(path string, from io.Reader) (err error) {
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
	if _, err := io.Copy(file, z); err != nil {
		return err
	}
	return file.Sync()
}
