package main

import (
	"context"
	_ "embed"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"prefectd/test/client"
	"prefectd/test/proc"
)

// The data set of the queries. Flow run number i is called load-run-%06d, is of
// flow load-flow-(i%5), has the tags load and t(i%50), and ends in the state
// that finalOf says. A started one has one task run. preload.py writes the same.

const dataFlows = 5

func finalOf(i int) string {
	switch i % 20 {
	case 16, 17:
		return "FAILED"
	case 18:
		return "RUNNING"
	case 19:
		return "PENDING"
	}
	return "COMPLETED"
}

//go:embed preload.py
var preload string

func newID() string { return uuid.NewString() }

// load brings a side's data set from one size to another: prefectd's through
// its API, the Python server's, which would take hours, by way of its database.
func (b *bench) load(ctx context.Context, s *side, from, to int, begin, end time.Time) error {
	if err := b.alone(ctx, s); err != nil {
		return err
	}
	var flows [dataFlows]string
	for i := range flows {
		id, err := s.flow(ctx, fmt.Sprintf("load-flow-%d", i))
		if err != nil {
			return err
		}
		flows[i] = id
	}
	if s.name != "python" {
		return s.loadByAPI(ctx, flows, from, to)
	}
	s.stop()
	script := exec.CommandContext(ctx, filepath.Join(b.opts.venv, "bin", "python"), "-", proc.SQLite(s.folder),
		"--first", strconv.Itoa(from), "--rows", strconv.Itoa(to-from), "--begin", seconds(begin), "--end", seconds(end))
	script.Stdin = strings.NewReader(preload)
	if out, err := script.CombinedOutput(); err != nil {
		return fmt.Errorf("preload: %w\n%s", err, out)
	}
	return s.start(ctx)
}

func seconds(t time.Time) string { return fmt.Sprintf("%.3f", float64(t.UnixMilli())/1000) }

const loaders = 8

func (s *side) loadByAPI(ctx context.Context, flows [dataFlows]string, from, to int) error {
	sockets := make(chan *client.EventSocket, loaders)
	for range loaders {
		socket, err := s.client.OpenEvents(ctx)
		if err != nil {
			return err
		}
		defer socket.Close()
		sockets <- socket
	}
	err := each(ctx, loaders, to-from, func(n int) error {
		socket := <-sockets
		defer func() { sockets <- socket }()
		i := from + n
		return s.loadRun(ctx, socket, flows[i%dataFlows], i)
	})
	if err != nil {
		return err
	}
	for range loaders {
		if err := (<-sockets).Checkpoint(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *side) loadRun(ctx context.Context, socket *client.EventSocket, flow string, i int) error {
	final := finalOf(i)
	run, err := s.client.CreateRun(ctx, client.NewRun{
		FlowID: flow, State: "PENDING", Name: fmt.Sprintf("load-run-%06d", i), Tags: []string{"load", fmt.Sprintf("t%d", i%50)},
	})
	if err != nil || final == "PENDING" {
		return err
	}
	if _, err := s.client.SetState(ctx, run.ID, "RUNNING"); err != nil {
		return err
	}
	task := client.NewTaskRun(run)
	for range client.TaskRunSteps {
		_, event, err := task.Next(final == "FAILED")
		if err == nil {
			err = socket.Send(event)
		}
		if err != nil {
			return err
		}
	}
	if final == "RUNNING" {
		return nil
	}
	_, err = s.client.SetState(ctx, run.ID, final)
	return err
}

// What the data set of a size, a multiple of 100, holds.
type contents struct{ runs int }

func (c contents) started() int { return c.runs / 20 * 19 }
func (c contents) failed() int  { return c.runs / 10 }

// events of the flow runs (1, 2 or 3 each) and of the task runs (3 each).
func (c contents) events() int {
	return c.runs/20*(1+2) + c.runs/10*9*3 + c.started()*client.TaskRunSteps
}

// isEvents says whether a number of events is right: a server may have added one
// for each flow.
func (c contents) isEvents(n int) bool { return n >= c.events() && n <= c.events()+dataFlows }
