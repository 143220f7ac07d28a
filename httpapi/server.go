package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"prefectd/ops"
	"prefectd/prefect"
)

// Config says how the API is served. A zero value means the default.
type Config struct {
	Version        string        // the program's own
	BasePath       string        // mount of the API; /api
	AuthString     string        // user:password that clients must know; empty: none
	CORS           CORS          // pages that may call the API; all
	CSRF           CSRF          // whether changes need a token; no
	DefaultLimit   int           // default and maximum of `limit`; 200
	MaxBody        int           // bytes of a request's body; 64 MiB
	MaxRequests    int           // that are answered at once; 0: any number
	RequestRate    float64       // requests a second of a client address; 0: any number
	RequestTimeout time.Duration // until a request is given up; 30 s
	KeepAlive      time.Duration // how long a connection may idle; 5 s
	PingInterval   time.Duration // of websockets; 20 s
	PingTimeout    time.Duration // how long a websocket may owe a pong; 20 s
	StreamEvents   bool          // whether /events/out delivers what happens now
	StreamLogs     bool          // whether /logs/out does
	Reads          ops.Reads     // what reads show that don't say so themselves
	Metrics        bool          // whether the API has /metrics too, not only the root
	UI             UI            // the web UIs
	Settings       prefect.JSON  // the settings in effect, as GET /admin/settings tells them
	Log            *slog.Logger  // slog.Default()
}

func (c Config) withDefaults() Config {
	c.BasePath = orDefault(c.BasePath, "/api")
	c.CSRF.Lasts = orDefault(c.CSRF.Lasts, time.Hour)
	c.DefaultLimit = orDefault(c.DefaultLimit, 200)
	c.MaxBody = orDefault(c.MaxBody, 64<<20)
	c.RequestTimeout = orDefault(c.RequestTimeout, 30*time.Second)
	c.KeepAlive = orDefault(c.KeepAlive, 5*time.Second)
	c.PingInterval = orDefault(c.PingInterval, 20*time.Second)
	c.PingTimeout = orDefault(c.PingTimeout, 20*time.Second)
	if c.Settings == nil {
		c.Settings = prefect.JSON(`{}`)
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

func orDefault[T comparable](value, standard T) T {
	var zero T
	if value == zero {
		return standard
	}
	return value
}

// Server serves the API.
type Server struct {
	config  Config
	backend Backend
	table   *table
	http    *fasthttp.Server
	metrics *metrics
	log     *slog.Logger

	base      context.Context // of every request and socket
	giveUp    context.CancelFunc
	listeners listeners
	requests  gate
	rates     rates
	sockets   sockets
}

// Buffers and times of a connection. Long page tokens travel in the address, so
// its buffer is bigger than usual.
const (
	headerBuffer = 32 << 10
	transferTime = 2 * time.Minute // for reading one request, or writing one answer
)

// New makes a server of a backend.
func New(backend Backend, config Config) *Server {
	return newServer(backend, config, routes(), channels())
}

func newServer(backend Backend, config Config, routes []route, channels []channel) *Server {
	s := &Server{config: config.withDefaults(), backend: backend}
	s.log = s.config.Log
	s.requests.most, s.rates.perSecond = s.config.MaxRequests, s.config.RequestRate
	s.metrics = newMetrics(s.requests.count, channels)
	s.table = newTable(s.config.BasePath, routes, channels)
	s.base, s.giveUp = context.WithCancel(context.Background())
	s.http = &fasthttp.Server{
		Name:                         "prefectd",
		Handler:                      s.serve,
		ErrorHandler:                 s.unreadable,
		Logger:                       connectionLog{s.log},
		ReadBufferSize:               headerBuffer,
		MaxRequestBodySize:           s.config.MaxBody,
		ReadTimeout:                  transferTime,
		WriteTimeout:                 transferTime,
		IdleTimeout:                  s.config.KeepAlive,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		CloseOnShutdown:              true,
	}
	return s
}

// Serve answers requests from a listener until Shutdown, which may come first.
func (s *Server) Serve(l net.Listener) error {
	if !s.listeners.add(l) {
		return nil
	}
	if err := s.http.Serve(meteredListener{l, s.metrics.sent}); err != nil {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}

// cutTime is how long handlers get to notice that they were cut off.
const cutTime = 5 * time.Second

// Shutdown stops listening, asks the websockets' handlers to come to an end, and
// waits for them and for the requests in flight. Those that are not done when ctx
// ends are cut off, which is an error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.sockets.stop()
	err := s.http.ShutdownWithContext(ctx)
	s.listeners.close() // the http server knows only those that it got to
	s.requests.close()
	if left := s.wait(ctx); left != nil {
		err = left
	}
	s.giveUp()
	if err == nil {
		return nil
	}
	s.sockets.cut()
	ctx, cancel := context.WithTimeout(context.Background(), cutTime)
	defer cancel()
	if s.wait(ctx) != nil {
		return fmt.Errorf("requests do not end: %w", err)
	}
	return fmt.Errorf("requests were cut off: %w", err)
}

// wait returns when no request and no websocket is left.
func (s *Server) wait(ctx context.Context) error {
	if err := s.requests.wait(ctx); err != nil {
		return err
	}
	return s.sockets.wait(ctx)
}

// connectionLog takes what fasthttp says about connections.
type connectionLog struct{ log *slog.Logger }

func (l connectionLog) Printf(format string, args ...any) {
	l.log.Debug("connection", "err", fmt.Sprintf(format, args...))
}
