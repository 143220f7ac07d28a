package node

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"prefectd/cluster"
	"prefectd/ops"
)

// A write that may have taken place is not called undone because the next attempt found
// nobody to do it.
func TestAnAttemptWithoutAnswerIsRemembered(t *testing.T) {
	for _, test := range []struct {
		name     string
		attempts []error // the last one is repeated
		want     error
	}{
		{"never reached", []error{cluster.ErrNoLeader}, cluster.ErrNoLeader},
		{"no time to dial", []error{fmt.Errorf("%w: %w", cluster.ErrNoLeader, context.DeadlineExceeded)}, cluster.ErrNoLeader},
		{"no answer, then no leader", []error{cluster.ErrUnknownOutcome, cluster.ErrNoLeader}, cluster.ErrUnknownOutcome},
		{"no time for an answer", []error{context.DeadlineExceeded, cluster.ErrNoLeader}, cluster.ErrUnknownOutcome},
		{"no answer, then done", []error{cluster.ErrUnknownOutcome, cluster.ErrNoLeader, nil}, nil},
		{"refused", []error{cluster.ErrNoLeader, ops.NotFound("it")}, ops.NotFound("it")},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &backend{name: "n1", replicas: newReplicas(1)}
				b.hints.set(0, "n2")
				err := b.atLeader(t.Context(), 0, undecided, nil, func(_ context.Context, node string) error {
					b.hints.set(0, node+"'") // the next one to ask
					next := test.attempts[0]
					if len(test.attempts) > 1 {
						test.attempts = test.attempts[1:]
					}
					return next
				})
				var refused *ops.Error
				if errors.As(err, &refused) {
					require.Equal(t, test.want, err)
				} else {
					require.ErrorIs(t, err, test.want)
				}
			})
		})
	}
}
