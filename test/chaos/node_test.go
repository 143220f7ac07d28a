//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"prefectd/ops"
	"prefectd/test/client"
	"prefectd/test/facts"
	"prefectd/test/lab"
	"prefectd/test/proc"
)

const (
	apiPort     = 4200
	clusterPort = 4201
	gossipPort  = 4202
)

// node is a prefectd on a host of the lab. Its methods may be called side by side.
type node struct {
	host   *lab.Host
	folder string    // of its data
	log    string    // file that it writes to
	disk   *lab.Disk // that the data is on; nil for the machine's own
	args   []string  // of the command that starts it, the first time and every other
	client *client.Client

	mu      sync.Mutex
	process *proc.Process
	ended   bool
	full    bool  // its disk was full, so it may have ended by itself
	died    error // it ended by itself without that excuse
}

func newNode(host *lab.Host, folder string) (*node, error) {
	n := &node{host: host, folder: filepath.Join(folder, host.Name), log: filepath.Join(folder, host.Name+".log"), ended: true}
	var err error
	if n.client, err = client.New(n.api()); err != nil {
		return nil, err
	}
	n.client.GiveUpAfter(pinnedPatience)
	return n, nil
}

func (n *node) api() string { return fmt.Sprintf("http://%s:%d/api", n.host.Address, apiPort) }

// arguments are those that every form of start has.
func (n *node) arguments() []string {
	return []string{
		"--data-dir", n.folder, "--host", n.host.Address, "--node-name", n.host.Name, "--port", strconv.Itoa(apiPort),
		"--cluster-port", strconv.Itoa(clusterPort), "--gossip-port", strconv.Itoa(gossipPort),
	}
}

// notice finds out whether the process has ended. The caller holds the lock.
func (n *node) notice() {
	if n.ended {
		return
	}
	select {
	case <-n.process.Done():
		n.ended = true
		if !n.full {
			n.died = fmt.Errorf("%s ended by itself: %s; it said:\n%s", n.host.Name, n.process.Outcome(), n.tail())
		}
	default:
	}
}

// start starts the process unless it runs.
func (n *node) start() (err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notice()
	if !n.ended {
		return nil
	}
	n.process, err = proc.Start(n.host.Command(proc.Command{Path: *program, Args: n.args, URL: n.api(), Output: n.log, Env: facts.Environment()}))
	n.ended = err != nil
	return err
}

// ready waits until the node says that it can serve. One that ends instead is
// started again: perhaps it ran into a disk that was full just before.
func (n *node) ready(ctx context.Context) error {
	for {
		if err := n.start(); err != nil {
			return err
		}
		n.mu.Lock()
		p := n.process
		n.mu.Unlock()
		err := p.WaitReady(ctx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, proc.ErrEnded) || ctx.Err() != nil || n.defect() != nil {
			return fmt.Errorf("%w; it said:\n%s", err, n.tail())
		}
	}
}

// kill ends the process as a power cut to it would.
func (n *node) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notice()
	if n.ended {
		return
	}
	n.process.Kill()
	n.ended = true
}

// drainTime is the longest that a server may take to end after it was asked to.
const drainTime = 30 * time.Second

// stop ends the process as an operator does.
func (n *node) stop() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notice()
	if n.ended {
		return nil
	}
	n.ended = true
	code, err := n.process.Stop(drainTime)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s exited with %d after SIGTERM", n.host.Name, code)
	}
	return err
}

func (n *node) pause()  { n.withProcess((*proc.Process).Pause) }
func (n *node) resume() { n.withProcess((*proc.Process).Resume) }

func (n *node) withProcess(do func(*proc.Process)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.ended {
		do(n.process)
	}
}

// setFull notes that the disk is full, or that what followed of it is over.
func (n *node) setFull(full bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.full = full
}

// defect is what no fault excuses: that the process ended by itself, or panicked.
func (n *node) defect() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.notice(); n.died != nil {
		return n.died
	}
	said, err := os.ReadFile(n.log)
	if err != nil {
		return err
	}
	for _, sign := range []string{"panic: ", "DATA RACE", "fatal error: "} {
		if at := strings.Index(string(said), sign); at >= 0 {
			return errors.New(n.host.Name + ": " + string(said[at:min(len(said), at+3000)]))
		}
	}
	return nil
}

// statusTime is how long a node may take to tell its status: it asks the others,
// who may not answer.
const statusTime = 5 * time.Second

// status asks the node about itself.
func (n *node) status(ctx context.Context) (s ops.Status, err error) {
	return s, n.ask(ctx, statusTime, "/cluster/status", &s)
}

// answers reports whether the process answers soon.
func (n *node) answers(ctx context.Context) bool {
	return n.ask(ctx, time.Second, "/health", nil) == nil
}

func (n *node) ask(ctx context.Context, patience time.Duration, path string, answer any) error {
	c, err := client.New(n.api())
	if err != nil {
		return err
	}
	defer c.Close()
	c.GiveUpAfter(patience)
	return c.Call(ctx, "GET", path, nil, answer)
}

// tail is the end of what the node has said.
func (n *node) tail() string {
	said, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	return string(said[max(0, len(said)-3000):])
}
