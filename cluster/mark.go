package cluster

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/hashicorp/raft"

	"prefectd/store"
)

// Mark is how far a group's state has come on its leader.
type Mark struct {
	Index uint64 // the last entry that was applied
	Of    uint64 // the term that entry is of
	Term  uint64 // the leader's
}

// Encode is the mark as bytes, for DecodeMark.
func (m Mark) Encode() []byte {
	b := binary.AppendUvarint(nil, m.Index)
	b = binary.AppendUvarint(b, m.Of)
	return binary.AppendUvarint(b, m.Term)
}

// DecodeMark reads a mark.
func DecodeMark(data []byte) (m Mark, err error) {
	for _, v := range []*uint64{&m.Index, &m.Of, &m.Term} {
		n := 0
		if *v, n = binary.Uvarint(data); n <= 0 {
			return Mark{}, errors.New("the mark of a group is damaged")
		}
		data = data[n:]
	}
	return m, nil
}

// ReadMark gives the mark that a replica has to have come to, to show every write that
// was answered before. Only the leader can say.
func (g *Group) ReadMark(ctx context.Context) (Mark, error) {
	index, err := g.ReadIndex(ctx)
	if err != nil {
		return Mark{}, err
	}
	if err := g.fsm.WaitApplied(ctx, index); err != nil {
		return Mark{}, err
	}
	return g.Mark()
}

// Mark is how far the group is, as its leader says it; another member does not know.
func (g *Group) Mark() (m Mark, err error) {
	m.Term = g.raft.CurrentTerm()
	m.Index, m.Of = g.fsm.Point()
	if g.raft.State() != raft.Leader || g.raft.CurrentTerm() != m.Term {
		return Mark{}, g.unavailable()
	}
	return m, nil
}

// ViewAt runs fn on this node's state once it has come to a mark of the leader's.
func (g *Group) ViewAt(ctx context.Context, leader string, m Mark, fn func(*store.Tx) error) error {
	g.CatchUp(leader, m)
	if err := g.fsm.WaitApplied(ctx, m.Index); err != nil {
		return err
	}
	return g.db.View(fn)
}

// CatchUp has this replica apply what it has in its log up to a mark. Raft's leaders
// tell how much is committed only with their next message, which may be a quarter of a
// second later; this is that message, as the leader would send it: without entries, and
// with the entry before, so that Raft checks that the logs agree up to there.
func (g *Group) CatchUp(leader string, m Mark) {
	t, ok := g.config.Transport.(*Transport)
	if !ok || m.Of == 0 || g.fsm.Applied() >= m.Index || g.raft.LastIndex() < m.Index || g.raft.CurrentTerm() != m.Term {
		return
	}
	t.deliver(raft.RPC{
		Command: &raft.AppendEntriesRequest{
			RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(leader), Addr: []byte(leader)},
			Term:      m.Term, PrevLogEntry: m.Index, PrevLogTerm: m.Of, LeaderCommitIndex: m.Index,
		},
		RespChan: make(chan raft.RPCResponse, 1),
	})
}
