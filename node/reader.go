package node

import (
	"context"
	"sync"
	"time"

	"prefectd/cluster"
)

// reader asks a group's leader how far a replica has to be for a read. One question
// serves all who came before it was sent.
type reader struct {
	mu   sync.Mutex
	last *question // nobody has sent it yet
	busy *question // its answer is awaited
}

// question is put once, for all who wait.
type question struct {
	answered chan struct{}
	mark     cluster.Mark
	err      error
}

// questionTime is how long an answer may take.
const questionTime = 2 * time.Second

// mark puts the question, or waits for one that is yet to be put. Who puts it does so
// for all who wait, so it is not given up when its own request is.
func (r *reader) mark(ctx context.Context, ask func(context.Context) (cluster.Mark, error)) (cluster.Mark, error) {
	r.mu.Lock()
	q := r.last
	if q != nil {
		r.mu.Unlock()
		select {
		case <-q.answered:
			return q.mark, q.err
		case <-ctx.Done():
			return cluster.Mark{}, ctx.Err()
		}
	}
	q = &question{answered: make(chan struct{})}
	r.last = q
	busy := r.busy
	r.mu.Unlock()
	if busy != nil {
		<-busy.answered // so that more can join in
	}
	r.mu.Lock()
	r.last, r.busy = nil, q
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), questionTime)
	defer cancel()
	q.mark, q.err = ask(ctx)
	close(q.answered)
	return q.mark, q.err
}
