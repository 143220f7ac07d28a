package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/hashicorp/raft"

	"prefectd/fsm"
	"prefectd/store"
)

// snapshots is a snapshot store that keeps none. The state file itself is the
// snapshot: it holds everything up to an index that it knows, so taking one is
// to bring it to the disk and note that index, and the newest one is always at
// hand. Only for a member that needs one is a copy made, of the state as it
// then is, into a file that has no name: the copy must not depend on how fast
// that member is, because an open read transaction keeps the state file growing,
// and Raft has to know its size beforehand.
//
// Raft's Restore, which gives a snapshot an index of its own, is not supported.
type snapshots struct {
	ctx context.Context // of the group: nothing is copied any more when it ends
	dir string
	db  *store.DB
	fsm *fsm.FSM
	log *logFile

	mu       sync.Mutex
	received *received // the last that came from another member, until it is opened
}

type received struct {
	meta raft.SnapshotMeta
	file *os.File
}

var _ raft.SnapshotStore = (*snapshots)(nil)

func newSnapshots(ctx context.Context, dir string, db *store.DB, f *fsm.FSM, l *logFile) *snapshots {
	return &snapshots{ctx: ctx, dir: dir, db: db, fsm: f, log: l}
}

func metaOf(s fsm.State) *raft.SnapshotMeta {
	return &raft.SnapshotMeta{
		Version: raft.SnapshotVersionMax, ID: snapshotID(s.Term, s.Index), Index: s.Index, Term: s.Term,
		Configuration: s.Configuration, ConfigurationIndex: s.ConfigurationIndex,
	}
}

func snapshotID(term, index uint64) string { return fmt.Sprintf("%d-%d", term, index) }

// List answers the state file, unless it is empty.
func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	var state fsm.State
	err := s.db.View(func(tx *store.Tx) (err error) {
		state, err = fsm.StateOf(tx)
		return err
	})
	if err != nil || state.Index == 0 {
		return nil, err
	}
	return []*raft.SnapshotMeta{metaOf(state)}, nil
}

// Open gives the snapshot that was received under an id, else a copy of the state
// file, whatever the id: it is at least as new as what was asked for. What is written
// from then on stays in the log for the member that the copy is for.
func (s *snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	if got := s.take(id); got != nil {
		return &got.meta, &taken{got.file, s.ctx}, nil
	}
	total, free := s.db.Size()
	release := s.log.reserve(s.fsm.Applied(), total-free)
	meta, file, err := s.copy(s.ctx)
	if err != nil {
		release()
		return nil, nil, err
	}
	return meta, &sent{file, release}, nil
}

// taken is a state that came from another member, as long as the group is open.
type taken struct {
	*os.File
	ctx context.Context
}

// Read reads on.
func (t *taken) Read(p []byte) (int, error) {
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	return t.File.Read(p)
}

// sent is a copy that is being sent to a member.
type sent struct {
	*os.File
	release func()
}

// Close ends it, whatever came of it.
func (s *sent) Close() error {
	s.release()
	return s.File.Close()
}

// copy makes a copy of the state file as it is now, unless ctx ends before.
func (s *snapshots) copy(ctx context.Context) (*raft.SnapshotMeta, *os.File, error) {
	file, err := s.temporary()
	if err != nil {
		return nil, nil, err
	}
	state, err := fsm.Stream(ctx, s.db, fsm.NewPaced(file))
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	meta := metaOf(state)
	if meta.Size, err = rewind(file); err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return meta, file, nil
}

// rewind goes back to the start of a file that was written, and tells its size.
func rewind(file *os.File) (size int64, err error) {
	if size, err = file.Seek(0, io.SeekCurrent); err != nil {
		return 0, err
	}
	_, err = file.Seek(0, io.SeekStart)
	return size, err
}

func (s *snapshots) take(id string) *received {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.received
	if got == nil || got.meta.ID != id {
		return nil
	}
	s.received = nil
	return got
}

// temporary is a file in the group's folder that is gone when it is closed, or
// when the process ends.
func (s *snapshots) temporary() (*os.File, error) {
	file, err := os.CreateTemp(s.dir, "snapshot-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Create begins a snapshot: of the state file, or one that comes from another
// member. It is the latter if it is written to.
func (s *snapshots) Create(version raft.SnapshotVersion, index, term uint64,
	configuration raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	return &sink{store: s, meta: raft.SnapshotMeta{
		Version: version, ID: snapshotID(term, index), Index: index, Term: term,
		Configuration: configuration, ConfigurationIndex: configurationIndex,
	}}, nil
}

// sink takes a snapshot.
type sink struct {
	store *snapshots
	meta  raft.SnapshotMeta
	file  *os.File   // of one that is received
	paced *fsm.Paced // writes it
	done  bool
}

// ID names the snapshot.
func (s *sink) ID() string { return s.meta.ID }

// Write takes content from another member.
func (s *sink) Write(p []byte) (n int, err error) {
	if err := s.store.ctx.Err(); err != nil {
		return 0, err
	}
	if s.file == nil {
		if s.file, err = s.store.temporary(); err != nil {
			return 0, err
		}
		s.paced = fsm.NewPaced(s.file)
	}
	return s.paced.Write(p)
}

// Cancel drops what was received.
func (s *sink) Cancel() error {
	s.done = true
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// Close completes the snapshot. After one of the state file the log may be cut.
func (s *sink) Close() (err error) {
	if s.done {
		return nil // Raft closes what the state machine has closed
	}
	s.done = true
	if s.file == nil {
		return s.store.fsm.Advance(s.meta.Index, s.meta.Term)
	}
	if s.meta.Size, err = rewind(s.file); err != nil {
		return errors.Join(err, s.file.Close())
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	old := s.store.received
	s.store.received = &received{meta: s.meta, file: s.file}
	if old != nil {
		return old.file.Close()
	}
	return nil
}
