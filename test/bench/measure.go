package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// figure is what one measurement of one side came to.
type figure struct {
	name    string
	unit    string
	rate    float64       // operations a second
	cpu     time.Duration // the server's processor time for an operation
	p50     time.Duration // of an operation, as the client saw it
	p95     time.Duration
	ops     int
	retries int64
	value   float64 // of a plain quantity, which has no rate
}

// span is how long a measurement takes, and what comes before it uncounted.
func (b *bench) span() (measured, warm time.Duration) {
	if b.opts.quick {
		return 3 * time.Second, 500 * time.Millisecond
	}
	return 6 * time.Second, time.Second
}

// drive runs an operation on a number of clients, one after another on each,
// and counts what ends within the measured time. An error ends it: a run with
// errors is no figure.
func (b *bench) drive(ctx context.Context, s *side, clients int, op func(ctx context.Context, worker int) error) (figure, error) {
	measured, warm := b.span()
	if _, err := drivePhase(ctx, clients, warm, op); err != nil {
		return figure{}, err
	}
	before, retries := s.process.Usage(), s.client.Retries.Load()
	began := time.Now()
	took, err := drivePhase(ctx, clients, measured, op)
	if err != nil {
		return figure{}, err
	}
	wall, after := time.Since(began), s.process.Usage()
	if len(took) == 0 {
		return figure{}, fmt.Errorf("nothing ended within %s", measured)
	}
	slices.Sort(took)
	return figure{
		rate:    float64(len(took)) / wall.Seconds(),
		cpu:     (after.CPU - before.CPU) / time.Duration(len(took)),
		p50:     took[len(took)/2],
		p95:     took[len(took)*95/100],
		ops:     len(took),
		retries: s.client.Retries.Load() - retries,
	}, nil
}

// drivePhase runs operations until the time is over and answers how long each
// took; those that have begun are brought to their end.
func drivePhase(ctx context.Context, clients int, d time.Duration, op func(ctx context.Context, worker int) error) ([]time.Duration, error) {
	until := time.Now().Add(d)
	ctx, cancel := context.WithTimeout(ctx, d+time.Minute)
	defer cancel()
	took := make([][]time.Duration, clients)
	errs := make([]error, clients)
	var wait sync.WaitGroup
	for w := range clients {
		wait.Go(func() {
			for time.Now().Before(until) && ctx.Err() == nil {
				began := time.Now()
				if errs[w] = op(ctx, w); errs[w] != nil {
					cancel()
					return
				}
				took[w] = append(took[w], time.Since(began))
			}
		})
	}
	wait.Wait()
	return slices.Concat(took...), errors.Join(errs...)
}
