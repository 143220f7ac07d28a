package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"prefectd/ops"
	"prefectd/prefect"
)

// channel is one websocket: the only place that says where it is.
type channel struct {
	Path   string // below the API's mount
	Handle func(s *socket) error
	Doc    string

	Modern     bool   // refuses clients that do not offer the subprotocol
	AuthReason string // the only reason told to clients with wrong credentials, if set

	params []string // names of the values in the path
}

// channels are all websockets.
func channels() []channel {
	return slices.Concat(
		streamChannels(),
		taskWorkerChannels(),
		workerChannels(),
	)
}

// subprotocol is what clients offer who log in by their first message. Older ones
// don't, and start to speak at once.
const subprotocol = "prefect"

// Codes that close a websocket.
const (
	closeGoingAway = websocket.CloseGoingAway
	closeProtocol  = websocket.CloseProtocolError
	closePolicy    = websocket.ClosePolicyViolation
	closeInternal  = websocket.CloseInternalServerErr
	closeInvalid   = websocket.CloseInvalidFramePayloadData
	closeTryAgain  = websocket.CloseTryAgainLater
)

// upgrade lets a client in to a channel. One that may not gets 403 and no word.
func (s *Server) upgrade(c *call, path string) {
	ch := s.table.channel(c.req, path)
	if ch != nil {
		c.pattern = ch.Path
	}
	if ch == nil || !offersSubprotocol(c.req) && (ch.Modern || s.config.AuthString != "") {
		c.req.SetStatusCode(fasthttp.StatusForbidden)
		return
	}
	values := map[string]string{}
	for _, name := range ch.params {
		values[name] = c.param(name)
	}
	log := c.log().With("websocket", ch.Path)
	upgrader := websocket.FastHTTPUpgrader{
		Subprotocols: []string{subprotocol},
		CheckOrigin:  func(*fasthttp.RequestCtx) bool { return true }, // credentials come in a message, never by themselves
		Error: func(_ *fasthttp.RequestCtx, status int, reason error) {
			c.fail(&ops.Error{Status: status, Detail: reason.Error()})
		},
	}
	upgrader.Upgrade(c.req, func(conn *websocket.Conn) { // has answered when it fails
		open := s.metrics.sockets.WithLabelValues(ch.Path)
		open.Inc()
		defer open.Dec()
		s.converse(newSocket(s, conn, values, log), ch)
	})
}

func offersSubprotocol(ctx *fasthttp.RequestCtx) bool {
	offers := strings.Split(string(ctx.Request.Header.Peek("Sec-Websocket-Protocol")), ",")
	return slices.ContainsFunc(offers, func(o string) bool { return strings.TrimSpace(o) == subprotocol })
}

// converse runs a channel's handler on a connection, from the credentials to the
// last frame.
func (s *Server) converse(sock *socket, ch *channel) {
	if !s.sockets.add(sock) {
		sock.sayGoodbye(errStopping)
		return
	}
	defer s.sockets.remove(sock)
	var wait sync.WaitGroup
	wait.Go(sock.read)
	wait.Go(sock.keepAlive)
	err := sock.admit(s, ch)
	if err == nil {
		err = sock.handle(ch)
	}
	sock.finish()
	sock.sayGoodbye(err)
	wait.Wait()
}

// handle runs a channel's handler; a panic ends the one socket only.
func (s *socket) handle(ch *channel) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return ch.Handle(s)
}

// admitTime is how long a client may take to tell its credentials.
const admitTime = 20 * time.Second

// admit takes the credentials of a client that offered the subprotocol.
func (s *socket) admit(server *Server, ch *channel) error {
	if s.conn.Subprotocol() != subprotocol {
		return nil
	}
	late := time.AfterFunc(admitTime, s.cut)
	defer late.Stop()
	first, err := s.receive()
	if err != nil {
		return err
	}
	var login struct {
		Type  string `json:"type"`
		Token any    `json:"token"`
	}
	refuse := func(reason string) error {
		if ch.AuthReason != "" {
			reason = ch.AuthReason
		}
		return closing(closePolicy, reason)
	}
	if err := prefect.Unmarshal(first, &login); err != nil {
		return closing(closeProtocol, "Expected a JSON message")
	}
	token, _ := login.Token.(string)
	switch {
	case login.Type != "auth":
		return refuse("Expected 'auth' message")
	case server.config.AuthString == "":
	case token == "":
		return refuse("Auth required but no token provided")
	case !server.knowsSecret(token):
		return refuse("Invalid token")
	}
	return s.send(map[string]string{"type": "auth_success"})
}

// goodbye is an error that closes a websocket with a code and a reason.
type goodbye struct {
	code   int
	reason string
}

func (e *goodbye) Error() string { return fmt.Sprintf("closed with %d: %s", e.code, e.reason) }

// closing is what a handler returns to close its websocket in a way that the
// client understands. The reason is cut to what a frame can hold.
func closing(code int, reason string) error { return &goodbye{code, reason} }

var errStopping = closing(closeGoingAway, "server is shutting down")

// maxReason is how many bytes of a reason a close frame has room for.
const maxReason = 123

// sayGoodbye ends the conversation in the way that the handler's error asks for.
func (s *socket) sayGoodbye(err error) {
	code, reason := websocket.CloseNormalClosure, ""
	var bye *goodbye
	var left *websocket.CloseError
	var refusal *ops.Error
	switch {
	case err == nil, errors.Is(err, io.EOF):
	case errors.As(err, &bye):
		code, reason = bye.code, bye.reason
	case errors.As(err, &left):
		code = left.Code
	case errors.As(err, &refusal) && refusal.Retryable:
		code, reason = websocket.CloseTryAgainLater, refusal.Detail
	case errors.As(err, &refusal):
		code, reason = closePolicy, refusal.Detail
	case errors.Is(err, errBroken), errors.Is(err, context.Canceled):
		s.log.Debug("websocket broke", "err", err)
		return
	default:
		s.log.Error("websocket failed", "err", err)
		code, reason = closeInternal, "Internal Server Error"
	}
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "")
	}
	frame := websocket.FormatCloseMessage(code, reason)
	if err := s.conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(goodbyeTime)); err != nil {
		s.log.Debug("websocket broke", "err", err)
	}
}

// sockets are the websockets that are open.
type sockets struct {
	gate
	mu   sync.Mutex // also keeps stop from missing one that comes in
	open map[*socket]bool
}

// add takes in a socket, if the server is not stopping.
func (r *sockets) add(s *socket) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.enter() {
		return false
	}
	if r.open == nil {
		r.open = map[*socket]bool{}
	}
	r.open[s] = true
	return true
}

func (r *sockets) remove(s *socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, s)
	r.leave()
}

// stop lets nobody in any more and asks every handler to come to an end.
func (r *sockets) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.close()
	for s := range r.open {
		s.stop()
	}
}

// cut breaks the connections that are left.
func (r *sockets) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.open {
		s.cut()
	}
}
