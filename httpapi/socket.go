package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fasthttp/websocket"

	"prefectd/prefect"
)

// socket is an open websocket, as a channel's handler sees it. Credentials have
// been checked; the server's own pings and the client's pongs are seen to.
//
// A handler runs in one goroutine and returns when the conversation is over:
//
//   - nil closes the websocket as normal,
//   - closing(code, reason) tells the client why,
//   - an error of receive or send, returned as it is, does what is right: it
//     answers a client that said goodbye, tells one that the server is stopping,
//     and leaves alone a connection that broke,
//   - an *ops.Error tells the client its detail,
//   - any other error is logged, and the client told no more than that there was one.
//
// A handler that listens calls receive in a loop. Frames come in the order in
// which they were sent, pings among them: the pong goes out only when receive has
// come to the ping, so after everything before it was handed to the handler. If
// that is not enough, because the handler has not stored everything yet, it sets
// beforePong. The client's goodbye waits its turn in the same way, and is answered
// when the handler returns.
//
// A handler that only speaks calls ignore first, so that the client's pings are
// answered and its leaving is noticed, and selects on gone beside its own source.
//
// What must be finished even though the client left (storing what it sent) uses
// ctx, which lasts until the server gives up waiting.
type socket struct {
	ctx     context.Context // for operations; survives the client
	gone    <-chan struct{} // closed when the client has left, or the server is stopping
	backend Backend
	config  *Config
	log     *slog.Logger

	// beforePong, if set, runs before a ping is answered; no pong is sent, and
	// receive fails, when it fails.
	beforePong func() error

	conn     *websocket.Conn
	values   map[string]string // of the path
	incoming chan frame        // closed when there is nothing more to read
	readErr  error             // why; valid when incoming is closed
	finished chan struct{}     // closed when the handler returned
	stopping chan struct{}     // closed when the server is stopping
	stop     func()            // closes stopping and gone, once
	leave    func()            // closes gone, once

	sending sync.Mutex // one message at a time
	closing sync.Mutex // guards the read deadline
	ended   bool       // no deadline beyond that of the goodbye any more
	others  sync.WaitGroup
}

// frame is what a client sent: a message, or a ping.
type frame struct {
	ping bool
	data []byte
}

const (
	maxMessage  = 16 << 20        // bytes
	readAhead   = 16              // frames that wait for the handler
	goodbyeTime = 2 * time.Second // how long the client has to answer a close frame
)

// errBroken is an error of a connection on which nothing can be said any more.
var errBroken = errors.New("connection is broken")

func newSocket(s *Server, conn *websocket.Conn, values map[string]string, log *slog.Logger) *socket {
	gone, stopping := make(chan struct{}), make(chan struct{})
	leave := sync.OnceFunc(func() { close(gone) })
	sock := &socket{
		ctx: s.base, gone: gone, backend: s.backend, config: &s.config, log: log,
		conn: conn, values: values,
		incoming: make(chan frame, readAhead), finished: make(chan struct{}),
		stopping: stopping, leave: leave, stop: sync.OnceFunc(func() { close(stopping); leave() }),
	}
	conn.SetReadLimit(maxMessage)
	conn.SetPingHandler(func(data string) error {
		sock.queue(frame{ping: true, data: []byte(data)})
		return nil
	})
	conn.SetPongHandler(func(string) error {
		sock.extend()
		return nil
	})
	conn.SetCloseHandler(func(int, string) error { return nil }) // answered when the handler is done
	return sock
}

// param is a value in the path, decoded.
func (s *socket) param(name string) string { return s.values[name] }

// id is a value in the path that is a UUID.
func (s *socket) id(name string) prefect.ID {
	id, _ := parseID(s.values[name]) // the channel would not have matched otherwise
	return id
}

// receive waits for the next message. Its error says that there will be none, and
// is best returned from the handler.
func (s *socket) receive() ([]byte, error) {
	for {
		select {
		case <-s.stopping:
			return nil, errStopping
		default: // stopping comes before what is waiting
		}
		select {
		case <-s.stopping:
			return nil, errStopping
		case <-s.finished:
			return nil, errBroken
		case f, ok := <-s.incoming:
			switch {
			case !ok:
				return nil, s.readErr
			case !f.ping:
				return f.data, nil
			}
			if err := s.pong(f.data); err != nil {
				return nil, err
			}
		}
	}
}

// pong answers a ping when the handler is ready for it.
func (s *socket) pong(data []byte) error {
	if s.beforePong != nil {
		if err := s.beforePong(); err != nil {
			return err
		}
	}
	return s.control(websocket.PongMessage, data)
}

// ignore drops what the client sends from now on, but for its pings. receive may
// not be called any more.
func (s *socket) ignore() {
	s.others.Go(func() {
		for {
			if _, err := s.receive(); err != nil {
				return
			}
		}
	})
}

// send sends v as JSON. It may be called from several goroutines.
func (s *socket) send(v any) error {
	body, err := prefect.Marshal(v)
	if err != nil {
		return err
	}
	return s.sendText(body)
}

// sendText sends one message that is JSON already.
func (s *socket) sendText(body []byte) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.conn.SetWriteDeadline(time.Now().Add(s.config.PingTimeout)) // only kept in memory
	return broken(s.conn.WriteMessage(websocket.TextMessage, body))
}

func (s *socket) control(kind int, data []byte) error {
	return broken(s.conn.WriteControl(kind, data, time.Now().Add(s.config.PingTimeout)))
}

func broken(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return nil
}

// read takes in frames until the connection has no more.
func (s *socket) read() {
	defer s.leave()
	defer close(s.incoming)
	var buf bytes.Buffer // saves growing each message from nothing
	for {
		s.extend()
		_, r, err := s.conn.NextReader()
		if err == nil {
			buf.Reset()
			_, err = buf.ReadFrom(r)
		}
		if err != nil {
			s.readErr = readError(err)
			return
		}
		s.queue(frame{data: bytes.Clone(buf.Bytes())})
	}
}

// readError tells a client's goodbye and its silence from a connection that broke.
func readError(err error) error {
	var left *websocket.CloseError
	var slow interface{ Timeout() bool }
	switch {
	case errors.As(err, &left) && left.Code != websocket.CloseAbnormalClosure:
		if left.Code == websocket.CloseNoStatusReceived {
			left.Code = websocket.CloseNormalClosure // a frame cannot hold the other
		}
		return left
	case errors.As(err, &slow) && slow.Timeout():
		return closing(closeInternal, "keepalive ping timeout")
	}
	return broken(err)
}

// queue hands a frame to the handler, or drops it when that has returned.
func (s *socket) queue(f frame) {
	select {
	case s.incoming <- f:
	case <-s.finished:
	}
}

// keepAlive pings the client until the handler is done.
func (s *socket) keepAlive() {
	ticker := time.NewTicker(s.config.PingInterval)
	defer ticker.Stop()
	for n := byte(0); ; n++ {
		select {
		case <-s.finished:
			return
		case <-ticker.C:
			if s.control(websocket.PingMessage, []byte{'p', 'i', 'n', n}) != nil {
				return // the reader sees it too
			}
		}
	}
}

// extend gives the client time until the pong after the next one.
func (s *socket) extend() {
	s.closing.Lock()
	defer s.closing.Unlock()
	if !s.ended {
		s.conn.SetReadDeadline(time.Now().Add(s.config.PingInterval + s.config.PingTimeout))
	}
}

// finish leaves the client only the time for a goodbye.
func (s *socket) finish() {
	close(s.finished)
	s.leave()
	s.others.Wait()
	s.closing.Lock()
	defer s.closing.Unlock()
	if !s.ended {
		s.ended = true
		s.conn.SetReadDeadline(time.Now().Add(goodbyeTime))
	}
}

// cut breaks the connection.
func (s *socket) cut() {
	s.closing.Lock()
	defer s.closing.Unlock()
	s.ended = true
	s.conn.NetConn().SetDeadline(time.Now())
}
