//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"prefectd/test/client"
	"prefectd/test/history"
)

// limits are concurrency limits whose slots several clients take and give back. Like
// runs they are used for a while, then the next ones are.
type limits struct {
	load     *load
	recorder *history.Recorder[history.SlotAction, history.SlotOut]

	mu    sync.Mutex
	names []string // that are in use
	all   []string // that were not checked yet
}

const (
	limitClients = 4
	limitsInUse  = 2
	slotsOfLimit = 2
	leaseTime    = 600 // seconds: none expires before its limit is checked
)

func newLimits(l *load) *limits {
	return &limits{load: l, recorder: history.NewRecorder[history.SlotAction, history.SlotOut]()}
}

// run keeps the clients at work until the context ends.
func (s *limits) run(ctx context.Context, failed func(error) bool) {
	var all sync.WaitGroup
	all.Go(func() {
		for ctx.Err() == nil {
			if err := s.renew(ctx); err != nil {
				failed(err)
				_ = wait(ctx, rest)
				continue
			}
			_ = wait(ctx, registerLife)
		}
	})
	for number := range limitClients {
		all.Go(func() { s.work(ctx, number, failed) })
	}
	all.Wait()
}

// renew makes the limits for the next while.
func (s *limits) renew(ctx context.Context) error {
	names := make([]string, limitsInUse)
	for i := range names {
		names[i] = fmt.Sprintf("chaos-%08x", rand.Uint64())
		if _, err := s.load.elsewhere().CreateLimit(ctx, names[i], slotsOfLimit); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names, s.all = names, append(s.all, names...)
	return nil
}

// lease is a slot that a client has.
type lease struct{ id, limit string }

// work has a client take slots and give them back, through any node.
func (s *limits) work(ctx context.Context, number int, failed func(error) bool) {
	var held []lease
	for ctx.Err() == nil {
		s.mu.Lock()
		names := s.names
		s.mu.Unlock()
		if len(names) == 0 {
			_ = wait(ctx, rest)
			continue
		}
		held = slices.DeleteFunc(held, func(l lease) bool { return !slices.Contains(names, l.limit) })
		var err error
		name, through := names[rand.IntN(len(names))], s.load.elsewhere()
		switch n := rand.IntN(10); {
		case n == 0:
			_, err = s.count(ctx, through, number, name)
		case n < 5 && len(held) > 0:
			name = held[0].limit
			err = s.give(ctx, through, number, held[0])
			held = held[1:] // if it is not known whether it was given, it is not given again
		default:
			var id string
			if id, err = s.take(ctx, through, number, name); id != "" {
				held = append(held, lease{id, name})
			}
		}
		if err != nil {
			failed(err)
			if !client.NotDone(err) {
				s.retire(name)
			}
		}
		_ = wait(ctx, rest)
	}
}

// retire takes a limit out of use. Each request whose outcome is unknown doubles what there
// is to judge, so a history has no more of them than there are clients.
func (s *limits) retire(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = slices.DeleteFunc(slices.Clone(s.names), func(n string) bool { return n == name })
}

func (s *limits) take(ctx context.Context, through *client.Client, number int, name string) (id string, err error) {
	call := s.recorder.Call(number, name, history.Take)
	if id, err = through.TakeSlot(ctx, name, leaseTime); err == nil {
		call.Answered(history.SlotOut{Taken: id != ""})
	} else if client.NotDone(err) {
		call.NotDone()
	}
	return id, err
}

func (s *limits) give(ctx context.Context, through *client.Client, number int, l lease) error {
	call := s.recorder.Call(number, l.limit, history.Give)
	err := through.GiveSlot(ctx, l.id)
	if err == nil {
		call.Answered(history.SlotOut{})
	} else if client.NotDone(err) {
		call.NotDone()
	}
	return err
}

func (s *limits) count(ctx context.Context, through *client.Client, number int, name string) (int, error) {
	call := s.recorder.Call(number, name, history.Count)
	l, err := through.ReadLimit(ctx, name)
	if err != nil {
		return 0, err
	}
	call.Answered(history.SlotOut{Count: l.ActiveSlots})
	return l.ActiveSlots, nil
}

// check reads all limits that were used, through every node, and judges their
// histories. They are forgotten.
func (s *limits) check(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, name := range s.all {
		if err := s.judge(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("limit %s: %w", name, err))
		}
	}
	s.names, s.all, s.recorder = nil, nil, history.NewRecorder[history.SlotAction, history.SlotOut]()
	return errors.Join(errs...)
}

func (s *limits) judge(ctx context.Context, name string) error {
	for i, n := range s.load.nodes {
		if _, err := s.count(ctx, n.client, limitClients+i, name); err != nil {
			return err
		}
	}
	drawing := filepath.Join(os.TempDir(), "history-"+name+".html")
	return history.CheckSlots(s.recorder.Of(name), slotsOfLimit, judgeTime, drawing)
}
