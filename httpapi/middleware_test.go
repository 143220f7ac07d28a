package httpapi

import (
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/ops"
	"prefectd/prefect"
)

func TestErrors(t *testing.T) {
	fails := func(err error) func(*call) error { return func(*call) error { return err } }
	s := serveRoutes(t, Config{RequestTimeout: 20 * time.Millisecond},
		route{Method: "GET", Path: "/detail", Handle: fails(ops.NotFound("Flow not found"))},
		route{Method: "GET", Path: "/model", Handle: fails(fmt.Errorf("somewhere: %w", ops.NotFoundModel("Flow run with id x not found")))},
		route{Method: "GET", Path: "/busy", Handle: fails(ops.Unavailable("no leader"))},
		route{Method: "GET", Path: "/locked", Handle: fails(&ops.Error{Status: 423, Detail: "Locked", Headers: map[string]string{"Retry-After": "2.5"}})},
		route{Method: "GET", Path: "/defect", Handle: fails(errors.New("secret of the house"))},
		route{Method: "GET", Path: "/panic", Handle: func(*call) error { panic("at the disco") }},
		route{Method: "GET", Path: "/half", Handle: func(c *call) error {
			c.reply(200, strings.Repeat("x", 1000))
			panic("too late")
		}},
		route{Method: "GET", Path: "/slow", Kind: read, Handle: func(c *call) error {
			<-c.ctx.Done()
			return fmt.Errorf("wait: %w", c.ctx.Err())
		}},
	)
	for _, test := range []struct {
		path   string
		status int
		body   string
		retry  string
	}{
		{"/api/detail", 404, `{"detail":"Flow not found"}`, ""},
		{"/api/model", 404, `{"exception_message":"Flow run with id x not found"}`, ""},
		{"/api/busy", 503, `{"exception_message":"no leader"}`, "1"},
		{"/api/locked", 423, `{"detail":"Locked"}`, "2.5"},
		{"/api/defect", 500, `{"exception_message":"Internal Server Error"}`, ""},
		{"/api/panic", 500, `{"exception_message":"Internal Server Error"}`, ""},
		{"/api/half", 500, `{"exception_message":"Internal Server Error"}`, ""},
		{"/api/slow", 503, `{"exception_message":"Service Unavailable"}`, "1"},
		{"/api/health", 200, `true`, ""}, // the connection is still good
	} {
		got := s.do("GET", test.path, "", "Accept-Encoding: gzip")
		require.Equal(t, test.status, got.status, test.path)
		require.Equal(t, test.body, got.body, test.path)
		require.Equal(t, test.retry, got.header.Get("Retry-After"))
		require.Empty(t, got.header.Get("Content-Encoding"))
	}
	require.Contains(t, s.log.String(), "secret of the house")
	require.Contains(t, s.log.String(), "at the disco")
	require.Contains(t, s.log.String(), "middleware_test.go", "the stack is logged")
}

func TestAPIVersion(t *testing.T) {
	s := serveRoutes(t, Config{})
	const malformed = `{"detail":"Invalid X-PREFECT-API-VERSION header format.Expected header in format 'x.y.z' but received %s"}`
	const low = `{"detail":"The request specified API version %s but this server requires version 0.8.0 or higher."}`
	for _, test := range []struct{ version, answer string }{
		{"", `"👋"`}, {"0.8.0", `"👋"`}, {"0.8.4", `"👋"`}, {"1.0.0", `"👋"`},
		{"0.7.9", low}, {"-1.9.9", low},
		{"0.8", malformed}, {"abc", malformed}, {"1.2.3.4", malformed}, {"1.2.x", malformed},
	} {
		got := s.do("GET", "/api/hello", "", "X-PREFECT-API-VERSION: "+test.version)
		if strings.Contains(test.answer, "%s") {
			require.Equal(t, 400, got.status, test.version)
			require.Equal(t, fmt.Sprintf(test.answer, test.version), got.body)
			continue
		}
		require.Equal(t, test.answer, got.body, test.version)
	}
	for path, status := range map[string]int{"/health": 200, "/version": 200, "/ready": 400, "/csrf-token": 400, "/nope": 404} {
		require.Equal(t, status, s.do("GET", "/api"+path, "", "X-PREFECT-API-VERSION: 0.1.0").status, path)
	}
	require.Equal(t, 405, s.do("PUT", "/api/hello", "", "X-PREFECT-API-VERSION: 0.1.0").status)
}

func TestCORS(t *testing.T) {
	const ask, header = "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: X-A, content-type"
	tests := []struct {
		name     string
		cors     CORS
		method   string
		headers  []string
		status   int
		body     string
		expected map[string]string
	}{
		{"preflight", CORS{}, "OPTIONS", []string{"Origin: http://a", ask, header}, 200, "OK", map[string]string{
			"Access-Control-Allow-Origin":  "*",
			"Access-Control-Allow-Methods": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY",
			"Access-Control-Allow-Headers": "X-A, content-type",
			"Access-Control-Max-Age":       "600",
			"Content-Type":                 "text/plain; charset=utf-8",
			"Vary":                         "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network",
		}},
		{"preflight without headers", CORS{}, "OPTIONS", []string{"Origin: http://a", ask}, 200, "OK", map[string]string{"Access-Control-Allow-Headers": ""}},
		{"unknown method", CORS{}, "OPTIONS", []string{"Origin: http://a", "Access-Control-Request-Method: FOO"}, 400, "Disallowed CORS method", nil},
		{"plain OPTIONS", CORS{}, "OPTIONS", []string{"Origin: http://a"}, 405, `{"detail":"Method Not Allowed"}`, map[string]string{"Access-Control-Allow-Origin": "*"}},
		{"simple", CORS{}, "GET", []string{"Origin: http://a"}, 200, `"👋"`, map[string]string{"Access-Control-Allow-Origin": "*", "Vary": "Origin"}},
		{"no origin", CORS{}, "GET", nil, 200, `"👋"`, map[string]string{"Access-Control-Allow-Origin": "", "Vary": "Origin"}},
		{"listed origin", CORS{Origins: []string{"http://a"}}, "GET", []string{"Origin: http://a"}, 200, `"👋"`, map[string]string{"Access-Control-Allow-Origin": "http://a"}},
		{"other origin", CORS{Origins: []string{"http://a"}}, "GET", []string{"Origin: http://b"}, 200, `"👋"`, map[string]string{"Access-Control-Allow-Origin": ""}},
		{"preflight of another origin", CORS{Origins: []string{"http://a"}, Methods: []string{"GET"}, Headers: []string{"X-B"}}, "OPTIONS",
			[]string{"Origin: http://b", ask, header}, 400, "Disallowed CORS origin, method, headers", map[string]string{
				"Access-Control-Allow-Origin":  "",
				"Access-Control-Allow-Methods": "GET",
				"Access-Control-Allow-Headers": "Accept, Accept-Language, Content-Language, Content-Type, X-B",
			}},
		{"preflight of listed headers", CORS{Headers: []string{"x-a"}}, "OPTIONS", []string{"Origin: http://b", ask, header}, 200, "OK", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := serveRoutes(t, Config{CORS: test.cors}).do(test.method, "/api/hello", "", test.headers...)
			require.Equal(t, test.status, got.status)
			require.Equal(t, test.body, got.body)
			for name, value := range test.expected {
				require.Equal(t, value, got.header.Get(name), name)
			}
		})
	}
}

func TestCompression(t *testing.T) {
	long := strings.Repeat("prefect ", 500)
	s := serveRoutes(t, Config{},
		route{Method: "GET", Path: "/long", Handle: func(c *call) error { return c.reply(200, long) }},
		route{Method: "GET", Path: "/short", Handle: func(c *call) error { return c.reply(200, long[:400]) }},
	)
	for range 3 { // pooled writers are good for more than one answer
		got := s.do("GET", "/api/long", "", "Accept-Encoding: gzip, deflate")
		require.Equal(t, "gzip", got.header.Get("Content-Encoding"))
		require.Equal(t, "Accept-Encoding, Origin", got.header.Get("Vary"))
		r, err := gzip.NewReader(strings.NewReader(got.body))
		require.NoError(t, err)
		plain, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, `"`+long+`"`, string(plain))
	}
	require.Empty(t, s.do("GET", "/api/long", "").header.Get("Content-Encoding"))
	require.Empty(t, s.do("GET", "/api/short", "", "Accept-Encoding: gzip").header.Get("Content-Encoding"))
}

func TestContentTypes(t *testing.T) {
	type model struct {
		_    struct{} `check:"closed"`
		Name string   `json:"name" check:"required"`
	}
	type params struct {
		_     struct{} `check:"params"`
		Limit int      `json:"limit" check:"default=200"`
	}
	s := serveRoutes(t, Config{},
		route{Method: "POST", Path: "/model", Handle: func(c *call) error {
			var m model
			if err := c.decode(&m); err != nil {
				return err
			}
			return c.reply(200, m.Name)
		}},
		route{Method: "POST", Path: "/params", Handle: func(c *call) error {
			var p params
			if err := c.decode(&p); err != nil {
				return err
			}
			return c.reply(200, p.Limit)
		}},
	)
	for _, contentType := range []string{"", "application/json", "application/json; charset=utf-8", "Application/JSON", "application/problem+json"} {
		got := s.do("POST", "/api/model", `{"name":"x"}`, "Content-Type: "+contentType)
		require.Equal(t, `"x"`, got.body, contentType)
	}
	for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "foo/x+json", "nonsense"} {
		got := s.do("POST", "/api/model", `{"name":"x"}`, "Content-Type: "+contentType)
		require.Equal(t, 422, got.status, contentType)
		require.Equal(t, `{"exception_message":"Invalid request received.","exception_detail":[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","input":"{\"name\":\"x\"}"}],"request_body":"{\"name\":\"x\"}"}`, got.body)
		require.Equal(t, `200`, s.do("POST", "/api/params", `{"limit":"bad"}`, "Content-Type: "+contentType).body)
	}
	require.Equal(t, `7`, s.do("POST", "/api/params", `{"limit":7}`).body)
	require.Equal(t, `200`, s.do("POST", "/api/params", ``).body)
	require.Equal(t, 422, s.do("POST", "/api/params", `{"limit":"bad"}`).status)
	require.Equal(t, `{"exception_message":"Invalid request received.","exception_detail":[{"type":"json_invalid","loc":["body",1],"msg":"JSON decode error","input":{},"ctx":{"error":"Expecting property name enclosed in double quotes"}}],"request_body":"{bad"}`,
		s.do("POST", "/api/model", `{bad`).body)
}

func TestBodiesMayBeLargeButNotTooLarge(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	size := route{Method: "POST", Path: "/size", Handle: func(c *call) error {
		var body string
		if err := c.decode(&body); err != nil {
			return err
		}
		return c.reply(200, len(body))
	}}
	const limit = 8 << 20
	s := serveOn(t, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }, &stub{}, Config{MaxBody: limit}, []route{size}, nil)
	require.Equal(t, "5000000", s.do("POST", "/api/size", `"`+strings.Repeat("x", 5_000_000)+`"`).body)
	got := s.do("POST", "/api/size", `"`+strings.Repeat("x", 2*limit)+`"`)
	require.Equal(t, 413, got.status)
	require.Equal(t, `{"detail":"Request body is too large: this server takes 8388608 bytes."}`, got.body)
	got = s.do("GET", "/api/"+strings.Repeat("x", 100_000), "")
	require.Equal(t, 431, got.status)
	require.Equal(t, 404, s.do("GET", "/api/"+strings.Repeat("x", 20_000), "").status)
	require.Equal(t, 400, s.raw("nonsense\r\n\r\n").status)
}

func TestQueryTakesTheLastValue(t *testing.T) {
	s := serveRoutes(t, Config{}, route{Method: "GET", Path: "/q", Handle: func(c *call) error {
		var q struct {
			_  struct{}   `check:"params"`
			ID prefect.ID `json:"id" check:"required"`
		}
		if err := c.query(&q); err != nil {
			return err
		}
		return c.reply(200, q)
	}})
	require.Equal(t, `{"id":"`+someID+`"}`, s.do("GET", "/api/q?id=x&id=7C6B1C1E000040008000000000000000", "").body)
	require.Equal(t, 422, s.do("GET", "/api/q?id=x", "").status)
}

func TestCredentials(t *testing.T) {
	s := serveRoutes(t, Config{AuthString: "admin:pa:ss"})
	basic := func(secret string) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(secret))
	}
	for _, test := range []struct {
		path   string
		header string
		status int
	}{
		{"/api/hello", basic("admin:pa:ss"), 200},
		{"/api/hello", strings.Replace(basic("admin:pa:ss"), "Basic", "basic", 1), 200},
		{"/api/hello", "", 401},
		{"/api/hello", basic("admin:wrong"), 401},
		{"/api/hello", basic("admin:pa:ss!"), 401},
		{"/api/hello", "Authorization: Bearer x", 401},
		{"/api/hello", "Authorization: Basic ???", 401},
		{"/api/nope", "", 401},
		{"/api/hello/", "", 401},
		{"/api/%68ello", "", 401},
		{"/api/nope", basic("admin:pa:ss"), 404},
		{"/api/health", "", 200},
		{"/api/ready", "", 200},
		{"/nope", "", 404},
	} {
		got := s.do("GET", test.path, "", test.header)
		require.Equal(t, test.status, got.status, "%s %s", test.path, test.header)
		if got.status == 401 {
			require.Equal(t, `{"exception_message":"Unauthorized"}`, got.body)
			require.Empty(t, got.header.Get("WWW-Authenticate"))
		}
	}
}

func TestRequestIDs(t *testing.T) {
	s := serveRoutes(t, Config{})
	require.Equal(t, "abc", s.do("GET", "/api/hello", "", "X-Request-Id: abc").header.Get("X-Request-Id"))
	require.Contains(t, s.log.String(), "request=abc route=/hello kind=stale method=GET path=/api/hello status=200")
	first, second := s.do("GET", "/api/hello", ""), s.do("GET", "/api/hello", "")
	require.NotEqual(t, first.header.Get("X-Request-Id"), second.header.Get("X-Request-Id"))
}

func TestBasePath(t *testing.T) {
	s := serveRoutes(t, Config{BasePath: "/prefect/api"})
	require.Equal(t, 200, s.do("GET", "/prefect/api/hello", "").status)
	require.Equal(t, 404, s.do("GET", "/api/hello", "").status)
}

func TestShutdownWaitsForRequests(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := serveRoutes(t, Config{}, route{Method: "GET", Path: "/slow", Kind: read, Handle: func(c *call) error {
		close(entered)
		<-release
		return c.reply(200, c.ctx.Err() == nil)
	}})
	got := make(chan answer, 1)
	go func() { got <- s.do("GET", "/api/slow", "") }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	require.Eventually(t, func() bool { _, err := s.dial(); return err != nil }, time.Second, time.Millisecond)
	require.Empty(t, stopped)
	close(release)
	require.Equal(t, `true`, (<-got).body)
	require.NoError(t, <-stopped)
}

// Who stops a server that is just starting does not wait for ever.
func TestShutdownBeforeServe(t *testing.T) {
	s := New(nil, Config{})
	require.NoError(t, s.Shutdown(t.Context()))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, s.Serve(l))
	_, err = net.Dial("tcp", l.Addr().String())
	require.Error(t, err)
}

// A read that was cut off did nothing; what became of a write nobody knows.
func TestShutdownCutsOffWhatTakesTooLong(t *testing.T) {
	for kind, status := range map[kind]int{read: 503, write: 502} {
		entered := make(chan struct{})
		s := serveRoutes(t, Config{}, route{Method: "GET", Path: "/stuck", Kind: kind, Handle: func(c *call) error {
			close(entered)
			<-c.ctx.Done()
			return c.ctx.Err()
		}})
		got := make(chan answer, 1)
		go func() { got <- s.do("GET", "/api/stuck", "") }()
		<-entered
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
		require.Equal(t, status, (<-got).status)
	}
}
