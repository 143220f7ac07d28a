package httpapi

import (
	"context"
	"net"
	"sync"
)

// gate counts what is going on, so that a server that stops can wait for it. The
// zero gate is open.
type gate struct {
	most   int // that may be inside; 0: any number
	mu     sync.Mutex
	inside int
	closed bool
	empty  chan struct{} // closed when the last one left after close
}

// enter counts one more; it answers false when the gate is closed, or too many are inside.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.most > 0 && g.inside >= g.most {
		return false
	}
	g.inside++
	return true
}

// count is how many are inside.
func (g *gate) count() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return float64(g.inside)
}

// leave counts one less.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.closed {
		close(g.empty)
	}
}

// close lets nobody in any more.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.closed = true
	g.empty = make(chan struct{})
	if g.inside == 0 {
		close(g.empty)
	}
}

// wait returns when everybody has left a closed gate.
func (g *gate) wait(ctx context.Context) error {
	select {
	case <-g.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// listeners are those that a server serves.
type listeners struct {
	mu     sync.Mutex
	open   []net.Listener
	closed bool
}

// add takes a listener on; it closes it and answers false after close.
func (l *listeners) add(one net.Listener) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		one.Close()
		return false
	}
	l.open = append(l.open, one)
	return true
}

// close closes all listeners, also those that come later.
func (l *listeners) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, one := range l.open {
		one.Close() // it may be closed already
	}
}
