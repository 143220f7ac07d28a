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

type serverCommand struct {
	DataDir string `aliases:"data" env:"PREFECTD_DATA_DIR" default:"./prefectd-data" type:"path" help:"Folder of the node's data; made when it is not there."`
	address
	ClusterPort int    `env:"PREFECTD_CLUSTER_PORT" default:"4201" help:"Port on which nodes of a cluster speak to each other. Not used by a single node."`
	GossipPort  int    `env:"PREFECTD_GOSSIP_PORT" default:"4202" help:"Port on which nodes of a cluster find each other. Not used by a single node."`
	LogLevel    string `env:"PREFECTD_LOG_LEVEL" help:"DEBUG, INFO, WARNING, ERROR or CRITICAL; WARNING, or what PREFECT_SERVER_LOGGING_LEVEL says."`
	MaxBody     uint   `env:"PREFECTD_MAX_BODY" default:"64" help:"Largest request body, in MiB."`
	NodeName    string `env:"PREFECTD_NODE_NAME" help:"Name of a new node; the name of the machine. It stays for ever."`
	RunGroups   int    `env:"PREFECTD_RUN_GROUPS" help:"Number of groups that a new cluster spreads its runs over, 1 to 256; ${run_groups}. It stays for ever."`
}

// drainTime is how long requests in flight may take when the server stops.
const drainTime = 20 * time.Second

// garbage is how much memory may be garbage before it is collected, in percent of
// what is in use, unless GOGC says otherwise. That is little here, so Go's 100
// would have it collected all the time.
const garbage = 200

// Run serves until a signal.
func (c *serverCommand) Run(out output) error {
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
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	listener, err := listen(settings.Host, settings.Port)
	if err != nil {
		return err
	}
	defer listener.Close() // closed before, when the server served
	n, err := node.Start(node.Config{
		DataDir: c.DataDir, Name: c.NodeName, RunGroups: c.RunGroups,
		Settings: settings, Version: programVersion(), Log: log,
	})
	if err != nil {
		return err
	}
	warn(log, ignored)
	err = serve(n, listener, c.apiConfig(settings, log), signals, func() {
		fmt.Fprintf(out, "prefectd %s serves http://%s%s from %s\n", programVersion(), listener.Addr(), basePath(settings), c.DataDir)
	})
	return errors.Join(err, n.Stop())
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
	go func() {
		<-signals
		os.Exit(1) // who asks twice does not want to wait
	}()
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	return errors.Join(failure, api.Shutdown(ctx), <-ended)
}

func (c *serverCommand) apiConfig(s *node.Settings, log *slog.Logger) httpapi.Config {
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
		DefaultLimit: s.DefaultLimit,
		MaxBody:      int(c.MaxBody) << 20,
		KeepAlive:    node.Seconds(float64(s.KeepAlive)),
		PingInterval: node.Seconds(s.PingInterval),
		PingTimeout:  node.Seconds(s.PingTimeout),
		StreamEvents: s.EventsStreamOut,
		StreamLogs:   s.LogsStreamOut || s.LogsPublish,
		Settings:     document,
		Log:          log,
	}
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
	for _, name := range ignored {
		if strings.Contains(name, "CSRF_PROTECTION_ENABLED") {
			log.Warn("CSRF protection is not built yet: requests are not checked", "variable", name)
		}
	}
	if len(ignored) > 0 {
		log.Warn("settings without effect here", "variables", strings.Join(ignored, " "))
	}
}
