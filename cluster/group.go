package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"prefectd/fsm"
	"prefectd/store"
)

// Evaluator runs one operation on the group's state. An error rolls its writes
// back and is the operation's answer.
type Evaluator func(tx *store.Tx, op any) (answer any, err error)

// Config says what a group is.
type Config struct {
	Dir      string // its folder
	Node     string // the stable name of this node
	Number   int
	Schema   store.Schema
	Evaluate Evaluator
	// Observe is told the rows of every applied entry, in order, on every
	// replica. It must return soon and copy what it keeps.
	Observe func([]store.Change)
	Log     *slog.Logger
}

// Validate reports what is missing.
func (c *Config) Validate() error {
	if c.Dir == "" || c.Node == "" || c.Schema == nil || c.Evaluate == nil || c.Observe == nil || c.Log == nil {
		return errors.New("group: incomplete configuration")
	}
	return nil
}

// The rhythm of a lone voter: nobody else's silence has to be told from a slow
// disk, so it becomes leader at once.
const (
	loneHeartbeat = 50 * time.Millisecond
	// The log is cut when it is this many entries beyond the last snapshot; as many
	// are kept for followers that come back.
	snapshotEvery    = 4096
	trailingEntries  = 4096
	snapshotInterval = 30 * time.Second
)

// Group is this node's replica of one Raft group.
type Group struct {
	config Config
	db     *store.DB
	fsm    *fsm.FSM
	log    *raftboltdb.BoltStore
	raft   *raft.Raft
	failed chan error

	ready chan struct{} // closed when this node leads and its state is complete
	queue chan *pending
	// drained is closed when the writer takes nothing more.
	drained chan struct{}

	stop    context.CancelFunc
	running sync.WaitGroup
}

// Open opens or creates a group's replica and starts it. Errors name the file
// that is at fault.
func Open(c Config) (*Group, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of group %d: %w", c.Number, err)
	}
	g := &Group{
		config: c, failed: make(chan error, 1), ready: make(chan struct{}), drained: make(chan struct{}),
		queue: make(chan *pending, queueLength),
	}
	if err := g.open(); err != nil {
		return nil, errors.Join(err, g.closeFiles())
	}
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	g.running.Go(func() { g.lead(ctx) })
	return g, nil
}

func (g *Group) open() (err error) {
	if g.db, err = store.Open(filepath.Join(g.config.Dir, "state.db"), g.config.Schema, store.Options{}); err != nil {
		return err
	}
	if g.log, err = openLog(filepath.Join(g.config.Dir, "log.db")); err != nil {
		return err
	}
	if g.fsm, err = fsm.New(g.db, g.config.Observe, g.fail); err != nil {
		return err
	}
	return g.startRaft()
}

// openLog opens the Raft log; a damaged one is an error that names it, also
// where the library panics.
func openLog(path string) (log *raftboltdb.BoltStore, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("log file %s is damaged: %v", path, r)
		}
	}()
	log, err = raftboltdb.New(raftboltdb.Options{
		Path: path,
		BoltOptions: &bbolt.Options{
			Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 256 << 20,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("log file %s: %w", path, err)
	}
	return log, nil
}

func (g *Group) startRaft() error {
	snapshots, err := newSnapshots(g.config.Dir, g.db)
	if err != nil {
		return err
	}
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(g.config.Node)
	conf.Logger = raftLogger(g.config.Log)
	conf.BatchApplyCh = true
	conf.HeartbeatTimeout, conf.ElectionTimeout, conf.LeaderLeaseTimeout = loneHeartbeat, loneHeartbeat, loneHeartbeat
	conf.SnapshotThreshold, conf.SnapshotInterval, conf.TrailingLogs = snapshotEvery, snapshotInterval, trailingEntries
	// The state file is the newest state: it need not be restored at the start.
	conf.NoSnapshotRestoreOnStart = true
	address, transport := raft.NewInmemTransport(raft.ServerAddress(g.config.Node))
	known, err := raft.HasExistingState(g.log, g.log, snapshots)
	if err != nil {
		return fmt.Errorf("log file of group %d: %w", g.config.Number, err)
	}
	if !known {
		if g.fsm.Applied() > 0 {
			return fmt.Errorf("the log of group %d in %s is gone although its state file is not: restore a backup", g.config.Number, g.config.Dir)
		}
		first := raft.Configuration{Servers: []raft.Server{{ID: conf.LocalID, Address: address}}}
		if err := raft.BootstrapCluster(conf, g.log, g.log, snapshots, transport, first); err != nil {
			return fmt.Errorf("group %d: %w", g.config.Number, err)
		}
	}
	cache, err := raft.NewLogCache(512, g.log)
	if err != nil {
		return err
	}
	g.raft, err = raft.NewRaft(conf, g.fsm, cache, g.log, snapshots, transport)
	if err != nil {
		return fmt.Errorf("group %d: %w", g.config.Number, err)
	}
	return nil
}

// fail reports the first error that the group cannot live with.
func (g *Group) fail(err error) {
	select {
	case g.failed <- err:
	default:
	}
}

// Failed tells when the group cannot go on; it is closed when the group is.
func (g *Group) Failed() <-chan error { return g.failed }

// Ready returns when the group can serve reads and writes.
func (g *Group) Ready(ctx context.Context) error {
	select {
	case <-g.ready:
		if g.raft.State() != raft.Leader {
			return errNoLeader
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("group %d has no leader yet: %w", g.config.Number, ctx.Err())
	}
}

// lead waits until this node leads and has applied all that was committed
// before, then runs the writer.
func (g *Group) lead(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case leader := <-g.raft.LeaderCh():
			if !leader {
				continue
			}
		}
		if err := g.raft.Barrier(0).Error(); err != nil {
			g.config.Log.Warn("leadership was lost before it was taken up", "err", err)
			continue
		}
		close(g.ready)
		g.write(ctx)
		return
	}
}

// View runs fn on the state with every write that was answered before. The
// leader answers a write only when its own state file has it, so being the
// leader is enough; a lone voter cannot be deposed without knowing.
func (g *Group) View(ctx context.Context, fn func(*store.Tx) error) error {
	if err := g.Ready(ctx); err != nil {
		return err
	}
	return g.db.View(fn)
}

// Status is what a replica tells of itself.
type Status struct {
	Role    string
	Leader  string
	Term    uint64
	Applied uint64
}

// Status reads the replica's state.
func (g *Group) Status() Status {
	_, leader := g.raft.LeaderWithID()
	return Status{
		Role: roleNames[g.raft.State()], Leader: string(leader),
		Term: g.raft.CurrentTerm(), Applied: g.fsm.Applied(),
	}
}

var roleNames = map[raft.RaftState]string{
	raft.Follower: "follower", raft.Candidate: "candidate", raft.Leader: "leader", raft.Shutdown: "stopped",
}

// Close answers what is queued, stops the replica and closes its files.
func (g *Group) Close() error {
	g.stop()
	g.running.Wait()
	err := g.raft.Shutdown().Error()
	close(g.failed)
	return errors.Join(err, g.closeFiles())
}

func (g *Group) closeFiles() error {
	var errs []error
	if g.log != nil {
		errs = append(errs, g.log.Close())
	}
	if g.db != nil {
		errs = append(errs, g.db.Close())
	}
	return errors.Join(errs...)
}
