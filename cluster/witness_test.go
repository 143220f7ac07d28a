package cluster

import (
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// lateTransport can keep the answers of other members back, as if this one had been
// stopped: it finds them when it goes on.
type lateTransport struct {
	*raft.InmemTransport

	mu   sync.Mutex
	gate chan struct{} // nil: nothing is kept
	kept map[raft.ServerID]bool
}

func (l *lateTransport) AppendEntries(id raft.ServerID, to raft.ServerAddress, args *raft.AppendEntriesRequest, answer *raft.AppendEntriesResponse) error {
	err := l.InmemTransport.AppendEntries(id, to, args, answer)
	l.mu.Lock()
	gate := l.gate
	if gate != nil && err == nil {
		l.kept[id] = true
	}
	l.mu.Unlock()
	if gate != nil && err == nil {
		<-gate
	}
	return err
}

// keep has answers kept from now on, and answers how to let them go.
func (l *lateTransport) keep() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gate, l.kept = make(chan struct{}), map[raft.ServerID]bool{}
	gate := l.gate
	return sync.OnceFunc(func() {
		l.mu.Lock()
		l.gate = nil
		l.mu.Unlock()
		close(gate)
	})
}

func (l *lateTransport) keeps() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.kept)
}

// Answers to what was sent before somebody asked say nothing about whether this member
// leads now: others may have elected another leader since.
func TestOldAnswersDoNotConfirmALeader(t *testing.T) {
	transports := map[*raft.InmemTransport]*lateTransport{}
	ms := newMembersOn(t, 3, func(inner *raft.InmemTransport) RaftTransport {
		transports[inner] = &lateTransport{InmemTransport: inner}
		return transports[inner]
	}, func(c *Config) { c.Heartbeat = 2 * time.Second }) // it does not step down before the end
	leader := ms.leader()
	submit(t, leader.Group, add{number: 1})
	require.NoError(t, leader.confirm(t.Context()))

	transport := transports[leader.transport]
	release := transport.keep()
	defer release()
	eventually(t, func() bool { return transport.keeps() == 2 })
	ms.isolate(leader) // what comes now are answers to messages that were sent before
	confirmed := make(chan error, 1)
	go func() { confirmed <- leader.confirm(t.Context()) }()
	begun := leader.raft.VerifyLeader() // Raft takes it after the other, as a rule
	time.Sleep(20 * time.Millisecond)
	release()
	require.NoError(t, begun.Error(), "Raft believes them")
	require.ErrorIs(t, <-confirmed, ErrNoLeader)
}

func TestWitness(t *testing.T) {
	w := newWitness(nil)
	start := time.Now()
	later := start.Add(time.Second)
	voters := []raft.ServerID{"a", "b", "c"}
	enough := func(term uint64, at time.Time) bool {
		ok, _ := w.since(term, at, "a", voters)
		return ok
	}
	_, changed := w.since(2, start, "a", voters)
	require.False(t, enough(2, start))
	w.note("x", taking{2, later})
	require.False(t, enough(2, start), "it has no vote")
	w.note("b", taking{2, start})
	<-changed
	require.True(t, enough(2, start))
	require.False(t, enough(2, later))
	require.False(t, enough(3, start), "of another term")
	w.note("b", taking{2, start.Add(-time.Second)})
	require.True(t, enough(2, start), "an older one takes nothing back")
	w.note("b", taking{3, start})
	require.False(t, enough(2, start), "it has another leader")
	ok, _ := w.since(1, start, "a", voters[:1])
	require.True(t, ok)
}
