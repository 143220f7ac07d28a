// Package client talks to a Prefect server the way the stock Python client 3.9.1
// does: the same requests, headers and websocket handshake.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	userAgent  = "prefect/3.9.1 (API 0.8.4)"
	apiVersion = "0.8.4"
)

// Client sends requests to a server, or to any node of a cluster: to one as long
// as it answers, then to the next. Safe for concurrent use.
type Client struct {
	// RetryWait, when set, is the pause before a request is repeated that was
	// answered 429, 502 or 503, or lost with its connection. (The stock client
	// waits 2, 4, 8 ... seconds.)
	RetryWait time.Duration
	// Retries counts the repeated requests.
	Retries atomic.Int64

	nodes []*node
	at    atomic.Uint32 // modulo their number, the node that is asked
}

// node is one address of the API.
type node struct {
	base string
	http *fasthttp.HostClient
}

// dialTime is how long a connection may take to be made.
const dialTime = 3 * time.Second

// New makes a client of the API at addresses that end in /api.
func New(apis ...string) (*Client, error) {
	c := &Client{}
	for _, api := range apis {
		u, err := url.Parse(strings.TrimRight(api, "/"))
		if err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, &node{u.String(), &fasthttp.HostClient{
			Addr: u.Host, MaxConns: 1024, NoDefaultUserAgentHeader: true,
			Dial: dial,
			// The Python server closes a connection that was idle for 5 s.
			MaxIdleConnDuration: 2 * time.Second,
			ReadTimeout:         60 * time.Second, WriteTimeout: 60 * time.Second,
			MaxIdemponentCallAttempts: 1,
		}})
	}
	return c, nil
}

func dial(address string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", address, dialTime)
	if err != nil {
		return nil, &noConnection{err}
	}
	return conn, nil
}

// noConnection is the error of a request that was not sent.
type noConnection struct{ error }

func (e *noConnection) Unwrap() error { return e.error }

// GiveUpAfter sets how long an answer may take, instead of the stock client's
// minute. To be called before the first request.
func (c *Client) GiveUpAfter(d time.Duration) {
	for _, n := range c.nodes {
		n.http.ReadTimeout, n.http.WriteTimeout = d, d
	}
}

// Close drops the idle connections.
func (c *Client) Close() {
	for _, n := range c.nodes {
		n.http.CloseIdleConnections()
	}
}

// StatusError is an answer that is no success.
type StatusError struct {
	Method, Path string
	Status       int
	Body         string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s: %d %.300s", e.Method, e.Path, e.Status, e.Body)
}

// NotDone reports whether an error says that the request did nothing: it was not
// sent, or answered 503. After any other error but a StatusError nobody knows.
func NotDone(err error) bool {
	var unsent *noConnection
	var refused *StatusError
	return errors.As(err, &unsent) || errors.As(err, &refused) && refused.Status == 503
}

// Call sends a request; body and answer are JSON, nil for none. With RetryWait it
// repeats what a busy server has refused, until the context ends.
func (c *Client) Call(ctx context.Context, method, path string, body, answer any) error {
	raw, err := encode(body)
	if err != nil {
		return err
	}
	out, err := c.Raw(ctx, method, path, raw)
	if err != nil || answer == nil {
		return err
	}
	if err := json.Unmarshal(out, answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func encode(body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return b, nil
	}
	return json.Marshal(body)
}

// Raw sends a request and answers the body as it came.
func (c *Client) Raw(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	for {
		out, err := c.anywhere(method, path, body)
		if err == nil || c.RetryWait == 0 || !busy(err) {
			return out, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(c.RetryWait):
			c.Retries.Add(1)
		}
	}
}

func busy(err error) bool {
	var refused *StatusError
	if !errors.As(err, &refused) {
		return true
	}
	return refused.Status == 429 || refused.Status == 502 || refused.Status == 503
}

// anywhere asks the nodes in turn until one has taken the request. A node that
// did not answer is not the first to be asked the next time.
func (c *Client) anywhere(method, path string, body []byte) (out []byte, err error) {
	for range c.nodes {
		at := c.at.Load()
		out, err = c.nodes[at%uint32(len(c.nodes))].once(method, path, body)
		if err == nil || !busy(err) {
			return out, err
		}
		c.at.CompareAndSwap(at, at+1)
		if !NotDone(err) {
			return nil, err
		}
	}
	return nil, err
}

func (n *node) once(method, path string, body []byte) ([]byte, error) {
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	request.SetRequestURI(n.base + path)
	request.Header.SetMethod(method)
	request.Header.Set("Accept", "*/*")
	request.Header.Set("Accept-Encoding", "gzip, deflate")
	request.Header.SetUserAgent(userAgent)
	request.Header.Set("X-Prefect-Api-Version", apiVersion)
	if body != nil {
		request.Header.SetContentType("application/json")
		request.SetBodyRaw(body)
	}
	if err := n.http.Do(request, response); err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	out, err := response.BodyUncompressed()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if status := response.StatusCode(); status >= 300 {
		return nil, &StatusError{method, path, status, string(out)}
	}
	return append([]byte(nil), out...), nil
}
