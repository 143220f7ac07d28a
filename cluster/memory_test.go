package cluster

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/store"
)

func once(t *testing.T, g *Group, id byte, op any) any {
	t.Helper()
	answer, err := g.SubmitOnce(t.Context(), OperationID{id}, op)
	require.NoError(t, err)
	return answer
}

func rowsOfMemory(t *testing.T, g *Group) (n int) {
	t.Helper()
	require.NoError(t, g.Stale(func(tx *store.Tx) error {
		n = store.Operations.Count(tx, store.Range{})
		return nil
	}))
	return n
}

func TestAnOperationThatComesAgainAnswersTheSame(t *testing.T) {
	dir := t.TempDir()
	g, y := alone(t, dir)
	require.Equal(t, 1, once(t, g, 1, add{number: 1}))
	require.Equal(t, 2, once(t, g, 2, add{number: 1}))
	require.Equal(t, 3, submit(t, g, add{number: 1}))
	require.Equal(t, 1, once(t, g, 1, add{number: 1}))
	require.Equal(t, 2, once(t, g, 2, add{number: 1}))
	require.Equal(t, 3, y.evaluations())
	require.NoError(t, g.Close())

	g, y = alone(t, dir)
	require.Equal(t, 1, once(t, g, 1, add{number: 1}))
	require.Equal(t, 2, once(t, g, 2, add{number: 1}))
	require.Zero(t, y.evaluations())
	require.Equal(t, 4, once(t, g, 3, add{number: 1}))
	require.Equal(t, 4, once(t, g, 3, add{number: 1}))
	require.Equal(t, 4, count(t, g, 1))
}

func TestAnOperationThatComesTwiceInABatchRunsOnce(t *testing.T) {
	g, y := alone(t, t.TempDir())
	release := hold(t, g)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() { require.Equal(t, 1, once(t, g, 1, add{number: 1})) })
	}
	queued(t, g, 20)
	release()
	wait.Wait()
	require.Equal(t, 2, y.evaluations())
	require.Equal(t, 1, count(t, g, 1))
	require.Equal(t, 1, rowsOfMemory(t, g))
}

func TestOnlyWhatChangedSomethingIsRemembered(t *testing.T) {
	g, y := alone(t, t.TempDir())
	_, err := g.SubmitOnce(t.Context(), OperationID{1}, add{number: 1, fail: true})
	require.ErrorIs(t, err, errNope)
	require.Equal(t, 0, once(t, g, 2, look{number: 1}))
	require.Zero(t, rowsOfMemory(t, g))
	require.Equal(t, 1, once(t, g, 1, add{number: 1}), "it may succeed the next time")
	require.Equal(t, 1, once(t, g, 2, look{number: 1}))
	require.Equal(t, 4, y.evaluations())
	require.Equal(t, 1, rowsOfMemory(t, g))
}

func TestOldOperationsAreForgotten(t *testing.T) {
	g, _ := alone(t, t.TempDir(), func(c *Config) { c.Retention = time.Nanosecond })
	for i := range 20 {
		require.Equal(t, i+1, once(t, g, byte(i+1), add{number: 1}))
	}
	require.LessOrEqual(t, rowsOfMemory(t, g), 2)
	require.Equal(t, 21, once(t, g, 1, add{number: 1}), "too late")
	w, _ := g.leading()
	require.LessOrEqual(t, len(w.memory.rows), 2)
}

func TestOperationsWithoutIDCostNoRow(t *testing.T) {
	g, y := alone(t, t.TempDir())
	submit(t, g, add{number: 1})
	require.Zero(t, rowsOfMemory(t, g))
	require.Len(t, y.rows[0], 1)
	w, _ := g.leading()
	require.Nil(t, w.memory.rows, "nothing is read either")
}

func TestAnIDNeedsACodec(t *testing.T) {
	g, _ := alone(t, t.TempDir(), func(c *Config) { c.Answers = nil })
	_, err := g.SubmitOnce(t.Context(), OperationID{1}, add{number: 1})
	require.Error(t, err)
	require.Equal(t, 0, count(t, g, 1))
}
