package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Call is a request of another node.
type Call struct {
	Node   string // who asks
	Body   io.Reader
	Answer io.Writer // buffered, until the handler ends or flushes it
}

// Handler answers a call. Its ctx ends when the other node does not want the answer
// any more. An error keeps its identity on the way if it is one of this package's, or
// if the network's codec keeps it.
type Handler func(ctx context.Context, c *Call) error

// ErrorCodec encodes the errors that are not this package's.
type ErrorCodec interface {
	EncodeError(err error) []byte
	DecodeError(data []byte) error
}

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

// maxAnswer bounds what a peer can make this node hold.
const maxAnswer = 256 << 20

func (n *Network) callServer() *http.Server {
	return &http.Server{
		Handler:     http.HandlerFunc(n.serveCall),
		BaseContext: func(net.Listener) context.Context { return n.ctx },
		HTTP2:       &http.HTTP2Config{SendPingTimeout: silenceTime, PingTimeout: pingTime, MaxConcurrentStreams: 10_000},
		ErrorLog:    stdLogger(n.log),
	}
}

func (n *Network) callClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
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
	}}
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
	method := r.URL.Path[1:]
	n.calls.mu.RLock()
	handle := n.calls.byMethod[method]
	n.calls.mu.RUnlock()
	a := &answer{ResponseWriter: w}
	c := &Call{Body: r.Body, Answer: a, Node: r.TLS.PeerCertificates[0].Subject.CommonName}
	err := fmt.Errorf("this version does not know the call %q", method)
	if handle != nil {
		err = n.protect(func() error { return handle(r.Context(), c) })
	}
	switch {
	case err == nil:
	case a.begun:
		panic(http.ErrAbortHandler) // so that it is not taken for the whole answer
	default:
		w.WriteHeader(http.StatusInternalServerError)
		w.Write(n.encodeError(err))
	}
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

// known are the errors that are told by a letter.
var known = map[byte]error{'n': ErrNoLeader, 'o': ErrOverloaded, 'c': ErrClosed, 'u': ErrUnknownOutcome}

// anyError is the letter of those that the codec tells.
const anyError = 'e'

func (n *Network) encodeError(err error) []byte {
	for letter, which := range known {
		if errors.Is(err, which) {
			return append([]byte{letter}, err.Error()...)
		}
	}
	return append([]byte{anyError}, n.errors.EncodeError(err)...)
}

// remoteError is an error of another node, with the text that it had there.
type remoteError struct {
	which error
	text  string
}

func (e *remoteError) Error() string { return e.text }

func (e *remoteError) Unwrap() error { return e.which }

func (n *Network) decodeError(data []byte) error {
	if len(data) > 0 && data[0] == anyError {
		return n.errors.DecodeError(data[1:])
	}
	if len(data) > 0 && known[data[0]] != nil {
		return &remoteError{known[data[0]], string(data[1:])}
	}
	return fmt.Errorf("%w: the other node does not answer as one does", ErrUnknownOutcome)
}

// Call asks a node and returns its answer. If the node was not reached, nothing was
// done, and the error is an ErrNoLeader; if it was and no answer came, the outcome is
// unknown.
func (n *Network) Call(ctx context.Context, node, method string, body []byte) ([]byte, error) {
	answer, err := n.Stream(ctx, node, method, body)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	data, err := io.ReadAll(io.LimitReader(answer, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%w: answer of %s to %q: %w", ErrUnknownOutcome, node, method, err)
	}
	return data, nil
}

// Stream asks a node for an answer that is read as it comes, and closed.
func (n *Network) Stream(ctx context.Context, node, method string, body []byte) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+node+"/"+method, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("call %q of %s: %w", method, node, err)
	}
	resp, err := n.client.Do(r)
	var before *undialled
	var alert *net.OpError
	switch {
	case errors.As(err, &before):
		return nil, fmt.Errorf("%w: %w", ErrNoLeader, before.error)
	case errors.As(err, &alert) && alert.Op == "remote error": // as package tls has it
		n.refused(node)
		return nil, fmt.Errorf("%w: node %s refuses this one: %w", ErrNoLeader, node, err)
	case err != nil:
		return nil, fmt.Errorf("%w: call %q of %s: %w", ErrUnknownOutcome, method, node, err)
	case resp.StatusCode == http.StatusOK:
		return resp.Body, nil
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%w: call %q of %s: %w", ErrUnknownOutcome, method, node, err)
	}
	return nil, n.decodeError(data)
}

// refused says now and then that another node does not know this one.
func (n *Network) refused(node string) {
	if last := n.complained.Load(); time.Since(time.Unix(0, last)) > time.Minute && n.complained.CompareAndSwap(last, time.Now().UnixNano()) {
		n.log.Warn("other nodes refuse this one: it was removed from the cluster, or another took its name; to have it join, empty its data folder", "by", node)
	}
}
