package ops

import (
	"context"
	"fmt"

	"prefectd/prefect"
)

// Backend runs operations and queries on groups, wherever their leaders and
// replicas are. The node implements it.
type Backend interface {
	// Do runs an operation in a group and returns when it is durable.
	Do(ctx context.Context, group int, op Operation) (any, error)
	// Ask runs a query on a group; it sees every write answered before.
	Ask(ctx context.Context, group int, q Query) (any, error)
	// AskAll runs a query on several groups at once; answers come in the order of
	// the groups.
	AskAll(ctx context.Context, groups []int, q Query) ([]any, error)
	// Settle returns when everything that a group has in its outbox is delivered,
	// and what that caused in turn.
	Settle(ctx context.Context, group int) error
	// Groups is the layout of the cluster.
	Groups() Groups
	// Settings are those that operations obey.
	Settings() *Settings
	// Known remembers what is around flow runs.
	Known() *Known
	// NewID makes an id in a random slot.
	NewID() prefect.ID
	// Now is the server's clock.
	Now() prefect.Time
}

// Do runs an operation whose answer is an A.
func Do[A any](ctx context.Context, b Backend, group int, op Operation) (A, error) {
	return as[A](b.Do(ctx, group, op))
}

// Ask runs a query whose answer is an A.
func Ask[A any](ctx context.Context, b Backend, group int, q Query) (A, error) {
	return as[A](b.Ask(ctx, group, q))
}

// AskRuns runs a query on every run group.
func AskRuns[A any](ctx context.Context, b Backend, q Query) ([]A, error) {
	answers, err := b.AskAll(ctx, b.Groups().RunGroups(), q)
	if err != nil {
		return nil, err
	}
	parts := make([]A, len(answers))
	for i, a := range answers {
		if parts[i], err = as[A](a, nil); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func as[A any](answer any, err error) (a A, _ error) {
	if err != nil {
		return a, err
	}
	a, ok := answer.(A)
	if !ok && answer != nil {
		return a, fmt.Errorf("answer is a %T, not a %T", answer, a)
	}
	return a, nil
}
