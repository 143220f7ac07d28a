package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/stretchr/testify/require"

	"prefectd/ops"
)

// open connects to a websocket; the answer tells why it did not come about.
func (s *served) open(path string, headers ...string) (*websocket.Conn, *http.Response, error) {
	dialer := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return s.dial() }}
	header := http.Header{}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		header.Add(name, value)
	}
	conn, resp, err := dialer.Dial("ws://prefect.test"+path, header)
	if err == nil {
		s.t.Cleanup(func() { conn.Close() })
	}
	return conn, resp, err
}

const offer = "Sec-WebSocket-Protocol: prefect"

// openLegacy connects without the subprotocol.
func (s *served) openLegacy(path string) *websocket.Conn {
	conn, _, err := s.open(path)
	require.NoError(s.t, err)
	return conn
}

// login connects and tells credentials.
func (s *served) login(path, first string) *websocket.Conn {
	conn, resp, err := s.open(path, offer)
	require.NoError(s.t, err)
	require.Equal(s.t, "prefect", resp.Header.Get("Sec-WebSocket-Protocol"))
	require.NoError(s.t, conn.WriteMessage(websocket.TextMessage, []byte(first)))
	return conn
}

// closed reads to the end and answers how the server closed.
func closed(t *testing.T, conn *websocket.Conn) *websocket.CloseError {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			var end *websocket.CloseError
			require.ErrorAs(t, err, &end)
			return end
		}
	}
}

// repeat answers what it gets.
func repeat(s *socket) error {
	for {
		message, err := s.receive()
		if err != nil {
			return err
		}
		if err := s.sendText(message); err != nil {
			return err
		}
	}
}

func TestHandshake(t *testing.T) {
	list := []channel{{Path: "/echo", Handle: repeat}, {Path: "/modern/{name}", Handle: repeat, Modern: true}}
	free := serveChannels(t, Config{}, list...)
	locked := serveChannels(t, Config{AuthString: "a:b"}, list...)
	for _, test := range []struct {
		server *served
		path   string
		offer  string
		status int
	}{
		{free, "/api/echo", "", 101},
		{free, "/api/echo", offer, 101},
		{free, "/api/echo", "Sec-WebSocket-Protocol: other", 101},
		{free, "/api/echo", "Sec-WebSocket-Protocol: other, prefect", 101},
		{free, "/api/modern/a%20b", "", 403},
		{free, "/api/modern/a%20b", offer, 101},
		{free, "/api/nope", offer, 403},
		{free, "/api/health", offer, 403},
		{free, "/nope", offer, 403},
		{locked, "/api/echo", "", 403},
		{locked, "/api/echo", offer, 101},
	} {
		_, resp, _ := test.server.open(test.path, test.offer)
		require.NotNil(t, resp, test.path)
		require.Equal(t, test.status, resp.StatusCode, "%s %s", test.path, test.offer)
		if test.status == 403 {
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Empty(t, body)
		}
	}
	require.Equal(t, 404, free.do("GET", "/api/echo", "").status, "no HTTP on a websocket")
}

func TestLogin(t *testing.T) {
	free := serveChannels(t, Config{}, channel{Path: "/echo", Handle: repeat})
	locked := serveChannels(t, Config{AuthString: "admin:secret"},
		channel{Path: "/echo", Handle: repeat},
		channel{Path: "/modern", Handle: repeat, AuthReason: "authentication_failed"})
	for _, test := range []struct {
		server *served
		path   string
		first  string
		code   int // 0: let in
		reason string
	}{
		{free, "/api/echo", `{"type":"auth","token":null}`, 0, ""},
		{free, "/api/echo", `{"type":"auth"}`, 0, ""},
		{free, "/api/echo", `{"type":"auth","token":5}`, 0, ""},
		{free, "/api/echo", `{"type":"filter"}`, 1008, "Expected 'auth' message"},
		{free, "/api/echo", `nonsense`, 1002, "Expected a JSON message"},
		{locked, "/api/echo", `{"type":"auth","token":"admin:secret"}`, 0, ""},
		{locked, "/api/echo", `{"type":"auth"}`, 1008, "Auth required but no token provided"},
		{locked, "/api/echo", `{"type":"auth","token":"Basic YTpi"}`, 1008, "Invalid token"},
		{locked, "/api/modern", `{"type":"auth","token":"x"}`, 1008, "authentication_failed"},
		{locked, "/api/modern", `{"type":"hello"}`, 1008, "authentication_failed"},
	} {
		conn := test.server.login(test.path, test.first)
		if test.code != 0 {
			end := closed(t, conn)
			require.Equal(t, test.code, end.Code, test.first)
			require.Equal(t, test.reason, end.Text)
			continue
		}
		_, welcome, err := conn.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, `{"type":"auth_success"}`, string(welcome))
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(`hi`)))
		_, back, err := conn.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, `hi`, string(back))
	}
}

func TestPingIsAnsweredBeforeLogin(t *testing.T) {
	s := serveChannels(t, Config{}, channel{Path: "/echo", Handle: repeat})
	conn, _, err := s.open("/api/echo", offer)
	require.NoError(t, err)
	pongs := make(chan string, 1)
	conn.SetPongHandler(func(data string) error { pongs <- data; return nil })
	require.NoError(t, conn.WriteControl(websocket.PingMessage, []byte("1234"), time.Now().Add(time.Second)))
	go conn.ReadMessage()
	require.Equal(t, "1234", <-pongs)
}

// A pong says that everything before the ping has been stored, and so does the
// answer to a goodbye.
func TestPongWaitsForWhatCameBefore(t *testing.T) {
	var stored atomic.Int32
	release := make(chan struct{})
	s := serveChannels(t, Config{}, channel{Path: "/in", Handle: func(s *socket) error {
		var waiting int32
		s.beforePong = func() error {
			<-release
			stored.Add(waiting)
			waiting = 0
			return nil
		}
		for {
			if _, err := s.receive(); err != nil {
				stored.Add(waiting)
				return err
			}
			waiting++
		}
	}})
	conn := s.openLegacy("/api/in")
	seen := make(chan int32, 1)
	conn.SetPongHandler(func(string) error { seen <- stored.Load(); return nil })
	const messages = 100 // more than are read ahead
	for range messages {
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(`{}`)))
	}
	require.NoError(t, conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)))
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(`{}`)))
	end := make(chan *websocket.CloseError, 1)
	go func() {
		defer close(end)
		var bye *websocket.CloseError
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				errors.As(err, &bye)
				end <- bye
				return
			}
		}
	}()
	require.Empty(t, seen)
	close(release)
	require.EqualValues(t, messages, <-seen)
	require.NoError(t, conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "bye"), time.Now().Add(time.Second)))
	require.Equal(t, 1000, (<-end).Code)
	require.EqualValues(t, messages+1, stored.Load())
}

func TestHandlersEnd(t *testing.T) {
	long := strings.Repeat("é", 100)
	s := serveChannels(t, Config{},
		channel{Path: "/done", Handle: func(*socket) error { return nil }},
		channel{Path: "/refused", Handle: func(*socket) error { return closing(4001, "Protocol violation") }},
		channel{Path: "/long", Handle: func(*socket) error { return closing(closeProtocol, "x"+long) }},
		channel{Path: "/defect", Handle: func(*socket) error { return errors.New("secret of the house") }},
		channel{Path: "/panic", Handle: func(*socket) error { panic("at the disco") }},
		channel{Path: "/busy", Handle: func(*socket) error { return ops.Unavailable("no leader") }},
		channel{Path: "/unknown", Handle: func(*socket) error { return ops.NotFound("Work pool not found") }},
		channel{Path: "/values/{name}/{id}", Handle: func(s *socket) error { return closing(4000, s.param("name")+" "+s.id("id").String()) }},
	)
	for _, test := range []struct {
		path   string
		code   int
		reason string
	}{
		{"/api/done", 1000, ""},
		{"/api/refused", 4001, "Protocol violation"},
		{"/api/long", 1002, "x" + long[:122]},
		{"/api/defect", 1011, "Internal Server Error"},
		{"/api/panic", 1011, "Internal Server Error"},
		{"/api/busy", 1013, "no leader"},
		{"/api/unknown", 1008, "Work pool not found"},
		{"/api/values/a%20b/7C6B1C1E000040008000000000000000", 4000, "a b " + someID},
	} {
		end := closed(t, s.openLegacy(test.path))
		require.Equal(t, test.code, end.Code, test.path)
		require.Equal(t, test.reason, end.Text)
		require.LessOrEqual(t, len(end.Text), 123)
	}
	require.Contains(t, s.log.String(), "secret of the house")
	require.Contains(t, s.log.String(), "at the disco")
}

// A handler that only speaks still answers pings, and notices that the client left.
func TestSpeakersIgnoreTheClient(t *testing.T) {
	left := make(chan struct{})
	s := serveChannels(t, Config{}, channel{Path: "/out", Handle: func(s *socket) error {
		s.ignore()
		if err := s.send(map[string]int{"n": 1}); err != nil {
			return err
		}
		<-s.gone
		close(left)
		return nil
	}})
	conn := s.openLegacy("/api/out")
	_, message, err := conn.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, `{"n":1}`, string(message))
	pong := make(chan struct{})
	conn.SetPongHandler(func(string) error { close(pong); return nil })
	for range 100 {
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(`ignored`)))
	}
	require.NoError(t, conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)))
	go conn.ReadMessage()
	<-pong
	conn.Close()
	<-left
}

func TestKeepAlive(t *testing.T) {
	const interval = 20 * time.Millisecond
	s := serveChannels(t, Config{PingInterval: interval, PingTimeout: 5 * interval}, channel{Path: "/echo", Handle: repeat})
	t.Run("a client that answers stays", func(t *testing.T) {
		conn := s.openLegacy("/api/echo")
		pings, answer := 0, conn.PingHandler()
		enough := make(chan struct{})
		conn.SetPingHandler(func(data string) error {
			if pings++; pings == 15 { // more time than a silent one has
				close(enough)
			}
			require.Len(t, data, 4)
			return answer(data)
		})
		go conn.ReadMessage()
		<-enough
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(`still here`)))
	})
	t.Run("a silent one does not", func(t *testing.T) {
		conn := s.openLegacy("/api/echo")
		conn.SetPingHandler(func(string) error { return nil })
		end := closed(t, conn)
		require.Equal(t, 1011, end.Code)
		require.Equal(t, "keepalive ping timeout", end.Text)
	})
}

func TestMessagesHaveALimit(t *testing.T) {
	s := serveChannels(t, Config{}, channel{Path: "/echo", Handle: repeat})
	conn := s.openLegacy("/api/echo")
	go conn.WriteMessage(websocket.TextMessage, make([]byte, maxMessage+1))
	require.Equal(t, 1009, closed(t, conn).Code)
}

func TestShutdownClosesSocketsAfterTheirHandlers(t *testing.T) {
	var flushed atomic.Int32
	ready := make(chan struct{}, 2)
	s := serveChannels(t, Config{},
		channel{Path: "/in", Handle: func(s *socket) error {
			ready <- struct{}{}
			_, err := s.receive()
			if s.ctx.Err() == nil {
				flushed.Add(1)
			}
			return err
		}},
		channel{Path: "/out", Handle: func(s *socket) error {
			s.ignore()
			ready <- struct{}{}
			<-s.gone
			flushed.Add(1)
			return errStopping
		}},
	)
	in, out := s.openLegacy("/api/in"), s.openLegacy("/api/out")
	<-ready
	<-ready
	ends := make(chan error, 2)
	for _, conn := range []*websocket.Conn{in, out} {
		go func() {
			_, _, err := conn.ReadMessage()
			ends <- err
		}()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, s.Shutdown(ctx))
	require.EqualValues(t, 2, flushed.Load())
	for range 2 {
		var end *websocket.CloseError
		require.ErrorAs(t, <-ends, &end)
		require.Equal(t, 1001, end.Code)
		require.Equal(t, "server is shutting down", end.Text)
	}
}

func TestShutdownCutsOffStuckSockets(t *testing.T) {
	ready := make(chan struct{})
	s := serveChannels(t, Config{}, channel{Path: "/stuck", Handle: func(s *socket) error {
		close(ready)
		<-s.ctx.Done()
		return fmt.Errorf("wait: %w", s.ctx.Err())
	}})
	s.openLegacy("/api/stuck")
	<-ready
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
}
