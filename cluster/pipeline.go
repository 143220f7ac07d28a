package cluster

import (
	"time"

	"github.com/hashicorp/raft"
)

// AppendEntriesPipeline begins to send entries to a member without waiting for each answer.
func (t *Transport) AppendEntriesPipeline(id raft.ServerID, to raft.ServerAddress) (raft.AppendPipeline, error) {
	p, err := t.NetworkTransport.AppendEntriesPipeline(id, to)
	if err != nil {
		return nil, err
	}
	return &pipeline{p}, nil
}

// pipeline is one that ends when nobody takes its answers. Raft has one goroutine to send
// and one to take answers; when the latter ends, because the member refused something,
// the library has the former wait for ever: the member would get no entries any more, and
// the group could not be closed.
type pipeline struct{ raft.AppendPipeline }

// stuckTime is how long an answer to earlier entries is waited for until the pipeline is
// given up and entries are sent one message after the other.
const stuckTime = 2 * time.Second

// AppendEntries sends entries as soon as there is room.
func (p *pipeline) AppendEntries(args *raft.AppendEntriesRequest, answer *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	guard := time.AfterFunc(stuckTime, func() { p.AppendPipeline.Close() })
	defer guard.Stop()
	return p.AppendPipeline.AppendEntries(args, answer)
}
