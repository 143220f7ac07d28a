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
	client    *http.Transport
	joining   atomic.Pointer[answerFunc]
	seeded    atomic.Pointer[seeded]

	complaints complaints

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

// welcome is what a node says first on a connection. Who dials waits for it, because
// with TLS 1.3 it is done before the other end has looked at its certificate, and before
// that end knows the group that it asks for: what it sent would be of unknown outcome.
const welcome = 'w'

// receive finds out what a connection is for.
func (n *Network) receive(conn *tls.Conn, calls, joins *queue) {
	to, err := n.admit(conn, calls, joins)
	if err != nil {
		n.turnedAway(conn, err)
		conn.Close()
		return
	}
	to.put(conn)
}

// admit looks at who connects, and what for.
func (n *Network) admit(conn *tls.Conn, calls, joins *queue) (to *queue, err error) {
	ctx, cancel := context.WithTimeout(n.ctx, handshakeTime)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	switch conn.ConnectionState().NegotiatedProtocol {
	case protocolJoin:
		return joins, conn.SetDeadline(time.Time{})
	case protocolCalls:
		to = calls
	case protocolRaft:
		if to, err = n.groupOf(conn); err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("it does not say what it is for")
	}
	if _, err := conn.Write([]byte{welcome}); err != nil {
		return nil, err
	}
	return to, conn.SetDeadline(time.Time{})
}

var errNotHeld = errors.New("is not held here")

// groupOf is where the connections of the group go that one asks for.
func (n *Network) groupOf(conn *tls.Conn) (*queue, error) {
	var number [2]byte
	if _, err := io.ReadFull(conn, number[:]); err != nil {
		return nil, err
	}
	group := int(binary.BigEndian.Uint16(number[:]))
	n.mu.Lock()
	defer n.mu.Unlock()
	if t := n.transports[group]; t != nil {
		return t.stream.queue, nil
	}
	return nil, fmt.Errorf("group %d %w", group, errNotHeld)
}

// dial connects to a node. Hello is what is said to it before it admits this one.
func (n *Network) dial(ctx context.Context, node, protocol string, hello ...byte) (*tls.Conn, error) {
	address, err := n.directory.Address(node)
	if err != nil {
		return nil, err
	}
	patient, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	conn, err := n.connect(patient, address, n.clientConfig(node, protocol), hello)
	if err == nil {
		return conn, nil
	}
	switch {
	case n.ctx.Err() != nil:
		return nil, ErrClosed
	case isAlert(err, "certificate"):
		n.refused(node)
	case patient.Err() != nil && ctx.Err() == nil: // it is not the caller whose time is over
		err = fmt.Errorf("no answer within %v", dialTime)
	}
	return nil, fmt.Errorf("connect to node %s at %s: %w", node, address, err)
}

func (n *Network) connect(ctx context.Context, address string, config *tls.Config, hello []byte) (*tls.Conn, error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(n.track(raw), config)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	if err = conn.HandshakeContext(ctx); err == nil {
		err = introduce(conn, hello)
	}
	if !stop() {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// introduce waits to be welcome.
func introduce(conn net.Conn, hello []byte) error {
	if len(hello) > 0 {
		if _, err := conn.Write(hello); err != nil {
			return err
		}
	}
	var answer [1]byte
	switch _, err := io.ReadFull(conn, answer[:]); {
	case errors.Is(err, io.EOF):
		return errors.New("it closes the connection: it may be starting, or not hold the group")
	case err != nil:
		return err
	case answer[0] != welcome:
		return errors.New("it does not answer as a node does")
	}
	return nil
}

// tracked is a connection that the network can cut.
type tracked struct {
	net.Conn
	network *Network
}

// awaited is a handler that Close waits for.
func (n *Network) awaited(handle http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !n.begin() {
			panic(http.ErrAbortHandler)
		}
		defer n.running.Done()
		handle(w, r)
	})
}

// begin notes that something runs, until running is told, unless the network is closed.
func (n *Network) begin() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.running.Add(1)
	return true
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
