package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"prefectd/httpapi"
	"prefectd/httpapi/webui"
	"prefectd/node"
)

// address is where a server serves.
type address struct {
	Host string `env:"PREFECTD_HOST" help:"Address that the API is served on; 127.0.0.1, or what PREFECT_SERVER_API_HOST says."`
	Port *int   `env:"PREFECTD_PORT" help:"Port of the API; 4200, or what PREFECT_SERVER_API_PORT says."`
}

// settings reads the environment, in which flags overrule.
func (a address) settings() (s *node.Settings, ignored []string, err error) {
	s = node.DefaultSettings()
	if ignored, err = s.ReadEnvironment(os.Environ()); err != nil {
		return nil, nil, err
	}
	if a.Host != "" {
		s.Host = a.Host
	}
	if a.Port != nil {
		s.Port = *a.Port
	}
	return s, ignored, nil
}

// serving are the flags of a node.
type serving struct {
	DataDir string `aliases:"data" env:"PREFECTD_DATA_DIR" default:"./prefectd-data" type:"path" help:"Folder of the node's data; made when it is not there."`
	address
	ClusterPort  *int          `env:"PREFECTD_CLUSTER_PORT" placeholder:"4201" help:"Port on which nodes of a cluster speak to each other; 4201."`
	GossipPort   *int          `env:"PREFECTD_GOSSIP_PORT" placeholder:"4202" help:"Port, TCP and UDP, on which nodes of a cluster find each other; 4202."`
	LogLevel     string        `env:"PREFECTD_LOG_LEVEL" help:"DEBUG, INFO, WARNING, ERROR or CRITICAL; WARNING, or what PREFECT_SERVER_LOGGING_LEVEL says."`
	MaxBody      uint          `env:"PREFECTD_MAX_BODY" default:"64" help:"Largest request body, in MiB."`
	MaxRequests  uint          `env:"PREFECTD_MAX_REQUESTS" default:"10000" help:"How many requests are answered at once; others get 503. 0: any number."`
	RequestRate  float64       `env:"PREFECTD_REQUEST_RATE" placeholder:"N" help:"How many requests a second a client address may send on average; others get 429. Any number."`
	NodeName     string        `env:"PREFECTD_NODE_NAME" help:"Name of a new node; the name of the machine. It stays for ever."`
	Reads        string        `env:"PREFECTD_READS" default:"linearizable" enum:"linearizable,stale" help:"What a read shows that does not say so itself (header Prefectd-Reads): every write that was answered before on any node, or what the node has."`
	UIDir        string        `name:"ui-dir" env:"PREFECTD_UI_DIR" type:"path" help:"Folder with ui and ui-v2 of Prefect's package, prefect/server, instead of the web UI that was built in."`
	ReplaceAfter time.Duration `env:"PREFECTD_REPLACE_AFTER" default:"5m" help:"How long a node may be silent until others hold its groups, if there are any."`
	MaxLevel     int           `env:"PREFECTD_MAX_LEVEL" hidden:"" help:"The newest formats to know; for tests of upgrades."`
}

type serverCommand struct {
	serving
	RunGroups       int      `env:"PREFECTD_RUN_GROUPS" help:"Number of groups that a new cluster spreads its runs over, 1 to 256; ${run_groups}. It stays for ever."`
	Join            []string `env:"PREFECTD_JOIN" placeholder:"HOST,..." help:"Addresses for other nodes of all nodes that start together, by default at port 4201: a new node joins their cluster, or they found one. A node with data just starts."`
	BootstrapExpect uint     `env:"PREFECTD_BOOTSTRAP_EXPECT" placeholder:"N" help:"How many new nodes have to be there to found a cluster; all of --join."`
	Token           string   `env:"PREFECTD_TOKEN" help:"What prefectd token --new printed, the same on all nodes of --join."`
}

// Run serves until a signal.
func (c *serverCommand) Run(out output) error {
	return c.serve(out, node.Config{RunGroups: c.RunGroups, Bootstrap: c.bootstrap()})
}

// bootstrap is what the node shall do with others, if there are any. A token alone does
// not count: it may be there for prefectd join.
func (c *serverCommand) bootstrap() *node.Bootstrap {
	if len(c.Join) == 0 && c.BootstrapExpect == 0 {
		return nil
	}
	b := &node.Bootstrap{Expect: int(c.BootstrapExpect), Token: c.Token}
	for _, where := range c.Join {
		if where = strings.TrimSpace(where); where != "" {
			b.Addresses = append(b.Addresses, clusterAddress(where))
		}
	}
	return b
}

// clusterAddress is an address for other nodes with its port.
func clusterAddress(where string) string {
	if _, _, err := net.SplitHostPort(where); err != nil {
		return net.JoinHostPort(where, strconv.Itoa(clusterPort))
	}
	return where
}

type joinCommand struct {
	Address string `arg:"" help:"Address of a member for other nodes: host:port, by default port 4201."`
	Token   string `env:"PREFECTD_TOKEN" required:"" help:"What prefectd token prints on a member's machine."`
	serving
}

// Run serves until a signal, as a member of the cluster.
func (c *joinCommand) Run(out output) error {
	return c.serve(out, node.Config{Join: &node.Join{Address: clusterAddress(c.Address), Token: c.Token}})
}

// Ports of a node unless it is told others.
const (
	clusterPort = 4201
	gossipPort  = 4202
)

// drainTime is how long requests in flight may take when the server stops.
const drainTime = 20 * time.Second

// garbage is how much memory may be garbage before it is collected, in percent of
// what is in use, unless GOGC says otherwise. That is little here, so Go's 100
// would have it collected all the time.
const garbage = 200

// serve runs the node that config begins to describe.
func (c *serving) serve(out output, config node.Config) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	settings, ignored, err := c.settings()
	if err != nil {
		return err
	}
	if c.LogLevel != "" {
		settings.LogLevel = c.LogLevel
	}
	level, err := settings.Level()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	api, err := c.apiConfig(settings, log)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	listener, err := listen(settings.Host, settings.Port)
	if err != nil {
		return err
	}
	defer listener.Close() // closed before, when the server served
	n, err := c.start(config, settings, listener, signals, log)
	if config.Bootstrap != nil && errors.Is(err, context.Canceled) {
		log.Info("stopping before there is a cluster")
		return nil
	}
	if err != nil {
		return err
	}
	warn(log, ignored)
	err = serve(n, listener, api, signals, func() {
		fmt.Fprintf(out, "prefectd %s serves http://%s%s from %s\n", programVersion(), listener.Addr(), basePath(settings), c.DataDir)
	})
	return errors.Join(err, n.Stop())
}

// start starts the node. A signal ends it: it may be waiting to be admitted.
func (c *serving) start(config node.Config, s *node.Settings, api net.Listener, signals chan os.Signal, log *slog.Logger) (*node.Node, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	started := make(chan struct{})
	defer close(started)
	go func() { // until the node has started
		select {
		case s := <-signals:
			cancel()
			signals <- s
		case <-started:
		}
	}()
	config.DataDir, config.Name, config.ReplaceAfter, config.MaxLevel = c.DataDir, c.NodeName, c.ReplaceAfter, c.MaxLevel
	config.Settings, config.Version, config.Log = s, programVersion(), log
	config.Host, config.API = s.Host, api.Addr().String()
	config.ClusterPort, config.GossipPort = orPort(c.ClusterPort, clusterPort), orPort(c.GossipPort, gossipPort)
	config.Solitary = config.Join == nil && config.Bootstrap == nil && c.ClusterPort == nil && c.GossipPort == nil
	return node.Start(ctx, config)
}

func orPort(port *int, standard int) int {
	if port == nil {
		return standard
	}
	return *port
}

// listen takes the API's port; that comes before all that takes time.
func listen(host string, port int) (net.Listener, error) {
	where := net.JoinHostPort(host, strconv.Itoa(port))
	l, err := net.Listen("tcp", where)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d is in use on %s: stop the program that has it, or choose another with --port", port, host)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("port %d is reserved for the superuser: choose another with --port", port)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w", where, err)
	}
	return l, nil
}

// serve answers requests until a signal, the node's failure or the listener's.
func serve(n *node.Node, l net.Listener, config httpapi.Config, signals <-chan os.Signal, ready func()) error {
	api := httpapi.New(n, config)
	ended := make(chan error, 1)
	go func() { ended <- api.Serve(l) }()
	ready()
	var failure error
	select {
	case failure = <-ended:
		ended <- nil
	case failure = <-n.Failed():
	case s := <-signals:
		config.Log.Info("stopping", "signal", s)
	}
	stopped := make(chan struct{})
	defer close(stopped)
	go func() {
		select {
		case <-signals:
			os.Exit(1) // who asks twice does not want to wait
		case <-stopped:
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	return errors.Join(failure, api.Shutdown(ctx), <-ended)
}

func (c *serving) apiConfig(s *node.Settings, log *slog.Logger) (api httpapi.Config, err error) {
	pages, err := webui.Open(webui.Config{Folder: c.UIDir, Base: s.UIServeBase, NewUI: s.UIV2})
	if err != nil {
		return api, err
	}
	ui := httpapi.UI{Enabled: s.UIEnabled, Pages: pages, Base: s.UIServeBase, APIURL: s.UIAPIURL, Default: "v1"}
	if s.UIV2 {
		ui.Default = "v2"
	}
	reads, err := httpapi.ParseReads(c.Reads)
	if err != nil {
		panic(err) // the flag allows nothing else
	}
	document, err := s.Document()
	if err != nil {
		panic(err) // it is made from what is compiled in
	}
	return httpapi.Config{
		Version:    programVersion(),
		BasePath:   basePath(s),
		AuthString: string(s.AuthString),
		CORS: httpapi.CORS{
			Origins: list(s.CORSOrigins), Methods: list(s.CORSMethods), Headers: list(s.CORSHeaders),
		},
		CSRF:         httpapi.CSRF{Enabled: s.CSRFEnabled, Lasts: time.Duration(s.CSRFLasts) * time.Microsecond},
		DefaultLimit: s.DefaultLimit,
		MaxBody:      int(c.MaxBody) << 20,
		MaxRequests:  int(c.MaxRequests),
		RequestRate:  c.RequestRate,
		KeepAlive:    node.Seconds(float64(s.KeepAlive)),
		PingInterval: node.Seconds(s.PingInterval),
		PingTimeout:  node.Seconds(s.PingTimeout),
		StreamEvents: s.EventsStreamOut,
		StreamLogs:   s.LogsStreamOut || s.LogsPublish,
		Reads:        reads,
		Metrics:      s.Metrics,
		UI:           ui,
		Settings:     document,
		Log:          log,
	}, nil
}

func basePath(s *node.Settings) string {
	if s.BasePath != "" {
		return s.BasePath
	}
	return "/api"
}

// list reads a setting that holds several texts.
func list(text string) (items []string) {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// warn tells about settings that have no effect, so that nobody relies on them.
func warn(log *slog.Logger, ignored []string) {
	for _, name := range []string{"PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL"} {
		if i := slices.Index(ignored, name); i >= 0 {
			log.Warn("no data is read from the database of "+name+": prefectd keeps its own", "variable", name)
			ignored = slices.Delete(ignored, i, i+1)
		}
	}
	if len(ignored) > 0 {
		log.Warn("settings without effect here", "variables", strings.Join(ignored, " "))
	}
}
