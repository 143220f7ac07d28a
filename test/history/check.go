package history

import (
	"errors"
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// Model says how an object behaves that is used by one client at a time.
type Model[S comparable, I, O any] struct {
	Start S
	// Step is the state after an operation, if it may give its answer in the state
	// before. One that is not Known may have taken place or not, as Step decides.
	Step func(state S, op Op[I, O]) (next S, legal bool)
	// Describe is an operation in the drawing.
	Describe func(op Op[I, O]) string
}

var (
	// ErrIllegal: no order of the operations explains their answers.
	ErrIllegal = errors.New("not linearizable")
	// ErrUndecided: the time was not enough to find out.
	ErrUndecided = errors.New("whether it is linearizable was not found out in time")
)

// Check judges the operations on one object within a time. Of a history that is
// illegal it draws what it found into the file, an HTML page, unless that is empty.
func Check[S comparable, I, O any](m Model[S, I, O], ops []Op[I, O], limit time.Duration, drawing string) error {
	model := porcupine.Model{
		Init: func() any { return m.Start },
		Step: func(state, in, _ any) (bool, any) {
			next, legal := m.Step(state.(S), in.(Op[I, O]))
			return legal, next
		},
		DescribeOperation: func(in, _ any) string { return m.Describe(in.(Op[I, O])) },
	}
	all := make([]porcupine.Operation, len(ops))
	for i, op := range ops {
		all[i] = porcupine.Operation{ClientId: op.Client, Input: op, Call: int64(op.Call), Return: int64(op.Return)}
	}
	result, found := porcupine.CheckOperationsVerbose(model, all, limit)
	switch result {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return ErrUndecided
	}
	if drawing == "" {
		return ErrIllegal
	}
	if err := porcupine.VisualizePath(model, found, drawing); err != nil {
		return fmt.Errorf("%w, and cannot be drawn: %w", ErrIllegal, err)
	}
	return fmt.Errorf("%w: %s shows it", ErrIllegal, drawing)
}
