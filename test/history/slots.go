package history

import (
	"fmt"
	"time"
)

// SlotAction is what a client does with a concurrency limit.
type SlotAction int

// What clients do with a limit.
const (
	Take  SlotAction = iota // take a slot
	Give                    // give one back that was taken, once
	Count                   // read how many are taken
)

// SlotOut is what is answered.
type SlotOut struct {
	Taken bool // the slot that was asked for was free
	Count int  // how many were read
}

// SlotOp is an operation on a limit.
type SlotOp = Op[SlotAction, SlotOut]

// CheckSlots judges the operations on a concurrency limit whose leases do not expire
// meanwhile. Never are more slots taken than there are; and none is refused while one
// is free.
func CheckSlots(ops []SlotOp, slots int, limit time.Duration, drawing string) error {
	m := Model[int, SlotAction, SlotOut]{
		Step:     func(taken int, op SlotOp) (int, bool) { return stepSlots(slots, taken, op) },
		Describe: describeSlots,
	}
	if err := Check(m, ops, limit, drawing); err != nil {
		return fmt.Errorf("%d operations on %d slots: %w", len(ops), slots, err)
	}
	return nil
}

// stepSlots: what was not answered and did not take place may stand at the end, where
// it changes nothing that anybody sees.
func stepSlots(slots, taken int, op SlotOp) (next int, legal bool) {
	switch {
	case op.In == Count:
		return taken, !op.Known || op.Out.Count == taken
	case op.In == Give:
		return max(taken-1, 0), !op.Known || taken > 0
	case taken < slots:
		return taken + 1, !op.Known || op.Out.Taken
	default:
		return taken, !op.Known || !op.Out.Taken
	}
}

func describeSlots(op SlotOp) string {
	switch {
	case op.In == Give && op.Known:
		return "give"
	case op.In == Give:
		return "give: ?"
	case op.In == Count:
		return fmt.Sprintf("count: %d", op.Out.Count)
	case !op.Known:
		return "take: ?"
	case op.Out.Taken:
		return "take: taken"
	default:
		return "take: full"
	}
}
