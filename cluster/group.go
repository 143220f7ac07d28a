package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"prefectd/fsm"
	"prefectd/store"
)

// Group is this node's replica of one Raft group. Its methods may be called from
// any goroutine.
type Group struct {
	counts    *counts // for metrics
	config    Config
	db        *store.DB
	log       *logFile
	fsm       *fsm.FSM
	snapshots *snapshots
	raft      *raft.Raft
	witness   *witness

	notify   chan bool       // from Raft: leadership was gained or lost
	services chan []Service  // to the monitor
	asks     chan chan error // to confirmAll

	mu     sync.Mutex
	writer *writer       // while this node leads
	ready  chan struct{} // closed while there is a writer

	broken sync.Once
	cause  error         // why the group cannot go on; set before dead is closed
	dead   chan struct{} // closed when it can't
	failed chan error    // the cause, for whoever runs the group

	closing    chan struct{} // closed when Close begins
	closed     func() error  // ends the group, once
	ctx        context.Context
	stop       context.CancelFunc
	running    sync.WaitGroup
	halted     chan struct{} // closed when nothing more is confirmed
	ended      chan struct{} // closed when Raft is stopped
	confirming sync.WaitGroup
}

// notifications is how often leadership may change hands while the monitor is
// busy before Raft has to wait for it.
const notifications = 16

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
		config:   c,
		counts:   newCounts(c.Number),
		notify:   make(chan bool, notifications),
		services: make(chan []Service),
		asks:     make(chan chan error),
		ready:    make(chan struct{}),
		dead:     make(chan struct{}),
		failed:   make(chan error, 1),
		closing:  make(chan struct{}),
		halted:   make(chan struct{}),
		ended:    make(chan struct{}),
	}
	g.closed = sync.OnceValue(g.close)
	g.ctx, g.stop = context.WithCancel(context.Background())
	if err := g.open(); err != nil {
		g.stop()
		return nil, errors.Join(err, g.release())
	}
	g.running.Go(func() { g.monitor(g.ctx) })
	g.running.Go(func() { g.trim(g.ctx) })
	g.confirming.Go(g.confirmAll)
	return g, nil
}

// The files of a group.
const (
	stateName = "state.db"
	logName   = "log.db"
)

func (g *Group) open() (err error) {
	if g.db, err = store.Open(filepath.Join(g.config.Dir, stateName), g.config.Schema, g.config.State); err != nil {
		return err
	}
	if g.log, err = openLog(filepath.Join(g.config.Dir, logName), g.config.LogEntries, g.config.LogBytes, g.fail); err != nil {
		return err
	}
	if g.fsm, err = fsm.New(g.db, g.config.MaxLevel, g.config.Observe, g.fail); err != nil {
		return err
	}
	g.snapshots = newSnapshots(g.ctx, g.config.Dir, g.db, g.fsm, g.log)
	return g.startRaft()
}

// fail ends the group's work for a reason that it cannot live with.
func (g *Group) fail(err error) {
	g.broken.Do(func() {
		g.cause = err
		close(g.dead)
		g.failed <- err
	})
}

// Failed tells why the group cannot go on, if that happens; the process should
// then stop. It is closed when the group is.
func (g *Group) Failed() <-chan error { return g.failed }

// await asks Raft for something and waits for its answer, or until the group has
// failed or is closed: Raft may then never answer, and is not asked any more.
func (g *Group) await(start func() raft.Future) error {
	select {
	case <-g.dead:
		return g.unavailable()
	default:
	}
	done := make(chan error, 1)
	go func() { done <- start().Error() }() // ends with Raft, at the latest with the process
	select {
	case err := <-done:
		return err
	case <-g.dead:
		return g.cause
	case <-g.ended:
		return raft.ErrRaftShutdown
	}
}

// Status is what a replica tells of itself.
type Status struct {
	Role        string        `json:"role"` // leader, follower, candidate or stopped
	Leader      string        `json:"leader"`
	Term        uint64        `json:"term"`
	Commit      uint64        `json:"commit"`
	Applied     uint64        `json:"applied"`
	LastContact time.Duration `json:"last_contact"` // since the leader was heard of, -1 if never
	Voters      []string      `json:"voters"`       // by the configuration that it knows
	Learners    []string      `json:"learners"`
	// The log that is kept: its first and last index, and how many bytes it has.
	LogFirst  uint64 `json:"log_first"`
	LogLast   uint64 `json:"log_last"`
	LogBytes  int64  `json:"log_bytes"`
	FileBytes int64  `json:"file_bytes"` // the state file, and what is free in it
	FileFree  int64  `json:"file_free"`
}

// Status reads the replica's state.
func (g *Group) Status() Status {
	s := Status{
		Role: roleNames[g.raft.State()], Leader: g.Leader(),
		Term: g.raft.CurrentTerm(), Commit: g.raft.CommitIndex(), Applied: g.fsm.Applied(), LastContact: -1,
	}
	switch last := g.raft.LastContact(); {
	case s.Role == roleNames[raft.Leader]:
		s.LastContact = 0
	case !last.IsZero():
		s.LastContact = time.Since(last)
	}
	s.Voters, s.Learners = g.configuration()
	s.LogFirst, s.LogLast, s.LogBytes = g.log.extent()
	s.FileBytes, s.FileFree = g.db.Size()
	return s
}

var roleNames = map[raft.RaftState]string{
	raft.Follower: "follower", raft.Candidate: "candidate", raft.Leader: "leader", raft.Shutdown: "stopped",
}

// Close answers what is queued, stops the replica and closes its files.
func (g *Group) Close() error { return g.closed() }

func (g *Group) close() error {
	close(g.closing)
	g.stop()
	g.running.Wait()
	close(g.halted) // the writer has confirmed its last batch
	g.confirming.Wait()
	err := g.release()
	close(g.ended)
	close(g.failed)
	return err
}

// release stops Raft and closes the files, as far as they were opened.
func (g *Group) release() error {
	var errs []error
	if g.raft != nil {
		errs = append(errs, g.stopRaft())
	} else {
		errs = append(errs, g.closeTransport())
	}
	if g.log != nil {
		errs = append(errs, g.log.Close())
	}
	if g.db != nil {
		errs = append(errs, g.db.Close())
	}
	return errors.Join(errs...)
}
