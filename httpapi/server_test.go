package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp/fasthttputil"
	"go.uber.org/goleak"

	"prefectd/ops"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),    // one for ever
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"), // notices late that it may go
	)
}

// stub is a backend for what the frame itself needs.
type stub struct {
	Backend
	notReady error
}

func (b *stub) Ready(context.Context) error { return b.notReady }

func (b *stub) Streams() *ops.Hub { return nil }

func (b *stub) Status(context.Context) ops.Status { return ops.Status{Version: "test", Ready: true} }

// logs collects what a server logs.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// served is a server under test.
type served struct {
	*Server
	t      *testing.T
	log    *logs
	dial   func() (net.Conn, error)
	client *http.Client
}

// serveRoutes runs a server with some rows of the test's own, in memory.
func serveRoutes(t *testing.T, config Config, extra ...route) *served {
	l := fasthttputil.NewInmemoryListener()
	return serveOn(t, l, l.Dial, &stub{}, config, extra, nil)
}

// serveChannels runs a server with websockets of the test's own on a port.
func serveChannels(t *testing.T, config Config, list ...channel) *served {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	dial := func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }
	return serveOn(t, l, dial, &stub{}, config, nil, list)
}

func serveOn(t *testing.T, l net.Listener, dial func() (net.Conn, error), b Backend, config Config, extra []route, list []channel) *served {
	s := &served{t: t, log: &logs{}, dial: dial}
	if config.Log == nil {
		config.Log = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s.Server = newServer(b, config, append(routes(), extra...), list)
	s.client = &http.Client{
		Transport: &http.Transport{
			DialContext:        func(context.Context, string, string) (net.Conn, error) { return dial() },
			DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	done := make(chan error)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, s.Shutdown(ctx))
		require.NoError(t, <-done)
	})
	return s
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request; headers are "Name: value".
func (s *served) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	req, err := http.NewRequest(method, "http://prefect.test"+path, strings.NewReader(body))
	require.NoError(s.t, err)
	for _, h := range headers {
		if name, value, ok := strings.Cut(h, ": "); ok {
			req.Header.Add(name, value)
		}
	}
	resp, err := s.client.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// raw sends bytes and reads one answer.
func (s *served) raw(request string) answer {
	s.t.Helper()
	conn, err := s.dial()
	require.NoError(s.t, err)
	defer conn.Close()
	go io.WriteString(conn, request)
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	require.NoError(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return answer{resp.StatusCode, resp.Header, string(text)}
}

const someID = "7c6b1c1e-0000-4000-8000-000000000000"

// echo is a handler that tells the values in its path.
func echo(names ...string) func(*call) error {
	return func(c *call) error {
		values := map[string]string{}
		for _, name := range names {
			if isID(name) {
				values[name] = c.id(name).String()
			} else {
				values[name] = c.param(name)
			}
		}
		return c.reply(200, values)
	}
}

func TestRouting(t *testing.T) {
	s := serveRoutes(t, Config{},
		route{Method: "GET", Path: "/things/{id}", Handle: echo("id")},
		route{Method: "DELETE", Path: "/things/{id}", Handle: echo("id")},
		route{Method: "POST", Path: "/things/", Handle: echo()},
		route{Method: "POST", Path: "/things/filter", Handle: echo()},
		route{Method: "GET", Path: "/things/name/{name}", Handle: echo("name")},
		route{Method: "POST", Path: "/things/{name}/parts/{key}", Handle: echo("name", "key")},
		route{Method: "GET", Path: "/plain", Handle: echo()},
	)
	const notFound, notAllowed = `{"detail":"Not Found"}`, `{"detail":"Method Not Allowed"}`
	tests := []struct {
		method, path string
		status       int
		body         string
		header       string // "Name: value" that must be there
	}{
		{"GET", "/api/things/" + someID, 200, `{"id":"` + someID + `"}`, "Content-Type: application/json"},
		{"GET", "/api/things/7C6B1C1E000040008000000000000000", 200, `{"id":"` + someID + `"}`, ""},
		{"GET", "/api/things/7c6b1c1e0000-4000-8000-000000000000", 200, `{"id":"` + someID + `"}`, ""},
		{"GET", "/api/things/abc", 404, notFound, ""},
		{"GET", "/api/things/{" + someID + "}", 404, notFound, ""},
		{"GET", "/api/things/" + someID + "0", 404, notFound, ""},
		{"GET", "/api/things/" + someID[:35], 404, notFound, ""},
		{"GET", "/api/things/name/a%20b", 200, `{"name":"a b"}`, ""},
		{"GET", "/api/things/name/a+b", 200, `{"name":"a+b"}`, ""},
		{"GET", "/api/things/name/100%25", 200, `{"name":"100%"}`, ""},
		{"GET", "/api/things/name/100%", 200, `{"name":"100%"}`, ""},
		{"GET", "/api/things/name/%zz", 200, `{"name":"%zz"}`, ""},
		{"GET", "/api/things/name/%C3%A9", 200, `{"name":"é"}`, ""},
		{"GET", "/api/things/name/%7Bx%7D", 200, `{"name":"{x}"}`, ""},
		{"GET", "/api/things/name/a%2Fb", 404, notFound, ""},
		{"GET", "/api/things/name/", 404, notFound, ""},
		{"GET", "/api/things%2Fname/x", 200, `{"name":"x"}`, ""}, // decoded before it is matched
		{"POST", "/api/things/filter/parts/k", 200, `{"key":"k","name":"filter"}`, ""},
		{"POST", "/api/things/f/parts/k", 200, `{"key":"k","name":"f"}`, ""},
		{"POST", "/api/things//parts/k", 404, notFound, ""},
		{"GET", "/api/nope", 404, notFound, ""},
		{"GET", "/api", 404, notFound, ""},
		{"GET", "/api/", 404, notFound, ""},
		{"GET", "/", 404, notFound, ""},
		{"GET", "/nope", 404, notFound, ""},
		{"GET", "/api//plain", 404, notFound, ""},
		{"GET", "/api/x/../plain", 404, notFound, ""},
		{"GET", "/api/Plain", 404, notFound, ""},

		{"PUT", "/api/things/" + someID, 405, notAllowed, "Allow: GET, DELETE"},
		{"HEAD", "/api/things/" + someID, 405, "", "Allow: GET, DELETE"},
		{"OPTIONS", "/api/things/filter", 405, notAllowed, "Allow: POST"},
		{"QUERY", "/api/things/filter", 405, notAllowed, "Allow: POST"},
		{"websocket upgrade", "/api/events/in", 0, "", ""},
		{"PUT", "/api/things/abc", 404, notFound, ""},
		{"OPTIONS", "/api/nope", 404, notFound, ""},

		{"POST", "/api/things", 307, "", "Location: http://prefect.test/api/things/"},
		{"GET", "/api/things", 307, "", "Location: http://prefect.test/api/things/"},
		{"POST", "/api/things?a=1&b=%2F", 307, "", "Location: http://prefect.test/api/things/?a=1&b=%2F"},
		{"GET", "/api/plain/", 307, "", "Location: http://prefect.test/api/plain"},
		{"GET", "/api/plain//", 307, "", "Location: http://prefect.test/api/plain"},
		{"GET", "/api/things/" + someID + "/", 307, "", "Location: http://prefect.test/api/things/" + someID},
		{"GET", "/api/things/name/a%20b/", 307, "", "Location: http://prefect.test/api/things/name/a%20b"},
		{"GET", "/api/things/abc/", 404, notFound, ""},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			if test.status == 0 { // what no client of Go's can send
				got := s.raw(test.method + " " + test.path + " HTTP/1.1\r\nHost: x\r\n\r\n")
				require.GreaterOrEqual(t, got.status, 400)
				return
			}
			got := s.raw(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: prefect.test\r\nConnection: close\r\n\r\n", test.method, test.path))
			require.Equal(t, test.status, got.status)
			require.Equal(t, test.body, got.body)
			require.Equal(t, "Origin", got.header.Get("Vary"))
			if name, value, ok := strings.Cut(test.header, ": "); ok {
				require.Equal(t, value, got.header.Get(name))
			}
			require.NotEmpty(t, got.header.Get("Date"))
			require.NotEmpty(t, got.header.Get("X-Request-Id"))
		})
	}
}

func TestRedirectTellsTheAddressThatTheClientKnows(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := serveOn(t, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }, &stub{}, Config{}, nil, nil)
	const request = "GET /api/hello/ HTTP/1.0\r\n%s\r\n"
	for headers, location := range map[string]string{
		"Host: example.com:99\r\n":                          "http://example.com:99/api/hello",
		"Host: example.com\r\nX-Forwarded-Proto: https\r\n": "https://example.com/api/hello",
		"Host: [::1]:4200\r\n":                              "http://[::1]:4200/api/hello",
		"":                                                  "http://" + l.Addr().String() + "/api/hello",
	} {
		got := s.raw(fmt.Sprintf(request, headers))
		require.Equal(t, 307, got.status, headers)
		require.Equal(t, location, got.header.Get("Location"))
	}
}

func TestOperationsThatAreNotBuilt(t *testing.T) {
	s := serveRoutes(t, Config{})
	got := s.do("POST", "/api/block_types/install_system_block_types", ``)
	require.Equal(t, 501, got.status)
	require.Equal(t, `{"detail":"POST /block_types/install_system_block_types is not implemented by this server yet"}`, got.body)
}

func TestRootRoutes(t *testing.T) {
	s := serveRoutes(t, Config{Settings: []byte(`{"server":{"api":{"default_limit":200}}}`)})
	for _, test := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", "/api/health", "", 200, `true`},
		{"GET", "/api/ready", "", 200, `{"message":"OK"}`},
		{"GET", "/api/hello", "", 200, `"👋"`},
		{"GET", "/api/version", "", 200, `"0.8.4"`},
		{"GET", "/api/admin/version", "", 200, `"3.9.1"`},
		{"GET", "/api/admin/settings", "", 200, `{"server":{"api":{"default_limit":200}}}`},
		{"GET", "/api/csrf-token?client=a", "", 422, `{"detail":"CSRF protection is disabled."}`},
		{"GET", "/api/csrf-token?client=", "", 422, `{"detail":"CSRF protection is disabled."}`},
		{"GET", "/api/csrf-token", "", 422, `{"exception_message":"Invalid request received.","exception_detail":[{"type":"missing","loc":["query","client"],"msg":"Field required","input":null}],"request_body":null}`},
		{"PUT", "/api/admin/storage", ``, 422, `{"exception_message":"Invalid request received.","exception_detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}],"request_body":null}`},
		{"PUT", "/api/admin/storage", `{"default_result_storage_block_id":null}`, 422, `{"exception_message":"Invalid request received.","exception_detail":[{"type":"uuid_type","loc":["body","default_result_storage_block_id"],"msg":"UUID input should be a string, bytes or UUID object","input":null}],"request_body":{"default_result_storage_block_id":null}}`},
	} {
		got := s.do(test.method, test.path, test.body)
		require.Equal(t, test.status, got.status, test.path)
		require.Equal(t, test.answer, got.body, test.path)
		if test.status == 204 {
			require.Empty(t, got.header.Get("Content-Type"))
		}
	}
}
