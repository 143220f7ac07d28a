package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"prefectd/test/client"
)

const (
	slotClients = 8
	slotsEach   = 1000 // of a limit: nobody waits for one
	slotLease   = 300  // seconds
)

// limits measures slots of concurrency limits: taken with a lease, renewed, given back.
func (b *bench) limits(ctx context.Context) error {
	b.report.begin(sectionWork)
	for _, n := range []int{1, 100} {
		name := "slots of one limit, 8 clients"
		if n > 1 {
			name = fmt.Sprintf("slots of %d limits, 8 clients", n)
		}
		err := b.alternate(ctx, name, "take, renew and give: 3 requests", func(s *side) (figure, error) {
			return b.slotsOf(ctx, s, n)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// slotsOf measures a side, and finds that no slot stays taken.
func (b *bench) slotsOf(ctx context.Context, s *side, n int) (figure, error) {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("load-%08x", rand.Uint32())
		if _, err := s.client.CreateLimit(ctx, names[i], slotsEach); err != nil {
			return figure{}, err
		}
	}
	f, err := b.drive(ctx, s, slotClients, func(ctx context.Context, _ int) error {
		lease, err := s.client.TakeSlot(ctx, names[rand.IntN(n)], slotLease)
		if err != nil {
			return err
		}
		if lease == "" {
			return fmt.Errorf("a limit of %d slots is full with %d clients", slotsEach, slotClients)
		}
		if err := s.client.RenewSlot(ctx, lease, slotLease); err != nil {
			return err
		}
		return s.client.GiveSlot(ctx, lease)
	})
	if err != nil {
		return f, err
	}
	for _, name := range names {
		l, err := s.client.ReadLimit(ctx, name)
		if err != nil {
			return f, err
		}
		if l.ActiveSlots != 0 {
			return f, fmt.Errorf("%d slots of %s stay taken", l.ActiveSlots, name)
		}
	}
	return f, nil
}

const (
	pools       = 20
	runsInPool  = 500
	pollClients = 4
	pollLimit   = 10 // what a worker of ten slots asks for
)

// polls measures workers that ask for runs, with many that are due.
func (b *bench) polls(ctx context.Context) error {
	b.report.begin(sectionWork)
	due := map[*side][]string{}
	return b.alternate(ctx, "polls of workers, 4 clients", fmt.Sprintf("poll for %d of %d runs in %d pools", pollLimit, pools*runsInPool, pools), func(s *side) (figure, error) {
		if due[s] == nil {
			names, err := s.fillPools(ctx)
			if err != nil {
				return figure{}, err
			}
			due[s] = names
		}
		return b.drive(ctx, s, pollClients, func(ctx context.Context, _ int) error {
			n, err := s.client.PollPool(ctx, due[s][rand.IntN(pools)], time.Now(), pollLimit)
			if err == nil && n != pollLimit {
				err = fmt.Errorf("%d runs instead of %d", n, pollLimit)
			}
			return err
		})
	})
}

// fillPools makes pools with runs that are due, and answers their names.
func (s *side) fillPools(ctx context.Context) (names []string, err error) {
	flow, err := s.flow(ctx, "polled")
	if err != nil {
		return nil, err
	}
	end := time.Now().Add(-time.Minute).Truncate(time.Second)
	begin := end.Add(-(runsInPool - 1) * time.Second)
	for i := range pools {
		name := fmt.Sprintf("pool-%d", i)
		if err := s.client.CreatePool(ctx, name); err != nil {
			return nil, err
		}
		id, err := s.client.CreateDeployment(ctx, client.NewDeployment{
			Name: name, FlowID: flow, Pool: &name, Paused: true, Schedule: []map[string]any{client.Every(time.Second, begin)},
		})
		if err != nil {
			return nil, err
		}
		for at := begin; !at.After(end); at = at.Add(scheduledAtOnce * time.Second) {
			last := at.Add((scheduledAtOnce - 1) * time.Second)
			if last.After(end) {
				last = end
			}
			if err := s.client.ScheduleRuns(ctx, id, at, last, scheduledAtOnce); err != nil {
				return nil, err
			}
		}
		names = append(names, name)
	}
	return names, s.waitForRuns(ctx, pools*runsInPool)
}

// scheduledAtOnce is how many runs a request may ask for.
const scheduledAtOnce = 100

// waitForRuns waits until so many runs are scheduled.
func (s *side) waitForRuns(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, eventPatience)
	defer cancel()
	for {
		got, err := s.client.CountRuns(ctx, "SCHEDULED")
		if err != nil || got >= n {
			return err
		}
		if err := sleep(ctx, pollEvery); err != nil {
			return fmt.Errorf("%d of %d runs are scheduled: %w", got, n, err)
		}
	}
}

// scheduledEach is how many runs of a daily schedule the schedulers make ahead.
const scheduledEach = 3

// schedules measures the scheduler: a server is started on deployments that it has made
// no runs for.
func (b *bench) schedules(ctx context.Context) error {
	b.report.begin(sectionWork)
	n := 500
	if b.opts.quick {
		n = 100
	}
	for range b.opts.repeat {
		for _, s := range b.sides {
			for _, other := range b.sides {
				if other != s {
					other.pause()
				}
			}
			f, err := s.scheduleAnew(ctx, n*s.weight)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			f.name, f.unit = "scheduler", fmt.Sprintf("deployment; %d (Python) and %d with a daily schedule each", n*b.sides[0].weight, n*b.sides[len(b.sides)-1].weight)
			b.report.add(s, f, err)
		}
	}
	return nil
}

// schedulerOff is what both servers know to leave the scheduler out.
const schedulerOff = "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED=false"

func (s *side) scheduleAnew(ctx context.Context, n int) (f figure, err error) {
	if err := s.fresh(); err != nil {
		return f, err
	}
	s.env = []string{schedulerOff}
	defer func() { s.env = nil }()
	if err := s.start(ctx); err != nil {
		return f, err
	}
	flow, err := s.flow(ctx, "scheduled")
	if err != nil {
		return f, err
	}
	if err := each(ctx, pollClients, n, func(i int) error { return s.deployDaily(ctx, flow, i) }); err != nil {
		return f, err
	}
	s.stop()
	s.env = nil
	if err := s.start(ctx); err != nil {
		return f, err
	}
	before, began := s.process.Usage(), time.Now()
	if err := s.waitForRuns(ctx, scheduledEach*n); err != nil {
		return f, err
	}
	wall := time.Since(began)
	return figure{ops: n, rate: float64(n) / wall.Seconds(), cpu: (s.process.Usage().CPU - before.CPU) / time.Duration(n)}, s.fresh()
}

// deployDaily makes a deployment with a schedule of one of three kinds.
func (s *side) deployDaily(ctx context.Context, flow string, i int) error {
	schedule := client.Every(24*time.Hour, time.Now().Add(time.Duration(i)*time.Second))
	switch i % 3 {
	case 1:
		schedule = client.Cron(fmt.Sprintf("%d %d * * *", i%60, i%24))
	case 2:
		schedule = client.RRule(fmt.Sprintf("DTSTART:20200101T%02d%02d00\nFREQ=DAILY", i%24, i%60))
	}
	_, err := s.client.CreateDeployment(ctx, client.NewDeployment{Name: fmt.Sprintf("d-%d", i), FlowID: flow, Schedule: []map[string]any{schedule}})
	return err
}
