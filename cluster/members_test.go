package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"prefectd/store"
)

// member is one replica of a group that has several, all in this process.
type member struct {
	*Group
	*toy
	config    Config
	transport *raft.InmemTransport
}

// members are the replicas of one group.
type members struct {
	t       *testing.T
	all     []*member
	timeout time.Duration // of messages; ten times as long for a snapshot
	wrap    func(*raft.InmemTransport) RaftTransport
}

// newMembers opens a group of n replicas, the first of which leads at first.
func newMembers(t *testing.T, n int, change ...func(*Config)) *members {
	return newMembersOn(t, n, nil, change...)
}

// newMembersOn does so with transports of another kind.
func newMembersOn(t *testing.T, n int, wrap func(*raft.InmemTransport) RaftTransport, change ...func(*Config)) *members {
	ms := &members{t: t, timeout: 500 * time.Millisecond, wrap: wrap}
	for range n {
		ms.add(change...)
	}
	return ms
}

// add opens one more replica and makes it a voter.
func (ms *members) add(change ...func(*Config)) *member {
	name := fmt.Sprint("n", len(ms.all)+1)
	m := &member{toy: &toy{}}
	m.config = m.toy.config(filepath.Join(ms.t.TempDir(), name))
	m.config.Node, m.config.Join = name, len(ms.all) > 0
	m.config.Heartbeat = 200 * time.Millisecond
	for _, f := range change {
		f(&m.config)
	}
	ms.all = append(ms.all, m)
	ms.open(m)
	if !m.config.Join {
		require.NoError(ms.t, m.Ready(ms.t.Context()))
		return m
	}
	require.NoError(ms.t, ms.leader().raft.AddVoter(raft.ServerID(name), raft.ServerAddress(name), 0, 0).Error())
	return m
}

// open starts a replica, also one that was closed.
func (ms *members) open(m *member) {
	_, m.transport = raft.NewInmemTransportWithTimeout(raft.ServerAddress(m.config.Node), ms.timeout)
	m.config.Transport = m.transport
	if ms.wrap != nil {
		m.config.Transport = ms.wrap(m.transport)
	}
	ms.connect(m)
	g, err := Open(m.config)
	require.NoError(ms.t, err)
	m.Group = g
	ms.t.Cleanup(func() { g.Close() })
}

func (ms *members) connect(m *member) {
	for _, other := range ms.all {
		if other != m {
			m.transport.Connect(other.transport.LocalAddr(), other.transport)
			other.transport.Connect(m.transport.LocalAddr(), m.transport)
		}
	}
}

func (ms *members) isolate(m *member) {
	for _, other := range ms.all {
		if other != m {
			m.transport.Disconnect(other.transport.LocalAddr())
			other.transport.Disconnect(m.transport.LocalAddr())
		}
	}
}

// leader waits for a leader, other than some.
func (ms *members) leader(not ...*member) (leader *member) {
	ms.t.Helper()
	eventually(ms.t, func() bool {
	search:
		for _, m := range ms.all {
			for _, n := range not {
				if m == n {
					continue search
				}
			}
			if w, _ := m.leading(); w != nil {
				leader = m
				return true
			}
		}
		return false
	}, "no leader")
	return leader
}

// agree waits until every replica counts an item alike.
func (ms *members) agree(number uint64, want int) {
	ms.t.Helper()
	eventually(ms.t, func() bool {
		for _, m := range ms.all {
			if stale(ms.t, m.Group, number) != want {
				return false
			}
		}
		return true
	}, "replicas differ")
}

// insist submits an operation with an id until it is known to have taken place.
func (ms *members) insist(ctx context.Context, id OperationID, op any) (any, error) {
	for {
		for _, m := range ms.all {
			answer, err := m.SubmitOnce(ctx, id, op)
			if err == nil {
				return answer, nil
			}
			if !Unavailable(err) && !errors.Is(err, ErrUnknownOutcome) {
				return nil, err
			}
		}
		sleep(ctx, time.Millisecond)
	}
}

func TestWritesReachEveryMember(t *testing.T) {
	ms := newMembers(t, 3)
	leader := ms.leader()
	for i := range 5 {
		require.Equal(t, i+1, submit(t, leader.Group, add{number: 1}))
		require.Equal(t, i+1, count(t, leader.Group, 1))
	}
	index, err := leader.ReadIndex(t.Context())
	require.NoError(t, err)
	for _, m := range ms.all {
		require.NoError(t, m.fsm.WaitApplied(t.Context(), index))
		require.Equal(t, 5, stale(t, m.Group, 1), "a replica that has come that far shows it")
		if m == leader {
			continue
		}
		_, err := m.Submit(t.Context(), add{number: 1})
		require.ErrorIs(t, err, ErrNoLeader)
		require.ErrorIs(t, m.View(t.Context(), func(*store.Tx) error { return nil }), ErrNoLeader)
		require.Zero(t, m.evaluations(), "only the leader evaluates")
	}
	ms.agree(1, 5)
}

func TestReadsShareConfirmations(t *testing.T) {
	ms := newMembers(t, 3)
	leader := ms.leader()
	submit(t, leader.Group, add{number: 1})
	var wait sync.WaitGroup
	for range 200 {
		wait.Go(func() { require.Equal(t, 1, count(t, leader.Group, 1)) })
	}
	wait.Wait()
	require.Equal(t, 1, submit(t, leader.Group, look{number: 1}))
}

func TestADeposedLeaderNeitherReadsNorWrites(t *testing.T) {
	ms := newMembers(t, 3)
	old := ms.leader()
	require.Equal(t, 1, once(t, old.Group, 1, add{number: 1}))

	ms.isolate(old)
	_, err := old.SubmitOnce(t.Context(), OperationID{2}, add{number: 1})
	require.ErrorIs(t, err, ErrUnknownOutcome)
	require.False(t, Unavailable(err))
	require.ErrorIs(t, old.View(t.Context(), func(*store.Tx) error { return nil }), ErrNoLeader)
	require.Equal(t, 1, stale(t, old.Group, 1))

	leader := ms.leader(old)
	runs := leader.evaluations()
	require.Equal(t, 1, once(t, leader.Group, 1, add{number: 1}), "known to the next leader")
	require.Equal(t, runs, leader.evaluations())
	require.Equal(t, 2, once(t, leader.Group, 2, add{number: 1}), "did not take place")
	require.Equal(t, 3, submit(t, leader.Group, add{number: 1}))

	ms.connect(old)
	ms.agree(1, 3)
	require.Equal(t, 2, once(t, ms.leader().Group, 2, add{number: 1}))
}

// Operations that are sent again and again while leadership moves take place
// exactly once each.
func TestOperationsTakePlaceOnceWhileLeadershipMoves(t *testing.T) {
	const clients, each = 4, 25
	ms := newMembers(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan struct{})
	var moving sync.WaitGroup
	moving.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				leader := ms.leader()
				_ = leader.raft.LeadershipTransfer().Error() // or not
				sleep(ctx, 20*time.Millisecond)
			}
		}
	})
	var wait sync.WaitGroup
	for c := range clients {
		wait.Go(func() {
			for i := range each {
				answer, err := ms.insist(ctx, OperationID{byte(c + 1), byte(i)}, add{number: uint64(c)})
				require.NoError(t, err)
				require.Equal(t, i+1, answer)
			}
		})
	}
	wait.Wait()
	close(done)
	moving.Wait()
	for c := range clients {
		ms.agree(uint64(c), each)
	}
}

func TestServicesFollowTheLeader(t *testing.T) {
	ms := newMembers(t, 3)
	var running atomic.Int32
	var where atomic.Pointer[member]
	for _, m := range ms.all {
		m.Serve(service(func(ctx context.Context) error {
			running.Add(1)
			where.Store(m)
			<-ctx.Done()
			running.Add(-1)
			return nil
		}))
	}
	old := ms.leader()
	eventually(t, func() bool { return running.Load() == 1 && where.Load() == old })
	ms.isolate(old)
	leader := ms.leader(old)
	eventually(t, func() bool { return running.Load() == 1 && where.Load() == leader })
	ms.connect(old)
	submit(t, leader.Group, add{number: 1})
	ms.agree(1, 1)
	require.Equal(t, leader, where.Load())
}

// A member that needs entries which are cut gets the state file, and goes on from
// there, also after a restart.
func TestANewMemberGetsTheStateFile(t *testing.T) {
	short := func(c *Config) { c.LogEntries = 8 }
	ms := newMembers(t, 1, short)
	leader := ms.all[0]
	for range 50 {
		submit(t, leader.Group, add{number: 1, padding: 2000})
	}
	eventually(t, func() bool { return leader.Status().LogFirst > 40 })

	m := ms.add(short)
	ms.agree(1, 50)
	require.Zero(t, m.evaluations())
	eventually(t, m.replaced, "observers are told that the state was replaced")
	require.Equal(t, 51, submit(t, leader.Group, add{number: 1}))
	ms.agree(1, 51)

	require.NoError(t, m.Close())
	left, err := filepath.Glob(filepath.Join(m.config.Dir, "*"))
	require.NoError(t, err)
	require.Len(t, left, 2, "nothing but log and state: %v", left)
	ms.open(m)
	for i := range 20 { // while m was away, its leader may have stepped down
		answer, err := ms.insist(t.Context(), OperationID{byte(i + 1)}, add{number: 1})
		require.NoError(t, err)
		require.Equal(t, 52+i, answer)
	}
	ms.agree(1, 71)
	require.Equal(t, leader.raft.GetConfiguration().Configuration(), m.raft.GetConfiguration().Configuration())
}

func TestAMemberThatWasAwayCatchesUp(t *testing.T) {
	short := func(c *Config) { c.LogEntries = 8 }
	ms := newMembers(t, 3, short)
	leader := ms.leader()
	away := ms.all[2]
	if away == leader {
		away = ms.all[1]
	}
	ms.isolate(away)
	for i := range 40 { // on a busy machine the leader may change
		_, err := ms.insist(t.Context(), OperationID{byte(i + 1)}, add{number: 1})
		require.NoError(t, err)
	}
	eventually(t, func() bool { return ms.leader(away).Status().LogFirst > 20 })
	ms.connect(away)
	ms.agree(1, 40)
}

// Once the others write what it cannot read, a member stops rather than to guess.
func TestAMemberThatDoesNotKnowTheLevelStops(t *testing.T) {
	ms := newMembers(t, 2)
	leader := ms.leader()
	old := ms.add(func(c *Config) { c.MaxLevel = 1 })
	submit(t, leader.Group, add{number: 1})
	ms.agree(1, 1)
	leader.SetLevel(2)
	require.Equal(t, 2, submit(t, leader.Group, add{number: 1}))
	require.ErrorContains(t, <-old.Failed(), "log entry has version 2, this program knows 1: start the version that wrote it")
	require.Equal(t, 1, stale(t, old.Group, 1))
	ms.all = ms.all[:2]
	ms.agree(1, 2)
}
