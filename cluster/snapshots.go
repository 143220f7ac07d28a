package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"prefectd/fsm"
	"prefectd/store"
)

// snapshots keeps no copies: every commit of the state file is synced, so the
// file itself is the snapshot, and only what Raft needs to know of one is stored.
// Taking a snapshot costs a small file and lets the log be cut; a follower that
// needs one is sent the state file as it then is, which is newer than the
// snapshot says: it skips the entries that it has.
type snapshots struct {
	path string
	db   *store.DB
}

var _ raft.SnapshotStore = (*snapshots)(nil)

func newSnapshots(dir string, db *store.DB) (*snapshots, error) {
	return &snapshots{path: filepath.Join(dir, "snapshot.json"), db: db}, nil
}

// Create starts the note of a snapshot.
func (s *snapshots) Create(version raft.SnapshotVersion, index, term uint64,
	configuration raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	return &sink{store: s, meta: raft.SnapshotMeta{
		Version: version, ID: fmt.Sprintf("%d-%d", term, index), Index: index, Term: term,
		Configuration: configuration, ConfigurationIndex: configurationIndex,
	}}, nil
}

// List answers the one snapshot there is, if any.
func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	data, err := os.ReadFile(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	meta := &raft.SnapshotMeta{}
	if err := json.Unmarshal(data, meta); err != nil {
		return nil, fmt.Errorf("snapshot note %s is damaged: %w", s.path, err)
	}
	return []*raft.SnapshotMeta{meta}, nil
}

// Open streams the state file.
func (s *snapshots) Open(string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	list, err := s.List()
	if err != nil {
		return nil, nil, err
	}
	if len(list) == 0 {
		return nil, nil, errors.New("there is no snapshot")
	}
	reader, writer := io.Pipe()
	// The reader owns this goroutine: it ends when the copy is read or closed.
	go func() {
		_, err := fsm.Stream(s.db, writer)
		writer.CloseWithError(err)
	}()
	return list[0], reader, nil
}

// sink takes the note of a snapshot, and nothing else.
type sink struct {
	store    *snapshots
	meta     raft.SnapshotMeta
	canceled bool
}

// ID names the snapshot.
func (s *sink) ID() string { return s.meta.ID }

// Write drops the content: it is the state file's.
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// Cancel drops the note.
func (s *sink) Cancel() error {
	s.canceled = true
	return nil
}

// Close stores the note in the place of the one before.
func (s *sink) Close() error {
	if s.canceled {
		return nil
	}
	data, err := json.Marshal(s.meta)
	if err != nil {
		return err
	}
	temporary := s.store.path + ".new"
	if err := writeSynced(temporary, data); err != nil {
		return err
	}
	if err := os.Rename(temporary, s.store.path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(s.store.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func writeSynced(path string, data []byte) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(data); err != nil {
		return err
	}
	return file.Sync()
}
