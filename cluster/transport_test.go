package cluster

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"prefectd/store"
)

// crew are nodes that hold replicas of the same groups.
type crew struct {
	*site
	t        *testing.T
	networks []*Network
}

func nodeName(i int) string { return fmt.Sprint("n", i+1) }

func newCrew(t *testing.T, nodes int) *crew {
	c := &crew{site: newSite(t), t: t}
	for i := range nodes {
		c.networks = append(c.networks, c.network(nodeName(i)))
	}
	return c
}

// group opens a group with a replica on each node.
func (c *crew) group(number int) *members {
	ms := &members{t: c.t}
	for i, on := range c.networks {
		m := &member{toy: &toy{}}
		m.config = m.toy.config(filepath.Join(c.t.TempDir(), nodeName(i)))
		m.config.Node, m.config.Number, m.config.Join = nodeName(i), number, i > 0
		c.start(m, on)
		if ms.all = append(ms.all, m); i == 0 {
			require.NoError(c.t, m.Ready(c.t.Context()))
			continue
		}
		change := Step{Act: PromoteVoter, Node: nodeName(i)}
		eventually(c.t, func() bool { return ms.leader().Change(change) == nil })
	}
	return ms
}

// start opens a replica on a node.
func (c *crew) start(m *member, on *Network) {
	m.config.Transport = on.Transport(m.config.Number, m.config.Node)
	g, err := Open(m.config)
	require.NoError(c.t, err)
	m.Group = g
	c.t.Cleanup(func() { g.Close() })
}

// more adds to an item a number of times, each once, whoever leads.
func (ms *members) more(number uint64, times int) {
	for range times {
		var id OperationID
		rand.Read(id[:])
		_, err := ms.insist(ms.t.Context(), id, add{number: number})
		require.NoError(ms.t, err)
	}
}

// but are the members without one.
func (ms *members) but(m *member) *members {
	all := slices.DeleteFunc(slices.Clone(ms.all), func(other *member) bool { return other == m })
	return &members{t: ms.t, all: all}
}

func TestGroupsShareTheNetwork(t *testing.T) {
	c := newCrew(t, 3)
	groups := []*members{c.group(0), c.group(1), c.group(2)}
	var wait sync.WaitGroup
	for i, ms := range groups {
		wait.Go(func() { ms.more(uint64(i), 10) })
	}
	wait.Wait()
	for i, ms := range groups {
		for j := range groups {
			if i == j {
				ms.agree(uint64(j), 10)
			} else {
				ms.agree(uint64(j), 0)
			}
		}
	}
	old := groups[1].leader()
	require.NoError(t, old.raft.LeadershipTransfer().Error())
	groups[1].leader(old)
	groups[1].more(1, 1)
	groups[1].agree(1, 11)
}

// A replica that is closed and opened again goes on, while the other groups of the node
// do. A node that comes back at another address is found there.
func TestReplicasComeBack(t *testing.T) {
	c := newCrew(t, 3)
	a, b := c.group(0), c.group(1)
	for _, ms := range []*members{a, b} {
		ms.more(1, 1)
		ms.agree(1, 1)
	}
	m := a.all[1]
	require.NoError(t, m.Close())
	a.but(m).more(1, 1)
	b.more(1, 1)
	b.agree(1, 2)
	c.start(m, c.networks[1])
	a.agree(1, 2)

	require.NoError(t, a.all[1].Close())
	require.NoError(t, b.all[1].Close())
	require.NoError(t, c.networks[1].Close())
	for _, ms := range []*members{a, b} {
		ms.but(ms.all[1]).more(1, 5)
	}
	c.networks[1] = c.network(nodeName(1))
	for _, ms := range []*members{a, b} {
		c.start(ms.all[1], c.networks[1])
		ms.agree(1, 7)
	}
}

// fastTerm is the term whose heartbeats take the fast path to a member.
func (m *member) fastTerm() uint64 { return (*m.config.Transport.(*Transport).term.Load())() }

// A member that hears nothing holds up neither the others nor those who close, and
// deposes nobody when it hears again.
func TestMembersThatHearNothing(t *testing.T) {
	c := newCrew(t, 3)
	between := newRelay(t, c.networks[2].Address())
	c.moved(nodeName(2), between.address())
	ms := c.group(1)
	ms.more(1, 1)
	ms.agree(1, 1)
	deaf := ms.all[2]
	others := ms.but(deaf)
	between.hold(true)
	others.more(1, 20)
	eventually(t, func() bool { return deaf.raft.State() == raft.Candidate })
	require.Zero(t, deaf.fastTerm(), "a candidate is about to raise its term")
	leader := others.leader()
	term := leader.raft.CurrentTerm()
	require.Zero(t, leader.fastTerm())
	between.hold(false)
	ms.agree(1, 21)
	eventually(t, func() bool { return deaf.fastTerm() == term })
	require.Equal(t, leader, ms.leader(), "nobody was elected anew")

	between.hold(true)
	others.more(1, 1)
	began := time.Now()
	for _, m := range others.all {
		require.NoError(t, m.Close())
	}
	require.Less(t, time.Since(began), soon)
}

// A heartbeat takes the fast path beside Raft's main loop only if nothing about its
// term is to be decided there.
func TestHeartbeatsOfTheFastPath(t *testing.T) {
	s := newSite(t)
	leader := s.network("n1").Transport(3, "n1")
	defer leader.Close()
	member := s.network("n2").Transport(3, "n2")
	defer member.Close()
	var fast atomic.Int32
	member.SetHeartbeatHandler(func(rpc raft.RPC) {
		fast.Add(1)
		rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
	})
	var term atomic.Uint64
	known := func() { member.followTerm(term.Load) }
	steps := []struct {
		before  func()
		what    string
		request raft.AppendEntriesRequest
		fast    bool
	}{
		{func() {}, "before there is an instance of Raft", raft.AppendEntriesRequest{Term: 1}, false},
		{known, "a newer term", raft.AppendEntriesRequest{Term: 1}, false},
		{func() { term.Store(5) }, "the term", raft.AppendEntriesRequest{Term: 5}, true},
		{func() {}, "an older term", raft.AppendEntriesRequest{Term: 4}, true},
		{func() {}, "a newer term again", raft.AppendEntriesRequest{Term: 6}, false},
		{func() {}, "entries", raft.AppendEntriesRequest{Term: 5, PrevLogEntry: 1, PrevLogTerm: 1, Entries: []*raft.Log{{Index: 2, Term: 5}}}, false},
		{func() {}, "what is committed", raft.AppendEntriesRequest{Term: 5, LeaderCommitIndex: 7}, false},
	}
	for _, c := range steps {
		t.Run(c.what, func(t *testing.T) {
			c.before()
			so := fast.Load()
			c.request.RPCHeader = raft.RPCHeader{ID: []byte("n1"), Addr: []byte("n1")}
			answered := make(chan error)
			go func() {
				answered <- leader.AppendEntries("n2", "n2", &c.request, &raft.AppendEntriesResponse{})
			}()
			if !c.fast {
				rpc := <-member.Consumer()
				require.Equal(t, c.request.Term, rpc.Command.(*raft.AppendEntriesRequest).Term)
				rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
			}
			require.NoError(t, <-answered)
			require.Equal(t, c.fast, fast.Load() > so)
		})
	}
}

// A group that is not held somewhere is not waited for.
func TestGroupsThatAreNotHeld(t *testing.T) {
	s := newSite(t)
	from := s.network("n1").Transport(3, "n1")
	defer from.Close()
	log := &journal{}
	s.networkLogging("n2", log)
	began := time.Now()
	err := from.RequestPreVote("n2", "n2", &raft.RequestPreVoteRequest{}, &raft.RequestPreVoteResponse{})
	require.ErrorContains(t, err, "connect to node n2")
	require.Less(t, time.Since(began), dialTime)
	require.Zero(t, log.count("WARN"))
}

// slowFile is a snapshot that never ends.
type slowFile struct{ begun, end chan struct{} }

func (f *slowFile) Read(p []byte) (int, error) {
	select {
	case f.begun <- struct{}{}:
	default:
	}
	select {
	case <-f.end:
		return 0, io.EOF
	default:
		return zeros{}.Read(p)
	}
}

// A snapshot that gets stuck does not keep either end from closing, nor a Network.
func TestSnapshotsThatGetStuck(t *testing.T) {
	for _, ends := range []string{"sender", "receiver", "sender's network", "receiver's network"} {
		t.Run(ends, func(t *testing.T) {
			s := newSite(t)
			n1, n2 := s.network("n1"), s.network("n2")
			from, to := n1.Transport(3, "n1"), n2.Transport(3, "n2")
			defer from.Close()
			defer to.Close()
			file := &slowFile{make(chan struct{}), make(chan struct{})}
			defer close(file.end)
			done := make(chan error)
			go func(done chan<- error) {
				done <- from.InstallSnapshot("n2", "n2", &raft.InstallSnapshotRequest{Size: 1 << 40}, &raft.InstallSnapshotResponse{}, file)
			}(done)
			rpc := <-to.Consumer()
			taken := make(chan struct{})
			go func(taken chan<- struct{}) {
				io.Copy(io.Discard, rpc.Reader)
				close(taken)
			}(taken)
			<-file.begun
			switch ends {
			case "sender":
				require.NoError(t, from.Close())
			case "receiver":
				require.NoError(t, to.Close())
			case "sender's network":
				require.NoError(t, n1.Close())
			case "receiver's network":
				require.NoError(t, n2.Close())
			}
			deadline := time.After(soon)
			for done != nil || taken != nil {
				select {
				case err := <-done:
					require.Error(t, err)
					done = nil
				case <-taken:
					taken = nil
				case <-deadline:
					require.FailNow(t, "it goes on")
				}
			}
		})
	}
}

// noise is an evaluator that writes rows which cannot be compressed.
func noise(tx *store.Tx, op any) (any, error) {
	row := item{Number: op.(add).number, Padding: make([]byte, 256<<10)}
	rand.Read(row.Padding)
	items.Put(tx, &row)
	return nil, nil
}

// A leader that waits for a member to have taken a snapshot does not wait any more when
// it is to stop.
func TestALeaderStopsInTheMiddleOfASnapshot(t *testing.T) {
	s := newSite(t)
	y := &toy{}
	config := y.config(t.TempDir())
	config.Evaluate, config.LogEntries = noise, 4
	config.Transport = s.network("n1").Transport(1, "n1")
	g, err := Open(config)
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Ready(t.Context()))
	for i := range 20 {
		submit(t, g, add{number: uint64(i)})
	}
	eventually(t, func() bool { return g.Status().LogFirst > 5 })

	other := s.network("n2").Transport(1, "n2")
	defer other.Close()
	require.NoError(t, g.raft.AddNonvoter("n2", "n2", 0, 0).Error())
	eventually(t, func() bool {
		rpc := <-other.Consumer()
		if _, ok := rpc.Command.(*raft.InstallSnapshotRequest); ok {
			go io.Copy(io.Discard, rpc.Reader)
			return true // and not answered
		}
		rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: raft.RPCHeader{ProtocolVersion: 3}}, nil)
		return false
	})
	closed := make(chan error)
	go func() { closed <- g.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(soon):
		require.Fail(t, "the leader waits")
	}
}

// connPair are both ends of a connection of a group.
func connPair(t *testing.T) (here *streamConn, there net.Conn) {
	a, b := net.Pipe()
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return &streamConn{Conn: a}, b
}

// Who sends may be silent between messages, but not in the middle of one: a snapshot
// that does not go on would keep Raft's main loop from anything else.
func TestMessagesThatDoNotGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := connPair(t)
		here.accepted = true
		part := make([]byte, 10)
		go func() {
			time.Sleep(100 * messageTime)
			there.Write([]byte("a message"))
		}()
		n, err := here.Read(part)
		require.NoError(t, err)
		require.Equal(t, "a message", string(part[:n]))

		go func() {
			time.Sleep(messageTime - time.Second)
			there.Write([]byte("goes on"))
		}()
		_, err = here.Read(part)
		require.NoError(t, err)

		go there.Read(make([]byte, 10))
		_, err = here.Write([]byte("answer"))
		require.NoError(t, err)
		go func() {
			time.Sleep(100 * messageTime)
			there.Write([]byte("another"))
		}()
		_, err = here.Read(part)
		require.NoError(t, err, "a new one takes its time")

		began := time.Now()
		_, err = here.Read(part)
		require.ErrorContains(t, err, "timeout")
		require.Equal(t, messageTime, time.Since(began))
	})
}

// A snapshot that nobody takes is given up, though it may take hours if somebody does.
func TestMessagesThatNobodyTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := connPair(t)
		require.NoError(t, here.SetDeadline(time.Now().Add(time.Hour)))
		go there.Read(make([]byte, 10))
		_, err := here.Write([]byte("one"))
		require.NoError(t, err)
		began := time.Now()
		_, err = here.Write([]byte("two"))
		require.ErrorContains(t, err, "timeout")
		require.Equal(t, messageTime, time.Since(began))
	})
}
