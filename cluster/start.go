package cluster

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// appendEntries is how many entries one message to a member carries, and how
// many one transaction of the state machine takes.
const appendEntries = 16

// commitTime is how long it takes at the least until a leader that has nothing new tells
// the others how much is committed: not soon, because they are told by a Mark.
const commitTime = 250 * time.Millisecond

// raftConfig is what Raft is told. It takes no snapshots by itself: trim does, by
// the length of the log.
func (g *Group) raftConfig() *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(g.config.Node)
	conf.Logger = raftLogger(g.config.Log)
	conf.NotifyCh = g.notify
	conf.MaxAppendEntries = appendEntries
	conf.CommitTimeout = commitTime
	conf.HeartbeatTimeout, conf.ElectionTimeout = g.config.Heartbeat, g.config.Heartbeat
	// Reads don't rely on the lease, so it need not be much shorter than the others' patience.
	conf.LeaderLeaseTimeout = g.config.Heartbeat * 3 / 4
	conf.SnapshotThreshold, conf.SnapshotInterval = 1<<62, 24*time.Hour
	// The state file is the newest state: nothing is restored at the start.
	conf.NoSnapshotRestoreOnStart = true
	// A replica that was removed is closed by whoever opened it.
	conf.ShutdownOnRemove = false
	return conf
}

func (g *Group) startRaft() (err error) {
	transport := g.config.Transport
	if transport == nil {
		_, transport = raft.NewInmemTransport(raft.ServerAddress(g.config.Node))
	}
	defer func() {
		if r := recover(); r != nil { // how Raft says that it cannot read or write its log
			err = fmt.Errorf("log file %s: %v", g.log.path, r)
		}
	}()
	conf := g.raftConfig()
	if err := g.checkFiles(conf, transport); err != nil {
		return err
	}
	g.witness = newWitness(transport)
	g.raft, err = raft.NewRaft(conf, g.fsm, g.log, g.log, g.snapshots, g.witness)
	if err != nil {
		return fmt.Errorf("log file %s: %w", g.log.path, err)
	}
	g.log.running.Store(true)
	if t, ok := transport.(termed); ok {
		t.followTerm(g.followedTerm)
	}
	return g.campaign()
}

// checkFiles begins a new group, or makes sure that an old one's log and state
// file belong together.
func (g *Group) checkFiles(conf *raft.Config, transport raft.Transport) error {
	none := raft.NewDiscardSnapshotStore()
	known, err := raft.HasExistingState(g.log, g.log, none)
	if err != nil {
		return fmt.Errorf("log file %s: %w", g.log.path, err)
	}
	applied := g.fsm.Applied()
	first, _, _ := g.log.extent()
	switch {
	case !known && applied > 0:
		return fmt.Errorf("log file %s is gone although %s is not: restore the data folder from a backup", g.log.path, g.db.Path())
	case first > applied+1:
		return fmt.Errorf("state file %s ends at entry %d, but its log begins at %d: restore the data folder from a backup", g.db.Path(), applied, first)
	case known || g.config.Join:
		return nil
	}
	self := raft.Server{ID: conf.LocalID, Address: transport.LocalAddr()}
	members := raft.Configuration{Servers: []raft.Server{self}}
	if err := raft.BootstrapCluster(conf, g.log, g.log, none, transport, members); err != nil {
		return fmt.Errorf("log file %s: %w", g.log.path, err)
	}
	return nil
}

// campaign spares a lone member the wait for a leader that cannot be there:
// Raft looks at its timer anew when the time-out gets shorter.
func (g *Group) campaign() error {
	members := g.raft.GetConfiguration().Configuration().Servers
	if len(members) != 1 || members[0].ID != raft.ServerID(g.config.Node) {
		return nil
	}
	conf := g.raft.ReloadableConfig()
	conf.HeartbeatTimeout -= time.Millisecond
	return g.raft.ReloadConfig(conf)
}

// followedTerm is the term that this member follows, 0 while it follows none: a candidate
// is about to raise it, and a heartbeat that makes it a follower again would put it back.
func (g *Group) followedTerm() uint64 {
	if g.raft.State() != raft.Follower {
		return 0
	}
	return g.raft.CurrentTerm()
}

// stopRaft stops Raft, and with it the transport. One that is in the middle of something
// with a member that does not answer is cut off.
func (g *Group) stopRaft() error {
	stopped := make(chan error, 1)
	future := g.raft.Shutdown()
	go func() { stopped <- future.Error() }() // it is waited for
	select {
	case err := <-stopped:
		return err
	case <-time.After(pause):
	}
	return errors.Join(g.closeTransport(), <-stopped)
}

func (g *Group) closeTransport() error {
	if g.config.Transport == nil {
		return nil
	}
	return g.config.Transport.Close()
}
