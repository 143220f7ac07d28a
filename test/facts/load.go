package facts

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"prefectd/test/client"
)

// Environment is what a server has to be told: a run that waits for a worker stays as
// its client made it, however late it is.
func Environment() []string { return []string{"PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED=false"} }

// Load is several clients at work, and what they know.
type Load struct {
	// Asks gives a worker the client for what it does next.
	Asks func(worker int) *client.Client
	// Elsewhere, when set, gives a worker the client through which it reads at
	// once what was answered: an answered write that is not there is a Violation.
	Elsewhere func(worker int) *client.Client
	// Answered, when set, is told of every answered write, by the flow run that it
	// is about.
	Answered func(run string)
	// Pause is how long a worker rests after a write, an event among them.
	Pause time.Duration

	flow   string
	mu     sync.Mutex // guards what follows while workers work
	runs   []*runFacts
	logs   []*logFacts
	tasks  map[string][]*taskFacts // by flow run
	order  []string                // the flow runs with task runs, the newest last
	events []*emitter
	names  int // of calls of Run so far
}

// Violation is an answer that contradicts what is known.
type Violation struct{ error }

// Violationf makes a Violation.
func Violationf(format string, a ...any) error { return &Violation{fmt.Errorf(format, a...)} }

const (
	runWorkers   = 4
	logWorkers   = 2
	eventWorkers = 2
)

// NewLoad makes a load whose runs are of one flow, by its id.
func NewLoad(flow string, asks func(worker int) *client.Client) *Load {
	l := &Load{Asks: asks, flow: flow, tasks: map[string][]*taskFacts{}}
	for range eventWorkers {
		l.events = append(l.events, &emitter{})
	}
	return l
}

// Run keeps the workers at work until the context ends. Every error goes to
// failed; a worker ends when that answers false.
func (l *Load) Run(ctx context.Context, failed func(error) (goOn bool)) {
	var wait sync.WaitGroup
	number := 0
	work := func(once func(w worker) error) {
		w := worker{l, number}
		number++
		wait.Go(func() {
			for ctx.Err() == nil {
				if err := once(w); err != nil && !failed(err) {
					return
				}
				w.rest(ctx, 1)
			}
		})
	}
	l.names++
	for i := range runWorkers {
		n := 0
		work(func(w worker) error {
			n++
			return w.run(ctx, l.addRun(fmt.Sprintf("load-%d-%d-%d", l.names, i, n)))
		})
	}
	for range logWorkers {
		work(func(w worker) error { return w.log(ctx, l.addLogs(uuid.NewString())) })
	}
	for _, e := range l.events {
		work(func(w worker) error { return w.emit(ctx, e) })
	}
	wait.Wait()
	for _, e := range l.events {
		e.disconnect()
	}
}

// worker is one client of a load.
type worker struct {
	*Load
	number int
}

// rest is the pause after so many writes.
func (w worker) rest(ctx context.Context, writes int) {
	if w.Pause == 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(w.Pause * time.Duration(writes)):
	}
}

// answered tells of a write about a flow run, and has it read elsewhere. What
// cannot be read there contradicts nothing.
func (w worker) answered(run string, read func(c *client.Client) error) error {
	if w.Answered != nil {
		w.Answered(run)
	}
	if w.Elsewhere == nil {
		return nil
	}
	var wrong *Violation
	if err := read(w.Elsewhere(w.number)); errors.As(err, &wrong) {
		return err
	}
	return nil
}

func (l *Load) addRun(name string) *runFacts {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &runFacts{name: name}
	l.runs = append(l.runs, f)
	return f
}

func (l *Load) addLogs(run string) *logFacts {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &logFacts{run: run}
	l.logs = append(l.logs, f)
	return f
}

func (l *Load) addTask(f *taskFacts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tasks[f.run] == nil {
		l.order = append(l.order, f.run)
	}
	l.tasks[f.run] = append(l.tasks[f.run], f)
}

// Mark is how much a load knew at a moment.
type Mark struct{ runs, logs int }

// Mark marks what is known now. Not while workers work.
func (l *Load) Mark() Mark { return Mark{len(l.runs), len(l.logs)} }

// Since is what has come to be known since a mark; of task runs those of the
// newest flow runs, because a worker sends again what no ping has covered.
func (l *Load) Since(m Mark) *Load {
	newest := &Load{runs: l.runs[m.runs:], logs: l.logs[m.logs:], tasks: map[string][]*taskFacts{}}
	for _, run := range l.order[max(0, len(l.order)-2*eventWorkers):] {
		newest.tasks[run] = l.tasks[run]
	}
	return newest
}

// String counts what is known.
func (l *Load) String() string {
	tasks := 0
	for _, of := range l.tasks {
		tasks += len(of)
	}
	return fmt.Sprintf("%d flow runs, %d log streams, %d task runs", len(l.runs), len(l.logs), tasks)
}

// checkers is how many facts are checked at a time.
const checkers = 4

// Check compares what a client reads with everything that is known; the error
// holds the first few contradictions. Not while workers work.
func (l *Load) Check(ctx context.Context, c *client.Client) error {
	var checks []func() error
	for _, f := range l.runs {
		checks = append(checks, func() error { return f.check(ctx, c) })
	}
	for _, f := range l.logs {
		checks = append(checks, func() error { return f.check(ctx, c) })
	}
	for run, tasks := range l.tasks {
		checks = append(checks, func() error { return checkTasks(ctx, c, run, tasks) })
	}
	next := make(chan func() error)
	errs := make(chan error, len(checks))
	var wait sync.WaitGroup
	for range checkers {
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
	return gather(errs, len(checks))
}

// gather makes one error of many.
func gather(errs <-chan error, of int) error {
	wrong := len(errs)
	if wrong == 0 {
		return nil
	}
	all := []error{fmt.Errorf("%d of %d facts do not hold", wrong, of)}
	for err := range errs {
		if len(all) <= 10 {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}
