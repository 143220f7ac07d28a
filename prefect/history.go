package prefect

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// HistoryRange is the part of a request that says which times a history covers.
type HistoryRange struct {
	Start   Time  `json:"history_start" check:"required"`
	End     Time  `json:"history_end" check:"required"`
	Seconds Float `json:"history_interval_seconds" check:"required"`
}

const (
	maxHistoryBuckets = 500
	// lastTime is the last instant that has a form on the wire.
	lastTime = Time(315537897599_999_999)
)

// History counts runs by the interval in which they were meant to start, and
// therein by state.
type History []HistoryBucket

// HistoryBucket is one interval of a history; its end is part of the next one.
type HistoryBucket struct {
	Start  Time           `json:"interval_start"`
	End    Time           `json:"interval_end"`
	States []HistoryState `json:"states"`
}

// HistoryState is what a history knows about the runs in one state.
type HistoryState struct {
	Type     StateType `json:"state_type"`
	Name     string    `json:"state_name"`
	Count    int       `json:"count_runs"`
	RunTime  Duration  `json:"sum_estimated_run_time"`
	Lateness Duration  `json:"sum_estimated_lateness"`
}

// Buckets makes an empty history; what exceeds the highest number of buckets is
// left out. The error is the text of a 422.
func (r HistoryRange) Buckets() (History, error) {
	if r.Seconds < 1 {
		return nil, errors.New("History interval must not be less than 1 second.")
	}
	h := History{}
	interval := Time(SecondsOf(min(float64(r.Seconds), Duration(lastTime).Seconds())))
	for start := r.Start; start < min(r.End, lastTime) && len(h) < maxHistoryBuckets; start += interval {
		h = append(h, HistoryBucket{Start: start, End: min(start+interval, lastTime), States: []HistoryState{}})
	}
	return h, nil
}

// Span is the range of expected start times that the history covers; its end does
// not belong to it.
func (h History) Span() (from, to Time) {
	if len(h) == 0 {
		return 0, 0
	}
	return h[0].Start, h[len(h)-1].End
}

// AddFlowRun counts a run. It needs the columns of state, times and run time alone,
// and keeps no text of the run.
func (h History) AddFlowRun(r *FlowRun, now Time) {
	r.Compute(now)
	h.add(r.ExpectedStartTime, r.StateType, r.StateName, r.EstimatedRunTime, r.EstimatedStartTimeDelta)
}

// AddTaskRun counts a run, like AddFlowRun.
func (h History) AddTaskRun(r *TaskRun, now Time) {
	r.Compute(now)
	h.add(r.ExpectedStartTime, r.StateType, r.StateName, r.EstimatedRunTime, r.EstimatedStartTimeDelta)
}

func (h History) add(expected Time, state StateType, name *string, run, late Duration) {
	from, to := h.Span()
	if expected < from || expected >= to {
		return
	}
	s := HistoryState{Type: state, Count: 1, RunTime: max(0, run), Lateness: max(0, late)}
	if name != nil {
		s.Name = *name
	}
	h[int64(expected-from)/int64(h[0].End-from)].count(s)
}

// Merge adds the counts of another history of the same range.
func (h History) Merge(other History) {
	for i := range other {
		for _, s := range other[i].States {
			h[i].count(s)
		}
	}
}

// count adds to the state of a bucket; the states stay in order.
func (b *HistoryBucket) count(s HistoryState) {
	for i := range b.States {
		if known := &b.States[i]; known.Type == s.Type && known.Name == s.Name {
			known.Count += s.Count
			known.RunTime += s.RunTime
			known.Lateness += s.Lateness
			return
		}
	}
	i, _ := slices.BinarySearchFunc(b.States, s, func(a, b HistoryState) int {
		return cmp.Or(cmp.Compare(a.Type.String(), b.Type.String()), cmp.Compare(a.Name, b.Name))
	})
	s.Name = strings.Clone(s.Name)
	b.States = slices.Insert(b.States, i, s)
}
