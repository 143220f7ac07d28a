package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// tenure is one time of leadership, from when it is gained until all that ran
// because of it has ended.
type tenure struct {
	group   *Group
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// pause is how long what failed waits to be tried again.
const pause = time.Second

// monitor begins and ends tenures. It takes every word of Raft's at once, because
// Raft waits until it is heard.
func (g *Group) monitor(ctx context.Context) {
	var (
		current     *tenure
		over, ended <-chan struct{} // current's end has begun, is complete
		leading     bool
		stopping    bool
		services    []Service
		stop        = ctx.Done()
	)
	for {
		select {
		case leading = <-g.notify:
			if current != nil {
				current.cancel() // also if leadership was lost and regained
			}
		case <-over:
			over, ended = nil, current.wait()
		case <-ended:
			current, ended = nil, nil
		case more := <-g.services:
			services = append(services, more...)
			if over != nil {
				current.serve(more)
			}
		case <-stop:
			stopping, stop = true, nil // ends the tenure too
		}
		if current != nil {
			continue
		}
		if stopping {
			return
		}
		if leading {
			current = g.begin(ctx, services)
			over = current.ctx.Done()
		}
	}
}

// Serve adds services that run while this node leads the group, from now on if
// it does already.
func (g *Group) Serve(services ...Service) {
	select {
	case g.services <- services:
	case <-g.closing:
	}
}

func (g *Group) begin(ctx context.Context, services []Service) *tenure {
	t := &tenure{group: g}
	t.ctx, t.cancel = context.WithCancel(ctx)
	t.running.Go(t.run)
	t.serve(services)
	return t
}

// wait tells when everything that ran has ended. Nothing is started after it.
func (t *tenure) wait() <-chan struct{} {
	ended := make(chan struct{})
	go func() { // the monitor waits for it
		t.running.Wait()
		close(ended)
	}()
	return ended
}

// run writes for as long as the tenure lasts.
func (t *tenure) run() {
	defer t.cancel()
	g := t.group
	index, err := g.barrier()
	if err != nil {
		g.config.Log.Debug("leadership is not taken up", "err", err)
		sleep(t.ctx, pause/10)
		return
	}
	g.log.check()
	w := newWriter(g, index)
	g.lead(w)
	w.run(t.ctx)
}

// barrier returns when the state file holds all that was committed before. No
// write is evaluated, and no service runs, on less than that.
func (g *Group) barrier() (index uint64, err error) {
	var future raft.Future
	err = g.await(func() raft.Future {
		future = g.raft.Barrier(applyTimeout)
		return future
	})
	if err != nil {
		return 0, err
	}
	return future.(raft.IndexFuture).Index(), nil
}

// serve runs services until the tenure ends, as soon as the group is ready.
func (t *tenure) serve(services []Service) {
	for _, s := range services {
		t.running.Go(func() {
			if t.group.Ready(t.ctx) != nil {
				return
			}
			for t.ctx.Err() == nil {
				err := s.Run(t.ctx)
				if err == nil || t.ctx.Err() != nil {
					return
				}
				t.group.config.Log.Error("service failed and is started again", "service", fmt.Sprintf("%T", s), "err", err)
				sleep(t.ctx, pause)
			}
		})
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// lead makes a writer the one that operations go to, or none.
func (g *Group) lead(w *writer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.writer = w; w != nil {
		g.counts.tenures.Inc()
		close(g.ready)
	} else {
		g.counts.lost.Inc()
		g.ready = make(chan struct{})
	}
}

// leading is the writer of this node's tenure, nil if it has none.
func (g *Group) leading() (w *writer, ready <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.writer, g.ready
}

// Ready returns when this node leads the group and its state is complete.
func (g *Group) Ready(ctx context.Context) error {
	for {
		w, ready := g.leading()
		if w != nil {
			return nil
		}
		select {
		case <-ready:
		case <-g.dead:
			return g.unavailable()
		case <-g.closing:
			return ErrClosed
		case <-ctx.Done():
			return fmt.Errorf("group %d has no leader here: %w", g.config.Number, ctx.Err())
		}
	}
}
