package cluster

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Call is a request of another node.
type Call struct {
	Node   string    // who asks
	Body   []byte    // the handler's to keep
	Answer io.Writer // buffered, until the handler ends or flushes it
}

// Handler answers a call. Its ctx ends when the other node does not want the answer
// any more, and has its deadline. An error keeps its identity on the way if it is one of
// this package's, or if the network's codec keeps it; also after a part of the answer.
type Handler func(ctx context.Context, c *Call) error

// handlers are what a network answers, by method.
type handlers struct {
	mu       sync.RWMutex
	byMethod map[string]Handler
}

// Handle answers a method's calls from now on.
func (n *Network) Handle(method string, h Handler) {
	n.calls.mu.Lock()
	defer n.calls.mu.Unlock()
	if n.calls.byMethod == nil {
		n.calls.byMethod = map[string]Handler{}
	}
	n.calls.byMethod[method] = h
}

// A peer that is silent for so long is asked whether it lives, and given up when it
// does not answer: it may be stopped, or the network cut.
const (
	silenceTime = 1500 * time.Millisecond
	pingTime    = 1500 * time.Millisecond
)

// Bounds of what one end makes the other hold.
const (
	maxBody   = 64 << 20
	maxAnswer = 256 << 20
)

// What is said about a call beside its body.
const (
	timeoutHeader = "Timeout" // in milliseconds, from when the call arrives: clocks differ
	errorTrailer  = "Error"   // base64, of one that came after a part of the answer
)

// errTooLarge is a body or an answer beyond its bound.
var errTooLarge = errors.New("it is too large")

func (n *Network) callServer() *http.Server {
	return &http.Server{
		Handler:     n.awaited(n.serveCall),
		BaseContext: func(net.Listener) context.Context { return n.ctx },
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: silenceTime, PingTimeout: pingTime, MaxConcurrentStreams: 10_000,
			MaxReceiveBufferPerConnection: 4<<20 - 1, // as much as there can be
		},
		ErrorLog: stdLogger(n.log),
	}
}

func (n *Network) callClient() *http.Transport {
	return &http.Transport{
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			node, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			conn, err := n.dial(ctx, node, protocolCalls)
			if err != nil {
				return nil, &undialled{err}
			}
			return conn, nil
		},
		ForceAttemptHTTP2:  true,
		DisableCompression: true,
		HTTP2:              &http.HTTP2Config{SendPingTimeout: silenceTime, PingTimeout: pingTime},
	}
}

// undialled is an error before anything was sent.
type undialled struct{ error }

func (e *undialled) Unwrap() error { return e.error }

// answer knows whether anything was answered.
type answer struct {
	http.ResponseWriter
	begun bool
}

// Write sends a part of the answer.
func (a *answer) Write(p []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(p)
}

// Flush sends what was written.
func (c *Call) Flush() error {
	return http.NewResponseController(c.Answer.(*answer).ResponseWriter).Flush()
}

func (n *Network) serveCall(w http.ResponseWriter, r *http.Request) {
	a := &answer{ResponseWriter: w}
	w.Header()["Content-Type"] = nil // not to be guessed
	w.Header()["Date"] = nil
	err := n.protect(func() error { return n.handle(a, r) })
	switch {
	case err == nil:
	case a.begun:
		w.Header().Set(http.TrailerPrefix+errorTrailer, base64.StdEncoding.EncodeToString(n.encodeError(err)))
	default:
		w.WriteHeader(http.StatusInternalServerError)
		w.Write(n.encodeError(err))
	}
}

// handle reads a call, at once because what is not read holds up the other calls of its
// connection, and has it answered.
func (n *Network) handle(a *answer, r *http.Request) error {
	method := r.URL.Path[1:]
	n.calls.mu.RLock()
	handle := n.calls.byMethod[method]
	n.calls.mu.RUnlock()
	if handle == nil {
		return fmt.Errorf("this version does not know the call %q", method)
	}
	body, err := readBounded(r.Body, r.ContentLength, maxBody)
	if err != nil {
		return fmt.Errorf("read call: %w", err)
	}
	ctx := r.Context()
	if ms, err := strconv.ParseInt(r.Header.Get(timeoutHeader), 10, 32); err == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
		defer cancel()
	}
	return handle(ctx, &Call{Node: r.TLS.PeerCertificates[0].Subject.CommonName, Body: body, Answer: a})
}

// readBounded reads all that comes, if that is not too much. Size is how much it will
// be, or -1.
func readBounded(from io.Reader, size, most int64) ([]byte, error) {
	if size > most {
		return nil, errTooLarge
	}
	var into bytes.Buffer
	into.Grow(int(max(size, 0)) + bytes.MinRead) // so that the end is found without more room
	if _, err := into.ReadFrom(io.LimitReader(from, most+1)); err != nil {
		return nil, err
	}
	if int64(into.Len()) > most {
		return nil, errTooLarge
	}
	return into.Bytes(), nil
}

// protect makes an error of a panic.
func (n *Network) protect(fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil && r != http.ErrAbortHandler {
			err = fmt.Errorf("panic: %v", r)
			n.log.Error("call panicked", "panic", r)
		}
	}()
	return fn()
}

// Call asks a node and returns its answer. If the node was not reached, nothing was
// done, and the error is an ErrNoLeader; if it was and no answer came, the outcome is
// unknown.
func (n *Network) Call(ctx context.Context, node, method string, body []byte) ([]byte, error) {
	r, err := n.ask(ctx, node, method, body)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := readBounded(r, r.response.ContentLength, maxAnswer)
	if errors.Is(err, errTooLarge) {
		return nil, fmt.Errorf("%w: answer of %s to %q: %w", ErrUnknownOutcome, node, method, err)
	}
	return data, err
}

// Stream asks a node for an answer that is read as it comes, and closed. Errors of the
// handler come at the end of it.
func (n *Network) Stream(ctx context.Context, node, method string, body []byte) (io.ReadCloser, error) {
	r, err := n.ask(ctx, node, method, body)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// ask sends a call and waits until its answer begins.
func (n *Network) ask(ctx context.Context, node, method string, body []byte) (*reply, error) {
	if len(body) > maxBody {
		return nil, fmt.Errorf("call %q of %s: %w", method, node, errTooLarge)
	}
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	resp, err := n.client.RoundTrip(newRequest(httptrace.WithClientTrace(ctx, trace), node, method, body))
	var before *undialled
	switch {
	case errors.As(err, &before):
		return nil, fmt.Errorf("%w: %w", ErrNoLeader, before.error)
	case err != nil && !connected.Load():
		return nil, fmt.Errorf("%w: call %q of %s: %w", ErrNoLeader, method, node, err)
	case err != nil:
		return nil, fmt.Errorf("%w: call %q of %s: %w", ErrUnknownOutcome, method, node, err)
	}
	r := &reply{network: n, response: resp, node: node, method: method}
	if resp.StatusCode == http.StatusOK {
		return r, nil
	}
	defer r.Close()
	data, err := readBounded(r, resp.ContentLength, maxAnswer)
	if err != nil {
		return nil, err
	}
	return nil, n.decodeError(data)
}

func newRequest(ctx context.Context, node, method string, body []byte) *http.Request {
	r := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Scheme: "https", Host: node, Path: "/" + method},
		Header:        http.Header{"User-Agent": {""}}, // not to be sent
		ContentLength: int64(len(body)),
	}
	if deadline, ok := ctx.Deadline(); ok {
		left := max(time.Until(deadline).Milliseconds(), 0) + 1 // the handler does not give up first
		r.Header.Set(timeoutHeader, strconv.FormatInt(min(left, math.MaxInt32), 10))
	}
	if len(body) > 0 {
		// It is sent again only if nothing of it was taken.
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		r.Body, _ = r.GetBody()
	}
	return r.WithContext(ctx)
}

// reply is an answer on its way.
type reply struct {
	network      *Network
	response     *http.Response
	node, method string
}

// Read reads what has come. At the end is what the handler ended with.
func (r *reply) Read(p []byte) (int, error) {
	read, err := r.response.Body.Read(p)
	switch {
	case err == nil:
	case !errors.Is(err, io.EOF):
		err = fmt.Errorf("%w: answer of %s to %q: %w", ErrUnknownOutcome, r.node, r.method, err)
	case r.response.Trailer.Get(errorTrailer) != "":
		data, wrong := base64.StdEncoding.DecodeString(r.response.Trailer.Get(errorTrailer))
		if wrong != nil {
			return read, errNoAnswer
		}
		err = r.network.decodeError(data)
	}
	return read, err
}

// Close ends the call; its handler need not go on.
func (r *reply) Close() error { return r.response.Body.Close() }
