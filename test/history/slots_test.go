package history

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func take(call, ret time.Duration, taken bool) SlotOp {
	return SlotOp{In: Take, Out: SlotOut{Taken: taken}, Known: true, Call: call, Return: ret}
}

func give(call, ret time.Duration) SlotOp {
	return SlotOp{In: Give, Known: true, Call: call, Return: ret}
}

func count(call, ret time.Duration, n int) SlotOp {
	return SlotOp{In: Count, Out: SlotOut{Count: n}, Known: true, Call: call, Return: ret}
}

func lostSlot(op SlotOp) SlotOp {
	op.Known, op.Return, op.Out = false, math.MaxInt64, SlotOut{}
	return op
}

func TestCheckSlots(t *testing.T) {
	for _, test := range []struct {
		name  string
		ops   []SlotOp
		legal bool
	}{
		{"taken and given", []SlotOp{take(1, 2, true), take(3, 4, true), take(5, 6, false), give(7, 8), take(9, 10, true), count(11, 12, 2)}, true},
		{"full while one is given", []SlotOp{take(1, 2, true), take(3, 4, true), give(5, 9), take(6, 7, false), take(6, 8, true)}, true},
		{"unanswered take and done", []SlotOp{take(1, 2, true), lostSlot(take(3, 0, true)), take(5, 6, false)}, true},
		{"unanswered take and not done", []SlotOp{lostSlot(take(1, 0, true)), take(3, 4, true), take(5, 6, true), take(7, 8, false)}, true},
		{"unanswered give and done later", []SlotOp{take(1, 2, true), take(3, 4, true), lostSlot(give(5, 0)), take(6, 7, false), take(8, 9, true)}, true},

		{"one too many", []SlotOp{take(1, 2, true), take(3, 4, true), take(5, 6, true)}, false},
		{"one too many side by side", []SlotOp{take(1, 9, true), take(1, 9, true), take(1, 9, true)}, false},
		{"refused though free", []SlotOp{take(1, 2, true), take(3, 4, false)}, false},
		{"lost slot", []SlotOp{take(1, 2, true), take(3, 4, true), give(5, 6), take(7, 8, false)}, false},
		{"given twice", []SlotOp{take(1, 2, true), take(3, 4, true), give(5, 6), take(7, 8, true), take(9, 10, true)}, false},
		{"miscounted", []SlotOp{take(1, 2, true), count(3, 4, 2)}, false},
		{"stale count", []SlotOp{take(1, 2, true), give(3, 4), count(5, 6, 1)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := CheckSlots(test.ops, 2, limit, "")
			if test.legal {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, ErrIllegal)
			}
		})
	}
}

// A limit without faults is believed, and not any more when it miscounts at the end.
func TestCheckSlotsBelieves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const slots = 2
		var ops []SlotOp
		taken := 0
		for n := range rapid.IntRange(1, 30).Draw(t, "operations") {
			moment := time.Duration(n) * step
			op := SlotOp{In: SlotAction(rapid.IntRange(int(Take), int(Count)).Draw(t, "action")), Known: true}
			if op.In == Give && taken == 0 {
				op.In = Count
			}
			happens := true
			if known := rapid.IntRange(0, 7).Draw(t, "known") > 0; !known {
				op.Known, happens = false, rapid.Bool().Draw(t, "happens")
			}
			switch {
			case op.In == Count:
				op.Out.Count = taken
			case !happens:
			case op.In == Give:
				taken--
			case taken < slots:
				op.Out.Taken = true
				taken++
			}
			op.Call = moment - time.Duration(rapid.Int64Range(0, int64(spread)).Draw(t, "before"))
			op.Return = moment + time.Duration(rapid.Int64Range(0, int64(spread)).Draw(t, "after"))
			if !op.Known {
				op = lostSlot(op)
			}
			ops = append(ops, op)
		}
		if err := CheckSlots(ops, slots, limit, ""); err != nil {
			t.Fatal(err)
		}
		end := 100 * step
		if CheckSlots(append(ops, count(end, end+step, slots+1)), slots, limit, "") == nil {
			t.Fatal("a miscount was not found")
		}
	})
}
