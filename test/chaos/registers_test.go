//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"prefectd/test/client"
	"prefectd/test/facts"
	"prefectd/test/history"
)

// registers are flow runs that several clients use at once. A run is used for a
// while, then the next ones are, so that no history grows long.
type registers struct {
	load     *load
	recorder *history.Recorder[history.RunIn, history.RunOut]

	mu   sync.Mutex
	runs []string // that are in use
	all  []string // that were not checked yet
}

const (
	registerClients = 6
	registersInUse  = 4
	registerLife    = 4 * time.Second
)

func newRegisters(l *load) *registers {
	return &registers{load: l, recorder: newHistory()}
}

func newHistory() *history.Recorder[history.RunIn, history.RunOut] {
	return history.NewRecorder[history.RunIn, history.RunOut]()
}

// run keeps the clients at work until the context ends.
func (r *registers) run(ctx context.Context, failed func(error) bool) {
	var all sync.WaitGroup
	all.Go(func() {
		for ctx.Err() == nil {
			if err := r.renew(); err != nil {
				failed(err)
				_ = wait(ctx, rest)
				continue
			}
			_ = wait(ctx, registerLife)
		}
	})
	for number := range registerClients {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := r.act(ctx, number, fmt.Sprintf("%d-%d", number, n)); err != nil {
					failed(err)
				}
				_ = wait(ctx, rest)
			}
		})
	}
	all.Wait()
}

// renew makes the runs for the next while.
func (r *registers) renew() error {
	runs := make([]string, registersInUse)
	for i := range runs {
		run, err := r.load.elsewhere().CreateRun(context.Background(), client.NewRun{FlowID: r.load.flow, State: "PENDING"})
		if err != nil {
			return err
		}
		runs[i] = run.ID
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs, r.all = runs, append(r.all, runs...)
	return nil
}

// act does something with one of the runs, through any node.
func (r *registers) act(ctx context.Context, number int, token string) error {
	r.mu.Lock()
	runs := r.runs
	r.mu.Unlock()
	if len(runs) == 0 {
		return nil
	}
	run, through := runs[rand.IntN(len(runs))], r.load.elsewhere()
	if number%2 == 0 {
		through = r.load.any[len(r.load.any)-1-number]
	}
	switch rand.IntN(10) {
	case 0, 1:
		return r.set(ctx, through, number, run, history.Force, history.RunState{Type: "RUNNING", Token: token})
	case 2, 3:
		return r.set(ctx, through, number, run, history.Force, history.RunState{Type: "COMPLETED", Token: token})
	case 4, 5:
		return r.set(ctx, through, number, run, history.Claim, history.RunState{Type: "PENDING", Token: token})
	case 6:
		_, err := r.readAll(ctx, through, number, run)
		return err
	default:
		return r.read(ctx, through, number, run)
	}
}

// set proposes a state, whose message is the token.
func (r *registers) set(ctx context.Context, through *client.Client, number int, run string, how history.RunAction, s history.RunState) error {
	call := r.recorder.Call(number, run, history.RunIn{Action: how, State: s})
	v, err := through.Propose(ctx, run, client.Proposal{Type: s.Type, Message: s.Token, Force: how == history.Force})
	if client.NotDone(err) {
		call.NotDone()
	}
	if err != nil {
		return err
	}
	accepted := v.Status == "ACCEPT"
	call.Answered(history.RunOut{Accepted: accepted})
	if accepted {
		r.load.accepted.note(run)
	}
	return nil
}

func (r *registers) read(ctx context.Context, through *client.Client, number int, run string) error {
	call := r.recorder.Call(number, run, history.RunIn{Action: history.Read})
	got, err := through.ReadRun(ctx, run)
	if err != nil {
		return err
	}
	call.Answered(history.RunOut{State: stateOf(got.State)})
	return nil
}

func (r *registers) readAll(ctx context.Context, through *client.Client, number int, run string) (trail []history.RunState, err error) {
	call := r.recorder.Call(number, run, history.RunIn{Action: history.ReadAll})
	states, err := through.RunStates(ctx, run)
	if err != nil {
		return nil, err
	}
	if len(states) == 0 {
		return nil, facts.Violationf("flow run %s has no states", run)
	}
	for _, s := range states {
		trail = append(trail, stateOf(s))
	}
	call.Answered(history.RunOut{Count: len(trail), State: trail[len(trail)-1]})
	return trail, nil
}

func stateOf(s client.State) history.RunState {
	return history.RunState{Type: s.Type, Token: s.Message}
}

// judgeTime is how long the judgement of one history may take.
const judgeTime = 20 * time.Second

// check reads the states of all runs that were used, through every node, and judges
// their histories; what it finds wrong is drawn. The runs are forgotten.
func (r *registers) check(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, run := range r.all {
		if err := r.judge(ctx, run); err != nil {
			errs = append(errs, fmt.Errorf("flow run %s in group %d: %w", run, r.load.groupOf(run), err))
		}
	}
	r.runs, r.all, r.recorder = nil, nil, newHistory()
	return errors.Join(errs...)
}

func (r *registers) judge(ctx context.Context, run string) error {
	var trail []history.RunState
	for i, n := range r.load.nodes {
		read, err := r.readAll(ctx, r.load.reader(n), registerClients+i, run)
		if err != nil {
			return err
		}
		if trail != nil && !slices.Equal(trail, read) {
			return fmt.Errorf("through %s its states are %v, elsewhere %v", n.host.Name, read, trail)
		}
		trail = read
	}
	drawing := filepath.Join(os.TempDir(), "history-"+run+".html")
	return history.CheckRun(r.recorder.Of(run), trail, judgeTime, drawing)
}
