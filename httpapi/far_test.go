package httpapi

import (
	"context"

	"prefectd/ops"
)

// far is a backend on another node: all that it is asked and answers goes through
// the encoding.
type far struct{ Backend }

func (f far) Do(ctx context.Context, group int, op ops.Operation) (any, error) {
	arrived, err := resent(op, ops.EncodeOperation, ops.DecodeOperation)
	if err != nil {
		return nil, err
	}
	answer, err := f.Backend.Do(ctx, group, arrived)
	return returned(op, answer, err)
}

func (f far) Ask(ctx context.Context, group int, q ops.Query) (any, error) {
	arrived, err := resent(q, ops.EncodeQuery, ops.DecodeQuery)
	if err != nil {
		return nil, err
	}
	answer, err := f.Backend.Ask(ctx, group, arrived)
	return returned(q, answer, err)
}

func (f far) AskAll(ctx context.Context, groups []int, q ops.Query) ([]any, error) {
	arrived, err := resent(q, ops.EncodeQuery, ops.DecodeQuery)
	if err != nil {
		return nil, err
	}
	answers, err := f.Backend.AskAll(ctx, groups, arrived)
	if err != nil {
		return nil, ops.DecodeError(ops.EncodeError(err))
	}
	for i := range answers {
		if answers[i], err = returned(q, answers[i], nil); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// resent is a request as it arrives.
func resent[R any](request R, encode func(R) ([]byte, error), decode func([]byte) (R, error)) (R, error) {
	data, err := encode(request)
	if err != nil {
		return request, err
	}
	return decode(data)
}

// returned is what comes back.
func returned(request, answer any, err error) (any, error) {
	if err != nil {
		return nil, ops.DecodeError(ops.EncodeError(err))
	}
	data, err := ops.EncodeAnswer(request, answer)
	if err != nil {
		return nil, err
	}
	return ops.DecodeAnswer(request, data)
}
