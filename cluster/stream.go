package cluster

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// stream makes and takes the connections of one group.
type stream struct {
	*queue
	network *Network
	group   int

	mu    sync.Mutex
	conns map[*streamConn]struct{}
	ended bool
}

var _ raft.StreamLayer = (*stream)(nil)

// Dial connects to a member.
func (s *stream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(s.network.ctx, timeout)
	defer cancel()
	group := binary.BigEndian.AppendUint16(nil, uint16(s.group))
	conn, err := s.network.dial(ctx, string(address), protocolRaft, group...)
	if err != nil {
		return nil, err
	}
	return s.own(&streamConn{Conn: conn, raw: conn.NetConn(), stream: s})
}

// Accept takes the next connection of a member.
func (s *stream) Accept() (net.Conn, error) {
	conn, err := s.queue.Accept()
	if err != nil {
		return nil, err
	}
	return s.own(&streamConn{Conn: conn, raw: conn.(*tls.Conn).NetConn(), stream: s, accepted: true})
}

func (s *stream) own(c *streamConn) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		c.raw.Close()
		return nil, io.ErrClosedPipe
	}
	s.conns[c] = struct{}{}
	return c, nil
}

// cut closes all connections, also one in the middle of a snapshot.
func (s *stream) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for c := range s.conns {
		c.raw.Close()
	}
	clear(s.conns)
}

// streamConn is a connection of a group, which ends with its transport. It gives up who
// is silent where something has to come: Raft sets a time for a message as a whole, which
// for a snapshot is hours, and none for one that comes.
type streamConn struct {
	net.Conn
	raw      net.Conn // without TLS, which before it closes tells the other end, who may not listen
	stream   *stream
	accepted bool // the other end asks
	amid     bool // part of a message was read, if the other end asks
}

// Read waits for the next message for as long as it takes, but not for the rest of one.
// What an accepted connection brings is read and answered in turn, never at once.
func (c *streamConn) Read(p []byte) (int, error) {
	if !c.accepted {
		return c.Conn.Read(p) // Raft has set a time for the answer
	}
	var end time.Time
	if c.amid {
		end = time.Now().Add(messageTime)
	}
	if err := c.SetReadDeadline(end); err != nil {
		return 0, err
	}
	c.amid = true
	return c.Conn.Read(p)
}

// Write sends a part of a message.
func (c *streamConn) Write(p []byte) (int, error) {
	if c.accepted {
		c.amid = false // it is the answer
	}
	if err := c.SetWriteDeadline(time.Now().Add(messageTime)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Close closes the connection.
func (c *streamConn) Close() error {
	c.stream.mu.Lock()
	delete(c.stream.conns, c)
	c.stream.mu.Unlock()
	return c.raw.Close()
}
