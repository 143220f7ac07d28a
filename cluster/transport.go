package cluster

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// Transport carries one group's Raft messages. Members are addressed by their names.
//
// It guards Raft's fast path for heartbeats, which is answered beside the main loop: a
// heartbeat of a term that this member does not know changes its term there, and a
// vote that the main loop is about to grant may then be of the wrong term (hashicorp/raft
// issue 695). Only heartbeats of a term that this member follows take the fast path, which
// change no term; the others go through the main loop like any message. Without a fast
// path at all they would wait behind writes to the disk, and slow disks would cause elections.
type Transport struct {
	*raft.NetworkTransport
	network *Network
	group   int
	stream  *stream
	term    atomic.Pointer[func() uint64]
	rpcs    chan raft.RPC // all but the heartbeats that were answered
	pump    sync.WaitGroup
	done    chan struct{}
	closed  func() error // once
}

var (
	_ raft.Transport   = (*Transport)(nil)
	_ raft.WithPreVote = (*Transport)(nil)
	_ raft.WithClose   = (*Transport)(nil)
)

// How many connections to a member are kept, and how long a message or a part of a
// snapshot may take.
const (
	pooledConns = 3
	messageTime = 5 * time.Second
)

// Transport makes the transport of a group, which is to be closed before another one is
// made. Name is this node's.
func (n *Network) Transport(group int, name string) *Transport {
	s := &stream{queue: newQueue(nodeAddr(name)), network: n, group: group, conns: map[*streamConn]struct{}{}}
	t := &Transport{
		network: n, group: group, stream: s, rpcs: make(chan raft.RPC), done: make(chan struct{}),
		NetworkTransport: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
			Stream: s, MaxPool: pooledConns, Timeout: messageTime, Logger: raftLogger(n.log),
		}),
	}
	t.closed = sync.OnceValue(t.close)
	n.mu.Lock()
	n.transports[group] = t
	n.mu.Unlock()
	t.pump.Go(t.forward)
	return t
}

// nodeAddr is a node's name as an address.
type nodeAddr string

// Network is the kind of address.
func (nodeAddr) Network() string { return "node" }

// String is the name.
func (a nodeAddr) String() string { return string(a) }

// termed is a transport that has to know the term that its member follows.
type termed interface{ followTerm(followed func() uint64) }

// followTerm says where to look up that term.
func (t *Transport) followTerm(followed func() uint64) { t.term.Store(&followed) }

// forward takes messages from the network to Raft's main loop.
func (t *Transport) forward() {
	for {
		select {
		case rpc := <-t.NetworkTransport.Consumer():
			if !t.deliver(rpc) {
				return
			}
		case <-t.done:
			return
		}
	}
}

// deliver hands a message to the main loop, unless the transport is closed.
func (t *Transport) deliver(rpc raft.RPC) bool {
	select {
	case t.rpcs <- rpc:
		return true
	case <-t.done:
		return false
	}
}

// Consumer gives the messages for the main loop.
func (t *Transport) Consumer() <-chan raft.RPC { return t.rpcs }

// SetHeartbeatHandler takes the fast path; see Transport.
func (t *Transport) SetHeartbeatHandler(fast func(raft.RPC)) {
	if fast == nil {
		t.NetworkTransport.SetHeartbeatHandler(nil)
		return
	}
	t.NetworkTransport.SetHeartbeatHandler(func(rpc raft.RPC) { t.heartbeat(rpc, fast) })
}

func (t *Transport) heartbeat(rpc raft.RPC, fast func(raft.RPC)) {
	beat, ok := rpc.Command.(*raft.AppendEntriesRequest)
	if followed := t.term.Load(); ok && followed != nil && beat.Term <= (*followed)() {
		fast(rpc)
	} else {
		t.deliver(rpc)
	}
}

// Close ends the group's connections; the network stays open.
func (t *Transport) Close() error { return t.closed() }

func (t *Transport) close() error {
	t.network.mu.Lock()
	if t.network.transports[t.group] == t {
		delete(t.network.transports, t.group)
	}
	t.network.mu.Unlock()
	close(t.done)
	err := t.NetworkTransport.Close()
	t.stream.cut()
	t.pump.Wait()
	return err
}
