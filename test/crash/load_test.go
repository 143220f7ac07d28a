package crash

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/test/client"
	"prefectd/test/facts"
)

func newLoad(t *testing.T, s *server) *facts.Load {
	flow, err := s.client.EnsureFlow(t.Context(), "crash")
	require.NoError(t, err)
	return facts.NewLoad(flow, func(int) *client.Client { return s.client })
}

// during keeps clients busy while disturb does its work, which ends the server.
// An error before disturb says that it ends is a failure of the test.
func during(t *testing.T, l *facts.Load, disturb func(ending func())) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ending atomic.Bool
	var mu sync.Mutex
	var errs []error
	var wait sync.WaitGroup
	wait.Go(func() {
		l.Run(ctx, func(err error) (goOn bool) {
			if tooBusy(err) {
				return true
			}
			if !ending.Load() {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
			return false
		})
	})
	disturb(func() { ending.Store(true) })
	cancel()
	wait.Wait()
	require.NoError(t, errors.Join(errs...), "while the server was up")
}

func tooBusy(err error) bool {
	var refused *client.StatusError
	return errors.As(err, &refused) && refused.Status == 503
}
