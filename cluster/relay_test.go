package cluster

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// relay stands between a node and the others, and can be held: then nothing passes, as
// from a process that is stopped or over a network that is cut, though connections stay
// and new ones are taken.
type relay struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu    sync.Mutex
	pass  *sync.Cond // held or closed has changed
	held  bool
	ended bool
	conns []net.Conn
}

// newRelay has what is sent to the relay's address arrive at another.
func newRelay(t *testing.T, to string) *relay {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{listener: l, to: to}
	r.pass = sync.NewCond(&r.mu)
	r.running.Go(r.accept)
	t.Cleanup(r.close)
	return r
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) accept() {
	for {
		from, err := r.listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", r.to)
		if err != nil {
			from.Close()
			continue
		}
		r.mu.Lock()
		if r.ended {
			from.Close()
			to.Close()
		}
		r.conns = append(r.conns, from, to)
		r.mu.Unlock()
		r.running.Go(func() { r.carry(from, to) })
		r.running.Go(func() { r.carry(to, from) })
	}
}

func (r *relay) carry(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	part := make([]byte, 64<<10)
	for {
		n, err := from.Read(part)
		r.mu.Lock()
		for r.held && !r.ended {
			r.pass.Wait()
		}
		r.mu.Unlock()
		if err != nil {
			return
		}
		if _, err := to.Write(part[:n]); err != nil {
			return
		}
	}
}

func (r *relay) hold(held bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = held
	r.pass.Broadcast()
}

func (r *relay) close() {
	r.listener.Close()
	r.mu.Lock()
	r.ended = true
	for _, conn := range r.conns {
		conn.Close()
	}
	r.pass.Broadcast()
	r.mu.Unlock()
	r.running.Wait()
}

// mute is an address where connections are taken and nothing is ever said.
func mute(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() }) // the system takes connections into the backlog
	return l.Addr().String()
}
