package httpapi

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"prefectd/ops"
)

// serve answers one request.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	began := time.Now()
	c := &call{backend: s.backend, config: &s.config, metrics: s.metrics, background: s.base, requests: &s.requests, req: ctx, requestID: requestID(ctx), logger: s.log}
	ctx.Response.Header.Set(requestIDHeader, c.requestID)
	if !s.requests.enter() {
		c.fail(errUnavailable)
		return
	}
	defer s.requests.leave()
	defer func() {
		if r := recover(); r != nil {
			ctx.Response.ResetBody()
			ctx.Response.Header.Del(fasthttp.HeaderContentEncoding)
			c.fail(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
		s.metrics.answered(c, time.Since(began))
		s.access(c, began)
	}()
	s.dispatch(c)
}

// access logs one request.
func (s *Server) access(c *call, began time.Time) {
	if !s.log.Enabled(s.base, slog.LevelDebug) {
		return
	}
	log := c.log()
	if c.route != nil {
		log = log.With("route", c.route.Path, "kind", c.route.Kind)
	}
	log.Debug("request", "method", string(c.req.Method()), "path", string(c.req.URI().PathOriginal()),
		"status", c.req.Response.StatusCode(), "bytes", answered(c.req), "took", time.Since(began))
}

// answered is the size of an answer, -1 for one that is yet to be made.
func answered(ctx *fasthttp.RequestCtx) int {
	if ctx.Response.IsBodyStream() {
		return -1
	}
	return len(ctx.Response.Body())
}

// dispatch sends a request where it belongs, through the checks in the order of
// the reference, after that of its own for the client's rate: CSRF, CORS, credentials, route, API version.
func (s *Server) dispatch(c *call) {
	if err := s.rates.check(c.req.RemoteAddr()); err != nil {
		c.fail(err)
		return
	}
	if err := s.checkCSRF(c); err != nil {
		c.fail(err)
		return
	}
	if s.config.CORS.preflight(c.req) {
		return
	}
	s.config.CORS.allow(c.req)
	path := decodePath(string(c.req.URI().PathOriginal()))
	if websocket.FastHTTPIsWebSocketUpgrade(c.req) {
		s.upgrade(c, path)
		return
	}
	r := s.table.route(c.req, string(c.req.Method()), path)
	if r != nil {
		c.pattern = r.Path
	}
	if r == nil && s.below(path) || r != nil && r.Scope != open {
		if !s.authorized(c.req) {
			c.fail(errUnauthorize)
			return
		}
	}
	if r == nil {
		s.astray(c, path)
		return
	}
	if !r.AnyVersion {
		if err := checkVersion(c.header("X-Prefect-Api-Version")); err != nil {
			c.fail(err)
			return
		}
	}
	ctx, cancel := context.WithTimeout(s.base, s.config.RequestTimeout)
	defer cancel()
	var err error
	if c.ctx, err = c.reads(ctx, r); err != nil {
		c.fail(err)
		return
	}
	c.route = r
	if err := r.Handle(c); err != nil {
		c.fail(err)
	}
}

// readsHeader says what the reads of a request are to show; see ops.Reads.
const readsHeader = "Prefectd-Reads"

// reads is the context of a request to a route, which says what its reads show.
func (c *call) reads(ctx context.Context, r *route) (context.Context, error) {
	switch r.Kind {
	case write:
		return ctx, nil
	case stale:
		return ops.WithReads(ctx, ops.Stale), nil
	}
	reads := c.config.Reads
	if text := c.header(readsHeader); text != "" {
		var err error
		if reads, err = ParseReads(text); err != nil {
			return nil, ops.Unprocessable(readsHeader + ": " + err.Error())
		}
	}
	return ops.WithReads(ctx, reads), nil
}

// ParseReads reads what reads are to show: linearizable or stale.
func ParseReads(text string) (ops.Reads, error) {
	var r ops.Reads
	return r, r.UnmarshalText([]byte(text))
}

// below reports whether a path is the API's.
func (s *Server) below(path string) bool { return strings.HasPrefix(path, s.config.BasePath+"/") }

// authorized reports whether a request has the credentials of the API.
func (s *Server) authorized(ctx *fasthttp.RequestCtx) bool {
	if s.config.AuthString == "" {
		return true
	}
	scheme, encoded, _ := strings.Cut(string(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return false
	}
	given, err := base64.StdEncoding.DecodeString(encoded)
	return err == nil && s.knowsSecret(string(given))
}

// knowsSecret compares credentials with those that the server asks for.
func (s *Server) knowsSecret(given string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(s.config.AuthString)) == 1
}

// astray answers a request that no route matches.
func (s *Server) astray(c *call, path string) {
	if allowed := s.table.allowed(c.req, path); allowed != nil {
		c.setHeader(fasthttp.HeaderAllow, strings.Join(allowed, ", "))
		c.fail(&ops.Error{Status: 405, Detail: "Method Not Allowed"})
		return
	}
	if s.table.allowed(c.req, otherSlash(path)) != nil {
		target := c.origin() + otherSlash(string(c.req.URI().PathOriginal()))
		if query := c.req.URI().QueryString(); len(query) > 0 {
			target += "?" + string(query)
		}
		c.setHeader(fasthttp.HeaderLocation, target)
		c.req.SetStatusCode(fasthttp.StatusTemporaryRedirect)
		return
	}
	if !s.below(path) && s.page(c, path) {
		return
	}
	c.fail(errNotFound)
}

var host = regexp.MustCompile(`^[A-Za-z0-9._\-\[\]:]+$`)

// origin is scheme and host under which a client knows the server. A proxy on
// the same machine may say that it speaks TLS.
func origin(ctx *fasthttp.RequestCtx) string {
	scheme := "http"
	if peer, ok := ctx.RemoteAddr().(*net.TCPAddr); ok && peer.IP.IsLoopback() &&
		string(ctx.Request.Header.Peek("X-Forwarded-Proto")) == "https" {
		scheme = "https"
	}
	if name := ctx.Request.Header.Host(); host.Match(name) {
		return scheme + "://" + string(name)
	}
	return scheme + "://" + ctx.LocalAddr().String()
}

// apiVersion is what this server speaks, minimumVersion what clients must.
const apiVersion = "0.8.4"

var minimumVersion = [3]int{0, 8, 0}

// checkVersion refuses clients of an API that is too old.
func checkVersion(requested string) error {
	if requested == "" {
		return nil
	}
	parts := strings.Split(requested, ".")
	var numbers [3]int
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || len(parts) != len(numbers) {
			return ops.BadRequest("Invalid X-PREFECT-API-VERSION header format." +
				"Expected header in format 'x.y.z' but received " + requested)
		}
		numbers[i] = n
	}
	if slices.Compare(numbers[:], minimumVersion[:]) < 0 {
		return ops.BadRequest("The request specified API version " + requested +
			" but this server requires version 0.8.0 or higher.")
	}
	return nil
}

const requestIDHeader = "X-Request-Id"

// requestID is the id that a proxy gave the request, or a new one.
func requestID(ctx *fasthttp.RequestCtx) string {
	given := ctx.Request.Header.Peek(requestIDHeader)
	if len(given) > 0 && len(given) <= 128 {
		return string(given)
	}
	return strconv.FormatUint(rand.Uint64(), 16)
}

// unreadable answers what fasthttp could not read as a request; the connection
// ends then.
func (s *Server) unreadable(ctx *fasthttp.RequestCtx, err error) {
	refusal := ops.BadRequest("Invalid HTTP request received.")
	var tooLong *fasthttp.ErrSmallBuffer
	var slow net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		refusal = &ops.Error{Status: 413, Detail: fmt.Sprintf("Request body is too large: this server takes %d bytes.", s.config.MaxBody)}
		discard(ctx.Conn())
	case errors.As(err, &tooLong):
		refusal = &ops.Error{Status: 431, Detail: "Request header is too large."}
	case errors.As(err, &slow) && slow.Timeout():
		refusal = &ops.Error{Status: 408, Detail: "Request took too long to arrive."}
	}
	c := &call{config: &s.config, req: ctx, requestID: requestID(ctx), logger: s.log}
	c.fail(refusal)
	s.metrics.answered(c, 0)
}

// discard reads what a client is still sending, so that it gets to read the
// answer: a connection that is closed with data unread is reset.
func discard(conn net.Conn) {
	const pause, patience = 250 * time.Millisecond, 10 * time.Second
	buf := make([]byte, 64<<10)
	for began := time.Now(); time.Since(began) < patience; {
		conn.SetReadDeadline(time.Now().Add(pause))
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}
