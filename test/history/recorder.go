// Package history records what clients asked of a server and what it answered,
// and judges whether one server without faults could have answered that way: each
// operation in one moment between its call and its return (linearizability).
package history

import (
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// Op is an operation on one object. I is what was asked, O what was answered.
type Op[I, O any] struct {
	Client int // a number for the drawing
	In     I
	Out    O
	// Known says that it was answered. Otherwise it may have taken place, may do so
	// at any later time, or never; Out is then zero and Return the end of time.
	Known        bool
	Call, Return time.Duration // since the recorder was made
}

// Recorder collects operations on many objects. Safe for concurrent use.
type Recorder[I, O any] struct {
	start time.Time
	mu    sync.Mutex
	ops   map[string]map[*Op[I, O]]struct{}
}

// NewRecorder makes an empty recorder.
func NewRecorder[I, O any]() *Recorder[I, O] {
	return &Recorder[I, O]{start: time.Now(), ops: map[string]map[*Op[I, O]]struct{}{}}
}

// Pending is an operation that was called and has not returned.
type Pending[I, O any] struct {
	recorder *Recorder[I, O]
	object   string
	op       *Op[I, O]
}

// Call notes that an operation begins. Unless it is told otherwise, its outcome
// stays unknown.
func (r *Recorder[I, O]) Call(client int, object string, in I) *Pending[I, O] {
	r.mu.Lock()
	defer r.mu.Unlock()
	op := &Op[I, O]{Client: client, In: in, Call: time.Since(r.start), Return: math.MaxInt64}
	if r.ops[object] == nil {
		r.ops[object] = map[*Op[I, O]]struct{}{}
	}
	r.ops[object][op] = struct{}{}
	return &Pending[I, O]{r, object, op}
}

// Answered notes what an operation answered.
func (p *Pending[I, O]) Answered(out O) {
	p.recorder.mu.Lock()
	defer p.recorder.mu.Unlock()
	p.op.Out, p.op.Known, p.op.Return = out, true, time.Since(p.recorder.start)
}

// NotDone notes that the operation did certainly nothing.
func (p *Pending[I, O]) NotDone() {
	p.recorder.mu.Lock()
	defer p.recorder.mu.Unlock()
	delete(p.recorder.ops[p.object], p.op)
}

// Of lists the operations on an object, by the time of their call.
func (r *Recorder[I, O]) Of(object string) (ops []Op[I, O]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for op := range maps.Keys(r.ops[object]) {
		ops = append(ops, *op)
	}
	slices.SortFunc(ops, func(a, b Op[I, O]) int { return int(a.Call - b.Call) })
	return ops
}
