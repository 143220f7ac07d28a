package cluster

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/fsm"
	"prefectd/store"
)

func TestAnswersAreDurable(t *testing.T) {
	dir := t.TempDir()
	g, _ := alone(t, dir)
	for want := 1; want <= 3; want++ {
		require.Equal(t, want, submit(t, g, add{number: 1}))
		require.Equal(t, want, count(t, g, 1), "writes are seen at once")
	}
	require.NoError(t, g.Close())
	g, _ = alone(t, dir)
	require.Equal(t, 3, count(t, g, 1))
	require.Equal(t, 4, submit(t, g, add{number: 1}))
}

func TestRefusedOperationsLeaveNothing(t *testing.T) {
	g, y := alone(t, t.TempDir())
	_, err := g.Submit(t.Context(), add{number: 1, fail: true})
	require.ErrorIs(t, err, errNope)
	_, err = g.Submit(t.Context(), add{number: 1, panic: true})
	require.ErrorContains(t, err, "boom")
	require.False(t, Unavailable(err))
	require.Equal(t, 0, count(t, g, 1))
	require.Zero(t, y.entries())
	require.Equal(t, 1, submit(t, g, add{number: 1}))
}

func TestOperationsThatMeetShareAnEntry(t *testing.T) {
	g, y := alone(t, t.TempDir())
	release := hold(t, g)
	var wait sync.WaitGroup
	for i := range 100 {
		wait.Go(func() {
			answer, err := g.Submit(t.Context(), add{number: uint64(i % 10), fail: i%10 == 9})
			if i%10 == 9 {
				require.ErrorIs(t, err, errNope)
				return
			}
			require.NoError(t, err)
			require.Positive(t, answer)
		})
	}
	queued(t, g, 100)
	release()
	wait.Wait()
	require.Equal(t, 2, y.entries())
	require.Len(t, y.rows[1], 9, "a row that is written often is in the entry once")
	for i := range uint64(9) {
		require.Equal(t, 10, count(t, g, i))
	}
	require.Equal(t, 0, count(t, g, 9))
}

func TestAnEntryIsNotTooLarge(t *testing.T) {
	g, y := alone(t, t.TempDir())
	release := hold(t, g)
	var wait sync.WaitGroup
	for i := range 10 {
		wait.Go(func() {
			_, err := g.Submit(t.Context(), add{number: uint64(i), padding: batchBytes / 4})
			require.NoError(t, err)
		})
	}
	queued(t, g, 10)
	release()
	wait.Wait()
	require.Equal(t, 1+3, y.entries())
	for _, rows := range y.rows[1:] {
		require.LessOrEqual(t, len(rows), 4)
	}
}

func TestAFullQueueRefuses(t *testing.T) {
	g, _ := alone(t, t.TempDir())
	release := hold(t, g)
	w, _ := g.leading()
	var wait sync.WaitGroup
	for range queueLength {
		wait.Go(func() {
			_, err := g.Submit(t.Context(), add{number: 1})
			require.NoError(t, err)
		})
	}
	eventually(t, func() bool { return len(w.queue) == queueLength })
	_, err := g.Submit(t.Context(), add{number: 1})
	require.ErrorIs(t, err, ErrOverloaded)
	require.True(t, Unavailable(err))
	release()
	wait.Wait()
	require.Equal(t, queueLength, count(t, g, 1))
}

func TestAnOperationWhoseCallerLeftIsDropped(t *testing.T) {
	g, y := alone(t, t.TempDir())
	release := hold(t, g)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := g.Submit(ctx, add{number: 1})
		left <- err
	}()
	queued(t, g, 1)
	cancel()
	require.ErrorIs(t, <-left, context.Canceled)
	release()
	submit(t, g, add{number: 2})
	require.Equal(t, 0, count(t, g, 1))
	require.Equal(t, 2, y.evaluations())
}

func TestAnOperationWithoutChangesMakesNoEntry(t *testing.T) {
	g, y := alone(t, t.TempDir())
	submit(t, g, add{number: 1})
	_, before, _ := g.log.extent()
	require.Equal(t, 1, submit(t, g, look{number: 1}))
	_, after, _ := g.log.extent()
	require.Equal(t, before, after)
	require.Equal(t, 1, y.entries())
}

// A batch that was evaluated before another entry came is refused, and evaluated
// again on what that one left.
func TestAnOvertakenBatchIsEvaluatedAgain(t *testing.T) {
	g, y := alone(t, t.TempDir())
	submit(t, g, add{number: 1})

	started, gate := make(chan struct{}), make(chan struct{})
	answer := make(chan any)
	go func() { answer <- submit(t, g, add{number: 1, started: started, hold: gate}) }()
	<-started
	foreign := fsm.Entry{Base: g.fsm.Applied()}
	view, err := g.db.Batch()
	require.NoError(t, err)
	items.Put(view.Tx(), &item{Number: 1, Count: 100})
	foreign.Changes = view.Changes()
	require.NoError(t, view.Close())
	future := g.raft.Apply(foreign.Encode(), 0)
	require.NoError(t, future.Error())
	require.Nil(t, future.Response())
	close(gate)

	require.Equal(t, 101, <-answer)
	require.Equal(t, 3, y.evaluations())
	require.Equal(t, 101, count(t, g, 1))
	require.EqualValues(t, 1, gathered(t, g)["prefectd_group_entries_refused_total"])

	future = g.raft.Apply(foreign.Encode(), 0)
	require.NoError(t, future.Error())
	require.Equal(t, fsm.Refused{}, future.Response())
}

func TestCloseAnswersEveryone(t *testing.T) {
	dir := t.TempDir()
	g, _ := alone(t, dir)
	var wait sync.WaitGroup
	done := make([]int, 50)
	for i := range done {
		wait.Go(func() {
			for {
				if _, err := g.Submit(context.Background(), add{number: uint64(i)}); err != nil {
					if !Unavailable(err) {
						t.Errorf("unexpected: %v", err)
					}
					return
				}
				done[i]++
			}
		})
	}
	eventually(t, func() bool { return stale(t, g, 7) > 2 })
	require.NoError(t, g.Close())
	require.NoError(t, g.Close(), "a second time does nothing")
	wait.Wait()
	_, err := g.Submit(t.Context(), add{})
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, g.View(t.Context(), func(*store.Tx) error { return nil }), ErrClosed)
	require.ErrorIs(t, g.Ready(t.Context()), ErrClosed)

	g, _ = alone(t, dir)
	for i, n := range done {
		require.Equal(t, n, count(t, g, uint64(i)), fmt.Sprint("submitter ", i))
	}
}
