package history

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const limit = 10 * time.Second

var created = RunState{Type: "SCHEDULED"}

func state(kind, token string) RunState { return RunState{kind, token} }

// at makes an operation that was called and answered at these times.
func at(call, ret time.Duration, in RunIn, out RunOut) RunOp {
	return RunOp{In: in, Out: out, Known: true, Call: call, Return: ret}
}

func force(call, ret time.Duration, s RunState) RunOp {
	return at(call, ret, RunIn{Force, s}, RunOut{Accepted: true})
}

func claim(call, ret time.Duration, token string, accepted bool) RunOp {
	return at(call, ret, RunIn{Claim, state("PENDING", token)}, RunOut{Accepted: accepted})
}

func read(call, ret time.Duration, s RunState) RunOp {
	return at(call, ret, RunIn{Action: Read}, RunOut{State: s})
}

func readAll(call, ret time.Duration, count int, s RunState) RunOp {
	return at(call, ret, RunIn{Action: ReadAll}, RunOut{Count: count, State: s})
}

// lost makes an operation one that was not answered.
func lost(op RunOp) RunOp {
	op.Known, op.Return, op.Out = false, math.MaxInt64, RunOut{}
	return op
}

func TestCheckRun(t *testing.T) {
	a, b := state("RUNNING", "a"), state("COMPLETED", "b")
	mine := state("PENDING", "mine")
	for _, test := range []struct {
		name  string
		ops   []RunOp
		trail []RunState
		legal bool
	}{
		{"one after the other", []RunOp{force(1, 2, a), read(3, 4, a), force(5, 6, b), read(7, 8, b), readAll(9, 10, 3, b)}, []RunState{created, a, b}, true},
		{"side by side", []RunOp{force(1, 9, a), force(1, 9, b), read(2, 3, b), read(4, 5, a)}, []RunState{created, b, a}, true},
		{"read while it is written", []RunOp{force(1, 9, a), read(2, 3, created), read(4, 5, a)}, []RunState{created, a}, true},
		{"claimed once", []RunOp{claim(1, 9, "mine", true), claim(1, 9, "other", false)}, []RunState{created, mine}, true},
		{"unanswered and done", []RunOp{lost(force(1, 0, a)), read(2, 3, created), read(8, 9, a)}, []RunState{created, a}, true},
		{"unanswered and not done", []RunOp{lost(force(1, 0, a)), read(2, 3, created), readAll(8, 9, 1, created)}, []RunState{created}, true},
		{"unanswered claim and read", []RunOp{lost(claim(1, 0, "mine", true)), lost(read(1, 0, a)), claim(2, 3, "other", false)}, []RunState{created, mine}, true},

		{"stale read", []RunOp{force(1, 2, a), read(3, 4, created)}, []RunState{created, a}, false},
		{"stale list", []RunOp{force(1, 2, a), readAll(3, 4, 1, created)}, []RunState{created, a}, false},
		{"back in time", []RunOp{force(1, 9, a), read(2, 3, a), read(4, 5, created)}, []RunState{created, a}, false},
		{"read of what nobody wrote", []RunOp{read(1, 2, a)}, []RunState{created}, false},
		{"lost write", []RunOp{force(1, 2, a)}, []RunState{created}, false},
		{"lost write that was read", []RunOp{lost(force(1, 0, a)), read(2, 3, a)}, []RunState{created}, false},
		{"writes in the wrong order", []RunOp{force(1, 2, a), force(3, 4, b)}, []RunState{created, b, a}, false},
		{"doubled write", []RunOp{force(1, 2, a), readAll(3, 4, 3, a)}, []RunState{created, a, a}, false},
		{"written by nobody", []RunOp{force(1, 2, a), readAll(3, 4, 3, b)}, []RunState{created, a, b}, false},
		{"another type than was written", []RunOp{force(1, 2, a)}, []RunState{created, state("FAILED", "a")}, false},
		{"claimed twice", []RunOp{claim(1, 9, "mine", true), claim(1, 9, "other", true)}, []RunState{created, mine, state("PENDING", "other")}, false},
		{"refused though free", []RunOp{claim(1, 2, "mine", false)}, []RunState{created}, false},
		{"claimed though running", []RunOp{force(1, 2, a), claim(3, 4, "mine", true)}, []RunState{created, a, mine}, false},
		{"refused and done", []RunOp{claim(1, 2, "mine", false), readAll(3, 4, 2, mine)}, []RunState{created, mine}, false},
		{"force refused", []RunOp{at(1, 2, RunIn{Force, a}, RunOut{})}, []RunState{created, a}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			drawing := filepath.Join(t.TempDir(), "run.html")
			err := CheckRun(test.ops, test.trail, limit, drawing)
			if test.legal {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrIllegal)
			page, err := os.ReadFile(drawing)
			require.NoError(t, err)
			require.NotEmpty(t, page)
		})
	}
}

// TestCheckRunBelieves lets a run without faults take operations, each at a moment
// between its call and its return: every history that comes of it is legal, and
// none is any more with a stale read at the end.
func TestCheckRunBelieves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ops, trail := simulate(t)
		if err := CheckRun(ops, trail, limit, ""); err != nil {
			t.Fatal(err)
		}
		end, last := time.Duration(len(ops))*step, trail[len(trail)-1]
		ops = append(ops, readAll(end+2*spread, end+3*spread, len(trail), last))
		if err := CheckRun(append(ops, read(end+4*spread, end+5*spread, last)), trail, limit, ""); err != nil {
			t.Fatal(err)
		}
		if len(trail) > 1 {
			before := trail[len(trail)-2]
			if CheckRun(append(ops, read(end+4*spread, end+5*spread, before)), trail, limit, "") == nil {
				t.Fatal("a stale read at the end was not found")
			}
		}
	})
}

const (
	step   = 10 * time.Millisecond // between the moments of two operations
	spread = 5 * step              // the longest that one takes
)

func simulate(t *rapid.T) (ops []RunOp, trail []RunState) {
	trail = []RunState{created}
	for n := range rapid.IntRange(1, 40).Draw(t, "operations") {
		now := trail[len(trail)-1]
		moment := time.Duration(n) * step
		in := RunIn{Action: RunAction(rapid.IntRange(int(Force), int(ReadAll)).Draw(t, "action"))}
		out := RunOut{Accepted: true}
		switch in.Action {
		case Force:
			in.State = state(rapid.SampledFrom([]string{"RUNNING", "COMPLETED", "FAILED"}).Draw(t, "type"), fmt.Sprint(n))
		case Claim:
			in.State = state("PENDING", fmt.Sprint(n))
			out.Accepted = now.Type != "PENDING" && now.Type != "RUNNING"
		}
		known := rapid.IntRange(0, 4).Draw(t, "known") > 0
		happens := known || rapid.Bool().Draw(t, "happens")
		if happens && out.Accepted && in.State.Type != "" {
			trail = append(trail, in.State)
		}
		switch in.Action {
		case Read:
			out = RunOut{State: now}
		case ReadAll:
			out = RunOut{State: now, Count: len(trail)}
		}
		op := at(moment-time.Duration(rapid.Int64Range(0, int64(spread)).Draw(t, "before")), moment+time.Duration(rapid.Int64Range(0, int64(spread)).Draw(t, "after")), in, out)
		if !known {
			op = lost(op)
		}
		ops = append(ops, op)
	}
	return ops, trail
}

func TestRecorder(t *testing.T) {
	r := NewRecorder[string, int]()
	first := r.Call(1, "x", "asked")
	r.Call(2, "x", "lost")
	r.Call(3, "x", "refused").NotDone()
	r.Call(4, "y", "elsewhere").Answered(4)
	first.Answered(7)
	ops := r.Of("x")
	require.Len(t, ops, 2)
	require.Equal(t, 7, ops[0].Out)
	require.True(t, ops[0].Known)
	require.GreaterOrEqual(t, ops[0].Return, ops[1].Call)
	require.False(t, ops[1].Known)
	require.EqualValues(t, math.MaxInt64, ops[1].Return)
	require.Empty(t, r.Of("z"))
}

func TestCheckUndecided(t *testing.T) {
	slow := Model[int, int, int]{Step: func(state int, _ Op[int, int]) (int, bool) {
		time.Sleep(time.Millisecond) // the time it takes is the subject
		return state, false
	}}
	ops := make([]Op[int, int], 100)
	for i := range ops {
		ops[i].Return = time.Second
	}
	require.ErrorIs(t, Check(slow, ops, time.Nanosecond, ""), ErrUndecided)
}
