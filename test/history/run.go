package history

import (
	"fmt"
	"slices"
	"time"
)

// RunAction is what a client does to a flow run.
type RunAction int

// What clients do to a flow run.
const (
	Force   RunAction = iota // set a state past the rules: always done
	Claim                    // propose PENDING: refused while another has the run
	Read                     // read the run with its state
	ReadAll                  // read all states that it passed through
)

// RunState is a state of a flow run; the token tells it from all others.
type RunState struct{ Type, Token string }

// RunIn is what is asked about a flow run.
type RunIn struct {
	Action RunAction
	State  RunState // to be set
}

// RunOut is what is answered.
type RunOut struct {
	Accepted bool
	State    RunState // that was read, the newest if all were
	Count    int      // how many states were read
}

// RunOp is an operation on a flow run.
type RunOp = Op[RunIn, RunOut]

// claimable are the states in which the rules let a run become PENDING.
var claimable = []string{"SCHEDULED", "COMPLETED", "FAILED"}

// CheckRun judges the operations on a flow run by the states that it has passed
// through in the end, the first being that of its creation. These give the order of
// the writes, so the answers have to be explained by that one: a write that was
// answered has its place there and no other, one that was not may be missing, and
// what nobody wrote, or wrote once and is there twice, explains nothing.
func CheckRun(ops []RunOp, trail []RunState, limit time.Duration, drawing string) error {
	place := map[RunState]int{}
	for i, s := range trail {
		if _, twice := place[s]; !twice {
			place[s] = i
		}
	}
	ops = slices.DeleteFunc(slices.Clone(ops), func(op RunOp) bool {
		_, there := place[op.In.State]
		return !op.Known && !there // it never took place, or only read
	})
	m := Model[int, RunIn, RunOut]{
		Start: 1, // as many states are there
		Step: func(state int, op RunOp) (next int, legal bool) {
			return stepRun(trail, place, state, op)
		},
		Describe: describeRun,
	}
	if err := Check(m, ops, limit, drawing); err != nil {
		return fmt.Errorf("%d operations and %d states: %w", len(ops), len(trail), err)
	}
	return nil
}

func stepRun(trail []RunState, place map[RunState]int, state int, op RunOp) (next int, legal bool) {
	now := trail[state-1]
	free := slices.Contains(claimable, now.Type)
	switch op.In.Action {
	case Read:
		return state, op.Out.State == now
	case ReadAll:
		return state, op.Out.Count == state && op.Out.State == now
	case Claim:
		if op.Known && !op.Out.Accepted {
			return state, !free
		}
		if !free {
			return state, false
		}
	case Force:
		if op.Known && !op.Out.Accepted {
			return state, false
		}
	}
	at, there := place[op.In.State]
	return state + 1, there && at == state
}

func describeRun(op RunOp) string {
	said := "?"
	if op.Known {
		said = fmt.Sprint(op.Out.Accepted)
	}
	switch s := op.In.State; op.In.Action {
	case Read:
		return fmt.Sprintf("read: %s %s", op.Out.State.Type, op.Out.State.Token)
	case ReadAll:
		return fmt.Sprintf("read all: %d states", op.Out.Count)
	case Claim:
		return fmt.Sprintf("claim %s: %s", s.Token, said)
	default:
		return fmt.Sprintf("force %s %s: %s", s.Type, s.Token, said)
	}
}
