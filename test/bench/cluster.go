package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"prefectd/test/client"
	"prefectd/test/proc"
)

// nodes are servers that together are measured, all of them on this machine.
type nodes struct {
	processes []*proc.Process // that were started
	pids      []int           // of all that do the work
	clients   []*client.Client
	pause     func() // instead of an end
}

// clusterCommand compares clusters of several sizes: the same load through all of
// their nodes.
func clusterCommand(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("bench cluster", flag.ContinueOnError)
	binary := f.String("prefectd", "bin/prefectd", "the prefectd binary")
	sizes := f.String("nodes", "1,3,5", "the sizes, of which the first is the one that the others are compared to")
	repeat := f.Int("repeat", 3, "how often each is measured; the median counts")
	length := f.Duration("for", 6*time.Second, "how long a measurement takes")
	beside := f.String("beside", "", "URLs of the API of other servers that run already, with commas between; they come first, and the others are compared to them")
	pids := f.String("pids", "", "processes of those servers, with their databases")
	if err := f.Parse(args); err != nil {
		return err
	}
	setups, err := clusterSetups(*binary, *sizes)
	if err != nil {
		return err
	}
	if *beside != "" {
		other, err := runningSetup(*beside, *pids)
		if err != nil {
			return err
		}
		setups = append([]*setup{other}, setups...)
	}
	for range *repeat {
		for _, s := range setups {
			note("%s", s.name)
			if err := s.measure(ctx, *length); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	printSetups(setups)
	return nil
}

// setup is one way to run servers, and what was measured of it, by load.
type setup struct {
	name    string
	start   func(ctx context.Context, folder string) (*nodes, error)
	figures map[string][]figure
}

// clusterSetups are clusters of several sizes.
func clusterSetups(binary, sizes string) (list []*setup, err error) {
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number of nodes", text)
		}
		start := func(ctx context.Context, folder string) (*nodes, error) {
			c := &nodes{}
			if err := c.start(ctx, binary, folder, n); err != nil {
				c.stop()
				return nil, err
			}
			return c, nil
		}
		list = append(list, &setup{name: text, start: start, figures: map[string][]figure{}})
	}
	return list, nil
}

// runningSetup are servers that somebody started. They stand still while others are
// measured.
func runningSetup(urls, pids string) (*setup, error) {
	other := &nodes{}
	for text := range strings.SplitSeq(pids, ",") {
		pid, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no number of a process", text)
		}
		other.pids = append(other.pids, pid)
	}
	signal := func(what syscall.Signal) {
		for _, pid := range other.pids {
			syscall.Kill(pid, what)
		}
	}
	signal(syscall.SIGSTOP)
	start := func(context.Context, string) (*nodes, error) {
		signal(syscall.SIGCONT)
		c := &nodes{pids: other.pids, pause: func() { signal(syscall.SIGSTOP) }}
		for url := range strings.SplitSeq(urls, ",") {
			if err := c.connect(url); err != nil {
				return nil, err
			}
		}
		return c, nil
	}
	return &setup{name: "other", start: start, figures: map[string][]figure{}}, nil
}

// workloads of a cluster, by name and number of clients.
var clusterLoads = []struct {
	name    string
	clients int
	op      func(ctx context.Context, c *client.Client, flow string) error
}{
	{"flow runs, 1 client", 1, lifecycle},
	{"flow runs, 4 clients", 4, lifecycle},
	{"flow runs, 16 clients", 16, lifecycle},
	{"flow runs, 64 clients", 64, lifecycle},
	{"logs, 100 a request, 4 clients", 4, func(ctx context.Context, c *client.Client, _ string) error {
		return c.PostLogs(ctx, logRecords(newID(), 0))
	}},
}

func lifecycle(ctx context.Context, c *client.Client, flow string) error {
	return c.Lifecycle(ctx, flow)
}

// measure starts the servers anew and gives them every load.
func (s *setup) measure(ctx context.Context, length time.Duration) error {
	folder, err := os.MkdirTemp("", "prefectd-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	c, err := s.start(ctx, folder)
	if err != nil {
		return err
	}
	defer c.stop()
	flow, err := c.clients[0].EnsureFlow(ctx, "load")
	if err != nil {
		return err
	}
	for _, load := range clusterLoads {
		op := func(ctx context.Context, worker int) error {
			return load.op(ctx, c.clients[worker%len(c.clients)], flow)
		}
		if _, err := drivePhase(ctx, load.clients, length/6, op); err != nil {
			return fmt.Errorf("%s: %w", load.name, err)
		}
		before, began := c.cpu(), time.Now()
		took, err := drivePhase(ctx, load.clients, length, op)
		if err != nil {
			return fmt.Errorf("%s: %w", load.name, err)
		}
		wall, cpu := time.Since(began), c.cpu()-before
		slices.Sort(took)
		s.figures[load.name] = append(s.figures[load.name], figure{
			rate: float64(len(took)) / wall.Seconds(), cpu: cpu / time.Duration(len(took)), p50: took[len(took)/2], p95: took[len(took)*95/100],
		})
	}
	return nil
}

// start makes a cluster and waits until its groups are where they should be.
func (c *nodes) start(ctx context.Context, binary, folder string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	seed, token := "", ""
	for i := range n {
		var ports [3]int
		for p := range ports {
			var err error
			if ports[p], err = proc.FreePort(); err != nil {
				return err
			}
		}
		data := filepath.Join(folder, fmt.Sprint("n", i+1))
		args := []string{"server"}
		if i > 0 {
			args = []string{"join", seed, "--token", token}
		}
		args = append(args, "--node-name", fmt.Sprint("n", i+1), "--data-dir", data, "--port", strconv.Itoa(ports[0]),
			"--cluster-port", strconv.Itoa(ports[1]), "--gossip-port", strconv.Itoa(ports[2]))
		p, err := proc.Start(proc.Command{
			Path: binary, Args: args, URL: fmt.Sprintf("http://127.0.0.1:%d/api", ports[0]), Output: filepath.Join(folder, "log"),
		})
		if err != nil {
			return err
		}
		c.processes, c.pids = append(c.processes, p), append(c.pids, p.PID)
		if err := p.WaitReady(ctx); err != nil {
			output, _ := os.ReadFile(filepath.Join(folder, "log"))
			return fmt.Errorf("%w\n%s", err, output)
		}
		if i == 0 {
			out, err := exec.CommandContext(ctx, binary, "token", "--data-dir", data).Output()
			if err != nil {
				return fmt.Errorf("token: %w", err)
			}
			seed, token = fmt.Sprint("127.0.0.1:", ports[1]), strings.TrimSpace(string(out))
		}
		if err := c.connect(p.URL); err != nil {
			return err
		}
	}
	return c.settled(ctx)
}

func (c *nodes) connect(url string) error {
	api, err := client.New(url)
	if err != nil {
		return err
	}
	api.RetryWait = retryWait
	c.clients = append(c.clients, api)
	return nil
}

// settled waits until replicas and leaders are spread.
func (c *nodes) settled(ctx context.Context) error {
	for {
		var groups []struct {
			Group          int    `json:"group"`
			Leader         string `json:"leader"`
			Voters, Placed []string
			Healthy        bool `json:"healthy"`
			Replicas       []struct{}
		}
		if err := c.clients[0].Call(ctx, "GET", "/cluster/groups", nil, &groups); err != nil {
			return err
		}
		done, leads := true, map[string]int{}
		for _, g := range groups {
			leads[g.Leader]++
			done = done && g.Healthy && len(g.Replicas) == len(g.Voters) && len(g.Voters) >= min(3, len(c.processes))
		}
		for _, n := range leads {
			done = done && n <= (len(groups)+len(c.processes)-1)/len(c.processes)
		}
		if done {
			return nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return errors.New("the groups are not where they should be")
		}
	}
}

// cpu is the processor time of all nodes.
func (c *nodes) cpu() (sum time.Duration) {
	for _, pid := range c.pids {
		sum += proc.UsageOf(pid).CPU
	}
	return sum
}

func (c *nodes) stop() {
	for _, p := range c.processes {
		p.Kill()
	}
	for _, api := range c.clients {
		api.Close()
	}
	if c.pause != nil {
		c.pause()
	}
}

// median is the measurement with the median rate.
func median(list []figure) figure {
	list = slices.SortedFunc(slices.Values(list), func(a, b figure) int {
		if a.rate < b.rate {
			return -1
		}
		return 1
	})
	return list[len(list)/2]
}

func printSetups(setups []*setup) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "| load\t| nodes\t| per s\t| of the first\t| p50 ms\t| p95 ms\t| CPU ms\t| of the first\t|")
	fmt.Fprintln(table, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	for _, load := range clusterLoads {
		first := median(setups[0].figures[load.name])
		for _, s := range setups {
			f := median(s.figures[load.name])
			fmt.Fprintf(table, "| %s\t| %s\t| %.4g\t| %.3g\t| %.1f\t| %.1f\t| %.3g\t| %.3g\t|\n",
				load.name, s.name, f.rate, f.rate/first.rate, ms(f.p50), ms(f.p95), ms(f.cpu), ms(f.cpu)/ms(first.cpu))
		}
	}
	table.Flush()
}
