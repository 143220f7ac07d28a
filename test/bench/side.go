package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"prefectd/test/client"
	"prefectd/test/proc"
)

// side is one of the servers that are compared.
type side struct {
	name   string
	folder string // its data now
	root   string // where its folders are
	weight int    // how much work a measurement of fixed size gives it
	cmd    func(folder string, port int) proc.Command
	size   func(folder string) (size, error)

	process *proc.Process
	paused  bool
	client  *client.Client
	setUp   map[string]string // flows made on the running folder
	env     []string          // for its next start
}

// size is what a data folder takes on disk.
type size struct {
	Live int64 `json:"live"` // bytes in use where the state is kept
	Log  int64 `json:"log"`  // bytes of log files beside it
	Free int64 `json:"free"` // bytes kept for later use
}

// retryWait is how long a client waits after a 503 before it asks again. The
// stock client waits for seconds, which would measure its patience.
const retryWait = 50 * time.Millisecond

func pythonSide(o *options) *side {
	return &side{
		name: "python", root: filepath.Join(o.folder, "python"), weight: 1,
		cmd:  func(folder string, port int) proc.Command { return proc.Python(o.venv, folder, port) },
		size: func(folder string) (size, error) { return sqliteSize(o.venv, folder) },
	}
}

func prefectdSide(o *options) *side {
	return &side{
		name: "prefectd", root: filepath.Join(o.folder, "prefectd"), weight: 20,
		cmd:  func(folder string, port int) proc.Command { return proc.Prefectd(o.prefectd, folder, port) },
		size: folderSize,
	}
}

// startPatience is enough for the slowest start on a loaded machine.
const startPatience = 3 * time.Minute

// start makes sure that the server runs; on a new folder if there is none.
func (s *side) start(ctx context.Context) error {
	if s.process != nil {
		if s.paused {
			s.process.Resume()
			s.paused = false
		}
		return nil
	}
	_, err := s.launch(ctx)
	return err
}

// launch starts the server and answers how long it took until it was ready.
func (s *side) launch(ctx context.Context) (time.Duration, error) {
	if s.folder == "" {
		if err := s.fresh(); err != nil {
			return 0, err
		}
	}
	port, err := proc.FreePort()
	if err != nil {
		return 0, err
	}
	command := s.cmd(s.folder, port)
	command.Output, command.Env = filepath.Join(s.root, "server.log"), append(command.Env, s.env...)
	if s.client, err = client.New(command.URL); err != nil {
		return 0, err
	}
	s.client.RetryWait = retryWait
	began := time.Now()
	if s.process, err = proc.Start(command); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	if err := s.process.WaitReady(ctx); err != nil {
		output, _ := os.ReadFile(command.Output)
		return 0, fmt.Errorf("%s: %w\n%s", s.name, err, output[max(0, len(output)-2000):])
	}
	return time.Since(began), nil
}

// stop ends the server and waits for it.
func (s *side) stop() {
	if s.process == nil {
		return
	}
	if _, err := s.process.Stop(60 * time.Second); err != nil {
		note("%s: %v", s.name, err)
	}
	s.client.Close()
	s.process, s.paused = nil, false
}

// fresh stops the server and gives it an empty folder for the next start.
func (s *side) fresh() error {
	s.stop()
	s.setUp = map[string]string{}
	if err := os.MkdirAll(s.root, 0o755); err != nil {
		return err
	}
	folder, err := os.MkdirTemp(s.root, "data-")
	s.folder = folder
	return err
}

func (s *side) pause() {
	if s.process != nil && !s.paused {
		s.client.Close()
		s.process.Pause()
		s.paused = true
	}
}

// flow finds or makes a flow.
func (s *side) flow(ctx context.Context, name string) (string, error) {
	if id := s.setUp[name]; id != "" {
		return id, nil
	}
	id, err := s.client.EnsureFlow(ctx, name)
	s.setUp[name] = id
	return id, err
}

// sqliteSize asks the database, which may be in use.
func sqliteSize(venv, folder string) (z size, err error) {
	const script = `import sqlite3, sys
one = lambda q: db.execute(q).fetchone()[0]
db = sqlite3.connect(sys.argv[1])
page, free = one("PRAGMA page_size"), one("PRAGMA freelist_count")
print((one("PRAGMA page_count") - free) * page, free * page)`
	out, err := exec.Command(filepath.Join(venv, "bin", "python"), "-c", script, proc.SQLite(folder)).Output()
	if err != nil {
		return z, fmt.Errorf("size of the database: %w", err)
	}
	fields := strings.Fields(string(out))
	z.Live, _ = strconv.ParseInt(fields[0], 10, 64)
	z.Free, _ = strconv.ParseInt(fields[1], 10, 64)
	if wal, err := os.Stat(proc.SQLite(folder) + "-wal"); err == nil {
		z.Log = wal.Size()
	}
	return z, nil
}
