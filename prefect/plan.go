package prefect

import (
	"iter"
	"math"
	"math/bits"
	"slices"
)

// Plan is what a filter implies for every row that passes it, so that a query can
// choose an index. It may say less than the filter does, never more. A nil list
// and a zero Span say nothing.
type Plan struct {
	Never bool // no row passes

	IDs             []ID
	FlowRunIDs      []ID // of task runs and logs
	TaskRunIDs      []ID // of logs
	DeploymentIDs   []ID // of flow runs
	ParentTaskRuns  []ID // of flow runs
	IdempotencyKeys []string
	Names           []string
	ResourceIDs     []string     // the primary resources of events
	Resources       []string     // all that the filter looks for by id, in any role
	AllTags         []string     // the row has all of them
	AnyTags         []string     // the row has one of them
	States          StateTypeSet // zero says nothing

	Start    Span // of flow runs: when the run started, or else is expected to
	Expected Span
	Next     Span
	End      Span
	At       Span // the time of a log or an event
}

// Span is a range of times with both of its ends. The zero Span is unbounded.
type Span struct {
	From, To Time // zero when open
}

// IsBounded reports whether the span has an end at all. Null is in none that has.
func (s Span) IsBounded() bool { return s != Span{} }

// Has reports whether a time lies in a span that is bounded.
func (s Span) Has(t Time) bool {
	from, to := s.limits()
	return t != 0 && from <= t && t <= to
}

func (s Span) limits() (from, to Time) {
	if s.To == 0 {
		return s.From, math.MaxInt64
	}
	return s.From, s.To
}

// within returns the part that two spans share.
func (s Span) within(o Span) Span {
	s.From = max(s.From, o.From)
	if s.To == 0 || o.To != 0 && o.To < s.To {
		s.To = o.To
	}
	return s
}

// narrow limits a span of a plan.
func (p *Plan) narrow(dst *Span, by Span) {
	*dst = dst.within(by)
	if from, to := dst.limits(); from > to {
		p.Never = true
	}
}

// meet limits a list of a plan to what it shares with another list.
func meet[V comparable](p *Plan, dst *[]V, values []V) {
	if *dst == nil {
		*dst = values
		return
	}
	in := setOf(values)
	*dst = slices.DeleteFunc(slices.Clone(*dst), func(v V) bool { return !in(v) })
	if len(*dst) == 0 {
		p.Never = true
	}
}

// limit limits the types of a plan.
func (p *Plan) limit(types StateTypeSet) {
	if p.States != 0 {
		types &= p.States
	}
	p.States, p.Never = types, p.Never || types == 0
}

// StateTypeSet is a set of state types.
type StateTypeSet uint16

// StateTypeSetOf makes a set.
func StateTypeSetOf(types ...StateType) (s StateTypeSet) {
	for _, t := range types {
		s |= 1 << t
	}
	return s
}

// Has reports whether a type is in the set.
func (s StateTypeSet) Has(t StateType) bool { return s>>t&1 != 0 }

// All yields the types in the set.
func (s StateTypeSet) All() iter.Seq[StateType] {
	return func(yield func(StateType) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(StateType(bits.TrailingZeros16(uint16(s)))) {
				return
			}
		}
	}
}

// every is the set of all state types.
var every = StateTypeSetOf(StateTypes...)
