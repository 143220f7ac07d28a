package crash

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"prefectd/test/client"
)

// load is several clients at work, and what they know.
type load struct {
	t      *testing.T
	flow   string
	runs   []*runFacts
	logs   []*logFacts
	tasks  map[string][]*taskFacts // by flow run
	order  []string                // the flow runs with task runs, the newest last
	events []*emitter
	names  int // of rounds so far
}

const (
	runClients   = 4
	logClients   = 2
	eventClients = 2
)

func newLoad(t *testing.T, s *server) *load {
	flow, err := s.client.EnsureFlow(t.Context(), "crash")
	require.NoError(t, err)
	l := &load{t: t, flow: flow, tasks: map[string][]*taskFacts{}}
	for range eventClients {
		l.events = append(l.events, &emitter{})
	}
	return l
}

// during keeps the clients busy while disturb does its work, which ends the
// server. An error before disturb says that it ends is a failure of the test.
func (l *load) during(s *server, disturb func(ending func())) {
	l.t.Helper()
	ctx, cancel := context.WithCancel(l.t.Context())
	defer cancel()
	var ending atomic.Bool
	var mu sync.Mutex // guards the lists of facts, and errs
	var errs []error
	var wait sync.WaitGroup
	work := func(once func() error) {
		wait.Go(func() {
			for ctx.Err() == nil {
				if err := once(); err != nil && !tooBusy(err) {
					if !ending.Load() {
						mu.Lock()
						errs = append(errs, err)
						mu.Unlock()
					}
					return
				}
			}
		})
	}
	l.names++
	for w := range runClients {
		n := 0
		work(func() error {
			n++
			f := &runFacts{name: fmt.Sprintf("crash-%d-%d-%d", l.names, w, n)}
			mu.Lock()
			l.runs = append(l.runs, f)
			mu.Unlock()
			return f.work(ctx, s.client, l.flow)
		})
	}
	for range logClients {
		work(func() error {
			f := &logFacts{run: uuid.NewString()}
			mu.Lock()
			l.logs = append(l.logs, f)
			mu.Unlock()
			return f.work(ctx, s.client)
		})
	}
	for _, e := range l.events {
		var run client.FlowRun
		note := func(t *taskFacts) {
			mu.Lock()
			defer mu.Unlock()
			if l.tasks[t.run] == nil {
				l.order = append(l.order, t.run)
			}
			l.tasks[t.run] = append(l.tasks[t.run], t)
		}
		work(func() (err error) {
			if run.ID == "" {
				if run, err = e.connect(ctx, s.client, l.flow); err != nil {
					return err
				}
			}
			return e.work(ctx, run, note)
		})
	}
	disturb(func() { ending.Store(true) })
	cancel()
	wait.Wait()
	for _, e := range l.events {
		e.disconnect()
	}
	require.NoError(l.t, errors.Join(errs...), "while the server was up")
}

func tooBusy(err error) bool {
	var refused *client.StatusError
	return errors.As(err, &refused) && refused.Status == 503
}

// since is what the clients have come to know after there were so many facts;
// of task runs those of the last two rounds, because a client sends again what
// no ping has covered.
func (l *load) since(runs, logs int) *load {
	newest := &load{t: l.t, runs: l.runs[runs:], logs: l.logs[logs:], tasks: map[string][]*taskFacts{}}
	for _, run := range l.order[max(0, len(l.order)-2*eventClients):] {
		newest.tasks[run] = l.tasks[run]
	}
	return newest
}

// check compares the server with everything that is known.
func (l *load) check(s *server) {
	l.t.Helper()
	ctx := l.t.Context()
	var checks []func() error
	for _, f := range l.runs {
		checks = append(checks, func() error { return f.check(ctx, s.client) })
	}
	for _, f := range l.logs {
		checks = append(checks, func() error { return f.check(ctx, s.client) })
	}
	for run, tasks := range l.tasks {
		checks = append(checks, func() error { return checkTasks(ctx, s.client, run, tasks) })
	}
	next := make(chan func() error)
	errs := make(chan error, len(checks))
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for check := range next {
				if err := check(); err != nil {
					errs <- err
				}
			}
		})
	}
	for _, check := range checks {
		next <- check
	}
	close(next)
	wait.Wait()
	close(errs)
	wrong := 0
	for err := range errs {
		if wrong++; wrong <= 10 {
			l.t.Error(err)
		}
	}
	if wrong > 0 {
		l.t.Fatalf("%d of %d facts do not hold", wrong, len(checks))
	}
}

// work takes a flow run through its life.
func (f *runFacts) work(ctx context.Context, c *client.Client, flow string) error {
	f.asked = true
	run, err := c.CreateRun(ctx, client.NewRun{FlowID: flow, Name: f.name, State: lifecycle[0]})
	if err != nil {
		return err
	}
	f.id, f.states, f.asked = run.ID, []string{run.StateID}, false
	for _, state := range lifecycle[1:] {
		f.asked = true
		id, err := c.SetState(ctx, f.id, state)
		if err != nil {
			return err
		}
		f.states, f.asked = append(f.states, id), false
	}
	return nil
}

// work sends some batches of records.
func (f *logFacts) work(ctx context.Context, c *client.Client) error {
	for range 5 {
		f.asked = true
		if err := c.PostLogs(ctx, f.records(f.batches)); err != nil {
			return err
		}
		f.batches, f.asked = f.batches+1, false
	}
	return nil
}

// emitter is a client that tells of task runs over a websocket. As the stock
// client does, it keeps what no ping has covered and sends that again.
type emitter struct {
	socket  *client.EventSocket
	pending []pendingEvent
}

type pendingEvent struct {
	task  *taskFacts
	event sentEvent
}

// connect opens the websocket, sends again what is pending, and makes a flow run
// for new task runs.
func (e *emitter) connect(ctx context.Context, c *client.Client, flow string) (run client.FlowRun, err error) {
	if e.socket, err = c.OpenEvents(ctx); err != nil {
		return run, err
	}
	for _, p := range e.pending {
		if err := e.socket.Send(p.event.body); err != nil {
			return run, err
		}
	}
	if err := e.checkpoint(ctx); err != nil {
		return run, err
	}
	if run, err = c.CreateRun(ctx, client.NewRun{FlowID: flow, State: "PENDING"}); err != nil {
		return client.FlowRun{}, err
	}
	return run, nil
}

// work sends the events of some task runs, then pings.
func (e *emitter) work(ctx context.Context, run client.FlowRun, note func(*taskFacts)) error {
	for range 7 {
		task := client.NewTaskRun(run)
		facts := &taskFacts{id: task.ID, run: run.ID}
		note(facts)
		for range client.TaskRunSteps {
			id, body, err := task.Next(false)
			if err != nil {
				return err
			}
			event := sentEvent{id, body}
			facts.sent = append(facts.sent, event)
			e.pending = append(e.pending, pendingEvent{facts, event})
			if err := e.socket.Send(body); err != nil {
				return err
			}
		}
	}
	return e.checkpoint(ctx)
}

// checkpoint pings; what was sent before the answered ping is the server's.
func (e *emitter) checkpoint(ctx context.Context) error {
	if err := e.socket.Checkpoint(ctx); err != nil {
		return err
	}
	for _, p := range e.pending {
		p.task.acked++
	}
	e.pending = nil
	return nil
}

func (e *emitter) disconnect() {
	if e.socket != nil {
		e.socket.Close()
		e.socket = nil
	}
}
