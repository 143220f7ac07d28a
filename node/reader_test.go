package node

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"prefectd/cluster"
)

// Those who come while a question is under way share the next one, also if the one who
// puts it has given up.
func TestReadersShareQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reader
		asked := uint64(0)
		answer := make(chan struct{})
		ask := func(ctx context.Context) (cluster.Mark, error) {
			asked++ // one question at a time
			<-answer
			return cluster.Mark{Index: asked}, ctx.Err()
		}
		var wait sync.WaitGroup
		read := func(ctx context.Context, want uint64) {
			wait.Go(func() {
				m, err := r.mark(ctx, ask)
				require.NoError(t, err)
				require.Equal(t, want, m.Index)
			})
			synctest.Wait()
		}
		read(t.Context(), 1)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		read(gone, 2)
		for range 10 {
			read(t.Context(), 2)
		}
		close(answer)
		wait.Wait()
		require.EqualValues(t, 2, asked)
	})
}
