package cluster

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Directory knows where nodes are.
type Directory interface {
	// Address is where a node listens for others, host:port.
	Address(node string) (string, error)
	// Superseded reports whether a node whose certificate was issued at a time is not
	// a member any more, because it was removed or another has taken its name.
	Superseded(node string, issued time.Time) bool
}

// Network is a node's end of all that nodes say to each other: one port, on which
// TLS tells by its protocol what a connection is for.
type Network struct {
	identity  *Identity
	directory Directory
	errors    ErrorCodec
	log       *slog.Logger
	listener  net.Listener
	server    *http.Server
	joins     *http.Server
	calls     handlers
	client    *http.Client
	admit     atomic.Pointer[func(ctx context.Context, body []byte) ([]byte, error)]

	complained atomic.Int64 // when refused said something

	mu         sync.Mutex
	transports map[int]*Transport
	open       map[net.Conn]struct{} // every connection that was taken or made
	closed     bool

	ctx     context.Context // of every connection
	stop    context.CancelFunc
	running sync.WaitGroup
}

// Times of connections between nodes.
const (
	dialTime      = 2 * time.Second
	handshakeTime = 2 * time.Second
)

// NewNetwork serves other nodes from a listener, which it closes.
func NewNetwork(l net.Listener, id *Identity, d Directory, codec ErrorCodec, log *slog.Logger) *Network {
	n := &Network{
		identity: id, directory: d, errors: codec, log: log, listener: l,
		transports: map[int]*Transport{}, open: map[net.Conn]struct{}{},
	}
	n.ctx, n.stop = context.WithCancel(context.Background())
	calls, joins := newQueue(l.Addr()), newQueue(l.Addr())
	n.client, n.server, n.joins = n.callClient(), n.callServer(), n.joinServer()
	n.running.Go(func() { n.server.Serve(calls) })
	n.running.Go(func() { n.joins.Serve(joins) })
	n.running.Go(func() { n.accept(calls, joins) })
	return n
}

// accept takes connections until the listener is closed.
func (n *Network) accept(calls, joins *queue) {
	config := n.serverConfig()
	for {
		conn, err := n.listener.Accept()
		if err != nil {
			if n.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			n.log.Warn("connection of another node was not taken", "err", err)
			select {
			case <-time.After(10 * time.Millisecond): // out of files, for instance
			case <-n.ctx.Done():
				return
			}
			continue
		}
		n.running.Go(func() { n.receive(tls.Server(n.track(conn), config), calls, joins) })
	}
}

// receive finds out what a connection is for.
func (n *Network) receive(conn *tls.Conn, calls, joins *queue) {
	ctx, cancel := context.WithTimeout(n.ctx, handshakeTime)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		n.log.Debug("connection was refused", "from", conn.RemoteAddr(), "err", err)
		conn.Close()
		return
	}
	switch conn.ConnectionState().NegotiatedProtocol {
	case protocolCalls:
		calls.put(conn)
	case protocolJoin:
		joins.put(conn)
	case protocolRaft:
		n.receiveRaft(conn)
	default:
		conn.Close()
	}
}

// receiveRaft hands a connection to the group that it names.
func (n *Network) receiveRaft(conn *tls.Conn) {
	conn.SetReadDeadline(time.Now().Add(handshakeTime))
	var group [2]byte
	if _, err := io.ReadFull(conn, group[:]); err != nil {
		conn.Close()
		return
	}
	conn.SetReadDeadline(time.Time{})
	n.mu.Lock()
	t := n.transports[int(binary.BigEndian.Uint16(group[:]))]
	n.mu.Unlock()
	if t == nil {
		conn.Close() // who dialled hears of it
		return
	}
	t.stream.put(conn)
}

// dial connects to a node.
func (n *Network) dial(ctx context.Context, node, protocol string) (net.Conn, error) {
	address, err := n.directory.Address(node)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(n.track(raw), n.clientConfig(node, protocol))
	if err := conn.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to node %s at %s: %w", node, address, err)
	}
	return conn, nil
}

// tracked is a connection that the network can cut.
type tracked struct {
	net.Conn
	network *Network
}

// track notes a connection, or closes it if the network is closed.
func (n *Network) track(conn net.Conn) net.Conn {
	t := &tracked{conn, n}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		conn.Close()
	} else {
		n.open[t] = struct{}{}
	}
	return t
}

// Close closes the connection.
func (t *tracked) Close() error {
	t.network.mu.Lock()
	delete(t.network.open, t)
	t.network.mu.Unlock()
	return t.Conn.Close()
}

// Address is where the network listens.
func (n *Network) Address() string { return n.listener.Addr().String() }

// Close ends every connection, whatever it is in the middle of, and waits until all
// that ran because of them has ended.
func (n *Network) Close() error {
	n.stop()
	err := n.listener.Close()
	n.mu.Lock()
	n.closed = true
	open := n.open
	n.open = map[net.Conn]struct{}{}
	n.mu.Unlock()
	for conn := range open {
		conn.(*tracked).Conn.Close()
	}
	n.client.CloseIdleConnections()
	err = errors.Join(err, n.server.Close(), n.joins.Close())
	n.running.Wait()
	return err
}

// queue is a listener whose connections another one has taken.
type queue struct {
	address net.Addr
	conns   chan net.Conn
	once    sync.Once
	done    chan struct{}
}

func newQueue(address net.Addr) *queue {
	return &queue{address: address, conns: make(chan net.Conn), done: make(chan struct{})}
}

// put hands over a connection, or closes it if nobody takes any more.
func (q *queue) put(conn net.Conn) {
	select {
	case q.conns <- conn:
	case <-q.done:
		conn.Close()
	}
}

// Accept waits for the next connection.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case conn := <-q.conns:
		return conn, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr is the address of the listener that takes the connections.
func (q *queue) Addr() net.Addr { return q.address }
