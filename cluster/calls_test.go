package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// soon is how long something may take that is noticed within three seconds, on a
// machine that has other things to do.
const soon = 8 * time.Second

// within is ctx for what has to end by itself before.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestCallsAreAnswered(t *testing.T) {
	s := newSite(t)
	from, to := s.network("n1"), s.network("n2")
	to.Handle("who", func(_ context.Context, c *Call) error {
		_, err := io.WriteString(c.Answer, c.Node)
		return err
	})
	to.Handle("echo", echo)
	answer, err := from.Call(t.Context(), "n2", "who", nil)
	require.NoError(t, err)
	require.Equal(t, "n1", string(answer))

	var wait sync.WaitGroup
	for i := range 200 {
		wait.Go(func() {
			body := fmt.Appendf(nil, "this is %d", i)
			answer, err := from.Call(t.Context(), "n2", "echo", body)
			require.NoError(t, err)
			require.Equal(t, body, answer)
		})
	}
	wait.Wait()

	answer, err = from.Call(t.Context(), "n2", "echo", nil)
	require.NoError(t, err)
	require.Empty(t, answer)
	_, err = from.Call(t.Context(), "n2", "dance", nil)
	require.ErrorContains(t, err, `does not know the call "dance"`)
	require.False(t, Unavailable(err))
}

func TestBodiesAreLarge(t *testing.T) {
	s := newSite(t)
	from, to := s.network("n1"), s.network("n2")
	to.Handle("echo", echo)
	body := make([]byte, 64<<20)
	rand.Read(body)
	answer, err := from.Call(t.Context(), "n2", "echo", body)
	require.NoError(t, err)
	require.True(t, bytes.Equal(body, answer))

	_, err = from.Call(t.Context(), "n2", "echo", make([]byte, 64<<20+1))
	require.ErrorContains(t, err, "too large")
	require.False(t, Unavailable(err), "it is not to be sent again")
	require.NotErrorIs(t, err, ErrUnknownOutcome)
}

func TestWhatIsTooLargeIsNotCutShort(t *testing.T) {
	for size, fits := range map[int64]bool{0: true, 1: true, 5000: true, 5001: false, 1 << 20: false} {
		for _, said := range []int64{size, -1} {
			data, err := readBounded(io.LimitReader(zeros{}, size), said, 5000)
			if !fits {
				require.ErrorIs(t, err, errTooLarge)
				continue
			}
			require.NoError(t, err)
			require.Len(t, data, int(size))
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A handler that takes its time to read what it was sent holds up nobody else.
func TestBodiesThatAreNotReadHoldUpNobody(t *testing.T) {
	s := newSite(t)
	from, to := s.network("n1"), s.network("n2")
	to.Handle("echo", echo)
	begun, end := make(chan struct{}), make(chan struct{})
	to.Handle("later", func(context.Context, *Call) error {
		begun <- struct{}{}
		<-end
		return nil
	})
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() { from.Call(t.Context(), "n2", "later", make([]byte, 16<<20)) })
		<-begun
	}
	body := make([]byte, 1<<20)
	answer, err := from.Call(within(t, time.Minute), "n2", "echo", body)
	require.NoError(t, err)
	require.True(t, bytes.Equal(body, answer))
	close(end)
	wait.Wait()
}

func TestAnswersAreReadAsTheyAreWritten(t *testing.T) {
	s := newSite(t)
	from, to := s.network("n1"), s.network("n2")
	next, over := make(chan string), make(chan struct{})
	to.Handle("follow", func(ctx context.Context, c *Call) error {
		defer close(over)
		for {
			select {
			case text := <-next:
				if _, err := io.WriteString(c.Answer, text); err != nil {
					return err
				}
				if err := c.Flush(); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	go func() { next <- "first" }()
	answer, err := from.Stream(t.Context(), "n2", "follow", nil)
	require.NoError(t, err)
	part := make([]byte, 10)
	n, err := answer.Read(part)
	require.NoError(t, err)
	require.Equal(t, "first", string(part[:n]))
	next <- "second"
	n, err = answer.Read(part)
	require.NoError(t, err)
	require.Equal(t, "second", string(part[:n]))
	require.NoError(t, answer.Close())
	<-over
}

func TestTheCallersContextIsTheHandlers(t *testing.T) {
	s := newSite(t)
	from, to := s.network("n1"), s.network("n2")
	begun, over := make(chan context.Context), make(chan struct{})
	to.Handle("wait", func(ctx context.Context, _ *Call) error {
		begun <- ctx
		<-ctx.Done()
		over <- struct{}{}
		return ctx.Err()
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	done := make(chan error)
	go func() {
		_, err := from.Call(ctx, "n2", "wait", nil)
		done <- err
	}()
	there, ok := (<-begun).Deadline()
	require.True(t, ok, "the deadline is known there")
	here, _ := ctx.Deadline()
	require.WithinDuration(t, here, there, time.Minute)
	cancel()
	<-over
	err := <-done
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, ErrUnknownOutcome, "it was begun")
}

func TestErrorsKeepTheirIdentity(t *testing.T) {
	s := newSite(t)
	from, to := s.network("n1"), s.network("n2")
	exact := &exactError{409, "that name is taken"}
	cases := map[string]struct {
		err  error
		is   []error
		isNo []error
	}{
		"no leader":  {fmt.Errorf("group 3: %w", ErrNoLeader), []error{ErrNoLeader}, []error{ErrUnknownOutcome}},
		"overloaded": {ErrOverloaded, []error{ErrOverloaded}, []error{ErrNoLeader}},
		"closed":     {ErrClosed, []error{ErrClosed}, []error{ErrNoLeader}},
		"unknown":    {ErrUnknownOutcome, []error{ErrUnknownOutcome}, []error{ErrNoLeader}},
		"two":        {fmt.Errorf("%w: %w", ErrUnknownOutcome, ErrNoLeader), []error{ErrUnknownOutcome, ErrNoLeader}, []error{ErrClosed}},
		"too late":   {fmt.Errorf("apply: %w", context.DeadlineExceeded), []error{context.DeadlineExceeded}, []error{ErrNoLeader}},
		"canceled":   {context.Canceled, []error{context.Canceled}, []error{context.DeadlineExceeded}},
	}
	for name, c := range cases {
		to.Handle(name, func(context.Context, *Call) error { return c.err })
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := from.Call(t.Context(), "n2", name, nil)
			require.EqualError(t, err, c.err.Error())
			for _, e := range c.is {
				require.ErrorIs(t, err, e)
			}
			for _, e := range c.isNo {
				require.NotErrorIs(t, err, e)
			}
		})
	}

	to.Handle("exact", func(context.Context, *Call) error { return fmt.Errorf("wrapped: %w", exact) })
	_, err := from.Call(t.Context(), "n2", "exact", nil)
	var got *exactError
	require.ErrorAs(t, err, &got)
	require.Equal(t, exact, got)
}

// An error after a part of the answer is not taken for the end of the answer.
func TestErrorsAfterTheAnswerHasBegun(t *testing.T) {
	s := newSite(t)
	from, to := s.network("n1"), s.network("n2")
	exact := &exactError{500, "the disk is gone\nand so is\tthe rest"}
	for _, size := range []int64{10, 1 << 20} {
		to.Handle("half", func(_ context.Context, c *Call) error {
			if _, err := io.CopyN(c.Answer, zeros{}, size); err != nil {
				return err
			}
			return exact
		})
		_, err := from.Call(t.Context(), "n2", "half", nil)
		var got *exactError
		require.ErrorAs(t, err, &got)
		require.Equal(t, exact, got)
		answer, err := from.Stream(t.Context(), "n2", "half", nil)
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, answer)
		require.ErrorAs(t, err, &got)
		require.Equal(t, size, n)
		require.NoError(t, answer.Close())
	}
}

func TestHandlersThatPanic(t *testing.T) {
	s := newSite(t)
	from, to := s.network("n1"), s.network("n2")
	to.Handle("panic", func(context.Context, *Call) error { panic("boom") })
	to.Handle("echo", echo)
	_, err := from.Call(t.Context(), "n2", "panic", nil)
	require.ErrorContains(t, err, "boom")
	_, err = from.Call(t.Context(), "n2", "echo", nil)
	require.NoError(t, err)
}

// Where nobody answers, nothing was done, and others are not held up.
func TestNodesThatAreNotReached(t *testing.T) {
	s := newSite(t)
	from, to := s.network("n1"), s.network("n2")
	to.Handle("echo", echo)
	gone := s.network("gone")
	require.NoError(t, gone.Close())
	s.moved("mute", mute(t))
	s.moved("impostor", to.Address())
	for _, node := range []string{"unknown", "gone", "mute", "impostor"} {
		t.Run(node, func(t *testing.T) {
			_, err := from.Call(within(t, soon), node, "echo", nil)
			require.True(t, Unavailable(err), "%v", err)
			require.NotErrorIs(t, err, ErrUnknownOutcome)
			require.NotErrorIs(t, err, context.DeadlineExceeded, "before the caller loses patience")
		})
	}

	waiting := make(chan error)
	go func() {
		_, err := from.Call(t.Context(), "mute", "echo", nil)
		waiting <- err
	}()
	_, err := from.Call(t.Context(), "n2", "echo", nil)
	require.NoError(t, err)
	select {
	case <-waiting:
		require.Fail(t, "mute was given up first")
	default:
	}
	require.True(t, Unavailable(<-waiting))
}

// A caller who loses patience before there is a connection knows that nothing was done.
func TestCallsThatEndBeforeThereIsAConnection(t *testing.T) {
	s := newSite(t)
	from := s.network("n1")
	s.moved("n2", mute(t))
	_, err := from.Call(within(t, 50*time.Millisecond), "n2", "echo", nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.True(t, Unavailable(err))
	require.NotErrorIs(t, err, ErrUnknownOutcome)
}

// A node that falls silent is noticed, on both ends, also if nobody has a deadline.
func TestNodesThatFallSilent(t *testing.T) {
	s := newSite(t)
	from, to := s.network("n1"), s.network("n2")
	begun, over := make(chan struct{}, 1), make(chan struct{}, 1)
	to.Handle("wait", func(ctx context.Context, _ *Call) error {
		begun <- struct{}{}
		<-ctx.Done()
		over <- struct{}{}
		return nil
	})
	to.Handle("echo", echo)
	between := newRelay(t, to.Address())
	s.moved("n2", between.address())
	done := make(chan error)
	go func() {
		_, err := from.Call(t.Context(), "n2", "wait", nil)
		done <- err
	}()
	<-begun
	between.hold(true)
	deadline := time.After(soon)
	for range 2 {
		select {
		case err := <-done:
			require.ErrorIs(t, err, ErrUnknownOutcome)
			require.False(t, Unavailable(err))
		case <-over:
		case <-deadline:
			require.Fail(t, "not noticed")
		}
	}
	between.hold(false)
	_, err := from.Call(t.Context(), "n2", "echo", nil)
	require.NoError(t, err, "a new connection is made")
}

func TestConnectionsThatBreakInTheMiddle(t *testing.T) {
	s := newSite(t)
	from, to := s.network("n1"), s.network("n2")
	begun := make(chan struct{})
	to.Handle("wait", func(ctx context.Context, c *Call) error {
		if _, err := io.WriteString(c.Answer, "begun"); err != nil {
			return err
		}
		if err := c.Flush(); err != nil {
			return err
		}
		begun <- struct{}{}
		<-ctx.Done()
		return nil
	})
	between := newRelay(t, to.Address())
	s.moved("n2", between.address())
	done := make(chan error)
	go func() {
		_, err := from.Call(t.Context(), "n2", "wait", nil)
		done <- err
	}()
	<-begun
	between.close()
	err := <-done
	require.ErrorIs(t, err, ErrUnknownOutcome)
	require.False(t, Unavailable(err))
}

func TestNodesThatMove(t *testing.T) {
	s := newSite(t)
	from := s.network("n1")
	for range 3 {
		to := s.network("n2") // on another port each time
		to.Handle("echo", echo)
		for range 3 {
			_, err := from.Call(t.Context(), "n2", "echo", nil)
			require.NoError(t, err)
		}
		require.NoError(t, to.Close())
		eventually(t, func() bool {
			_, err := from.Call(t.Context(), "n2", "echo", nil)
			require.Error(t, err)
			return Unavailable(err)
		})
	}
}

func TestCloseWaitsForHandlers(t *testing.T) {
	s := newSite(t)
	from, to := s.network("n1"), s.network("n2")
	told, release := make(chan struct{}), make(chan struct{})
	var ended atomic.Bool
	begun := make(chan struct{})
	to.Handle("wait", func(ctx context.Context, _ *Call) error {
		close(begun)
		<-ctx.Done()
		close(told)
		<-release
		ended.Store(true)
		return nil
	})
	answered := make(chan error)
	go func() {
		_, err := from.Call(t.Context(), "n2", "wait", nil)
		answered <- err
	}()
	<-begun
	closed := make(chan error)
	go func() { closed <- to.Close() }()
	<-told
	require.ErrorIs(t, <-answered, ErrUnknownOutcome)
	select {
	case <-closed:
		require.Fail(t, "a handler is running")
	case <-time.After(50 * time.Millisecond): // nothing tells that Close is waiting
	}
	close(release)
	require.NoError(t, <-closed)
	require.True(t, ended.Load())

	require.NoError(t, from.Close())
	_, err := from.Call(t.Context(), "n2", "echo", nil)
	require.True(t, Unavailable(err), "%v", err)
	require.True(t, errors.Is(err, ErrClosed), "%v", err)
}
