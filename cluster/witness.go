package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// RaftTransport is what a group needs of its transport.
type RaftTransport interface {
	raft.Transport
	raft.WithPreVote
	raft.WithClose
}

// witness is a transport that remembers when other members were last sent something
// that they took from the leader of a term.
//
// Raft's own VerifyLeader counts every answer that comes after it was asked, also to a
// message that was sent before. A leader that was stopped for a while finds such answers
// when it goes on, of members that have another leader by then.
type witness struct {
	RaftTransport

	mu      sync.Mutex
	taken   map[raft.ServerID]taking
	changed chan struct{} // closed when there is more
}

// taking is a message that a member took.
type taking struct {
	term uint64
	sent time.Time // or a little before
}

func newWitness(t RaftTransport) *witness {
	return &witness{RaftTransport: t, taken: map[raft.ServerID]taking{}, changed: make(chan struct{})}
}

// AppendEntries sends a message, for instance a heartbeat.
func (w *witness) AppendEntries(id raft.ServerID, to raft.ServerAddress, args *raft.AppendEntriesRequest, answer *raft.AppendEntriesResponse) error {
	sent := time.Now()
	err := w.RaftTransport.AppendEntries(id, to, args, answer)
	if err == nil && answer.Success {
		w.note(id, taking{args.Term, sent})
	}
	return err
}

func (w *witness) note(id raft.ServerID, t taking) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last := w.taken[id]; t.term < last.term || t.term == last.term && t.sent.Before(last.sent) {
		return
	}
	w.taken[id] = t
	close(w.changed)
	w.changed = make(chan struct{})
}

// since reports whether enough of the voters took something from the leader of a term
// that was sent at a time or later. The leader, self, need not be told. If not, changed
// is closed when there is news.
func (w *witness) since(term uint64, at time.Time, self raft.ServerID, voters []raft.ServerID) (enough bool, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, id := range voters {
		if t := w.taken[id]; id == self || t.term == term && !t.sent.Before(at) {
			n++
		}
	}
	return n > len(voters)/2, w.changed
}

// verifyAgain is how long the answers to the heartbeats that one verification caused are
// waited for until another causes more.
const verifyAgain = 100 * time.Millisecond

// verify makes sure that this node led the group at some time since it was asked.
func (g *Group) verify() error {
	asked := time.Now()
	for {
		if err := g.await(g.raft.VerifyLeader); err != nil {
			return err
		}
		if g.witnessed(asked) {
			return nil
		}
	}
}

// witnessed waits a while until enough members took something that was sent after a
// time.
func (g *Group) witnessed(asked time.Time) bool {
	ctx, cancel := context.WithTimeout(g.ctx, verifyAgain)
	defer cancel()
	for {
		enough, changed := g.witness.since(g.raft.CurrentTerm(), asked, raft.ServerID(g.config.Node), g.voters())
		if enough {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (g *Group) voters() (ids []raft.ServerID) {
	for _, s := range g.raft.GetConfiguration().Configuration().Servers {
		if s.Suffrage == raft.Voter {
			ids = append(ids, s.ID)
		}
	}
	return ids
}
