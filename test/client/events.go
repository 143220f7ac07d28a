package client

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
)

// Checkpoint is after how many events the stock client pings and waits for the
// pong: what it sent before is then the server's.
const Checkpoint = 700

// EventSocket sends events over /events/in. One goroutine may use it at a time.
type EventSocket struct {
	conn     *websocket.Conn
	patience time.Duration // for writing a frame
	ended    chan struct{} // closed when nothing more can be read

	mu    sync.Mutex
	pings int
	pong  map[string]chan struct{}
	err   error
}

// OpenEvents connects to /events/in: a ping, then the authentication message
// that the server must answer.
func (c *Client) OpenEvents(ctx context.Context) (*EventSocket, error) {
	conn, err := c.dial(ctx, "/events/in")
	if err != nil {
		return nil, err
	}
	s := &EventSocket{conn: conn, patience: c.nodes[0].patience(), ended: make(chan struct{}), pong: map[string]chan struct{}{}}
	conn.SetPongHandler(s.answered)
	go s.read()
	if err := s.Checkpoint(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// OpenStream connects to one of the websockets that send, such as /events/out,
// and asks for what the message says after the authentication.
func (c *Client) OpenStream(ctx context.Context, path string, ask any) (*websocket.Conn, error) {
	conn, err := c.dial(ctx, path)
	if err != nil || ask == nil {
		return conn, err
	}
	if err := conn.WriteJSON(ask); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// dial opens a websocket, on the next node if one does not let it.
func (c *Client) dial(ctx context.Context, path string) (conn *websocket.Conn, err error) {
	for range c.nodes {
		at := c.at.Load()
		if conn, err = c.nodes[at%uint32(len(c.nodes))].dial(ctx, path); err == nil {
			return conn, nil
		}
		c.at.CompareAndSwap(at, at+1)
	}
	return nil, err
}

// dial opens a websocket and authenticates.
func (n *node) dial(ctx context.Context, path string) (*websocket.Conn, error) {
	dialer := websocket.Dialer{Subprotocols: []string{"prefect"}, EnableCompression: true, HandshakeTimeout: n.patience()}
	conn, _, err := dialer.DialContext(ctx, strings.Replace(n.base, "http", "ws", 1)+path, http.Header{"User-Agent": {userAgent}})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	var answer struct {
		Type string `json:"type"`
	}
	conn.SetReadDeadline(time.Now().Add(n.patience()))
	if err = conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"auth","token":null}`)); err == nil {
		err = conn.ReadJSON(&answer)
	}
	conn.SetReadDeadline(time.Time{})
	if err == nil && answer.Type != "auth_success" {
		err = fmt.Errorf("the answer to auth is %q", answer.Type)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return conn, nil
}

// patience is how long a server may take to open a websocket or take a frame.
func (n *node) patience() time.Duration { return min(20*time.Second, n.http.ReadTimeout) }

// read takes what the server sends until the connection ends: control frames are
// handled on the way.
func (s *EventSocket) read() {
	defer close(s.ended)
	for {
		if _, _, err := s.conn.ReadMessage(); err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
			return
		}
	}
}

func (s *EventSocket) answered(payload string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.pong[payload]; c != nil {
		close(c)
		delete(s.pong, payload)
	}
	return nil
}

// Send sends an event.
func (s *EventSocket) Send(event []byte) error {
	s.conn.SetWriteDeadline(time.Now().Add(s.patience))
	return s.conn.WriteMessage(websocket.TextMessage, event)
}

// Checkpoint pings and returns when the pong came: everything sent before is
// then stored.
func (s *EventSocket) Checkpoint(ctx context.Context) error {
	s.mu.Lock()
	s.pings++
	payload := strconv.Itoa(s.pings)
	pong := make(chan struct{})
	s.pong[payload] = pong
	s.mu.Unlock()
	if err := s.conn.WriteControl(websocket.PingMessage, []byte(payload), time.Now().Add(s.patience)); err != nil {
		return err
	}
	select {
	case <-pong:
		return nil
	case <-s.ended:
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Errorf("the websocket ended before the pong: %w", s.err)
	case <-ctx.Done():
		return fmt.Errorf("no pong: %w", ctx.Err())
	}
}

// Close ends the connection and waits for its reader.
func (s *EventSocket) Close() {
	s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	s.conn.Close()
	<-s.ended
}

// Event is what is read of an event.
type Event struct {
	ID    string `json:"id"`
	Event string `json:"event"`
}

// EventsOf reads the newest events about a resource, at most 50, and how many
// there are.
func (c *Client) EventsOf(ctx context.Context, resource string) (events []Event, total int, err error) {
	var page struct {
		Events []Event `json:"events"`
		Total  int     `json:"total"`
	}
	err = c.Call(ctx, http.MethodPost, "/events/filter", map[string]any{
		"filter": map[string]any{
			"occurred": map[string]any{"since": Stamp(time.Now().Add(-24 * time.Hour)), "until": Stamp(time.Now().Add(time.Hour))},
			"resource": map[string]any{"id": []string{resource}},
		},
		"limit": 50,
	}, &page)
	return page.Events, page.Total, err
}
