package node

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"prefectd/ops"
	"prefectd/store"
)

// courier delivers the messages in one group's outbox. It runs where the group's
// leader is; since a message is recognised when it comes again, a second courier
// would do no harm.
type courier struct {
	group   int
	backend *backend
	log     *slog.Logger
	kick    chan struct{} // something was put in the outbox
	mu      sync.Mutex    // one delivery at a time
}

func newCourier(group int, b *backend, log *slog.Logger) *courier {
	return &courier{group: group, backend: b, log: log.With("group", group), kick: make(chan struct{}, 1)}
}

// observe is told what each entry of the group changed.
func (c *courier) observe(changes []store.Change) {
	for i := range changes {
		if changes[i].Table == store.Outbox.Number() && changes[i].Value != nil {
			select {
			case c.kick <- struct{}{}:
			default:
			}
			return
		}
	}
}

// courierRetry is how long a failed delivery waits to be tried again.
const courierRetry = time.Second

// Run delivers until the context ends: at first what was left from before, then
// whenever something is put in the outbox.
func (c *courier) Run(ctx context.Context) error {
	for {
		var retry <-chan time.Time
		if _, err := c.deliver(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn("outbox delivery will be retried", "err", err)
			retry = time.After(courierRetry)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.kick:
		case <-retry:
		}
	}
}

// courierBatch bounds the messages of one round.
const courierBatch = 256

// deliver empties the outbox and answers whether there was anything in it.
func (c *courier) deliver(ctx context.Context) (delivered bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		waiting, err := ops.Ask[[]store.Message](ctx, c.backend, c.group, &ops.Waiting{Limit: courierBatch})
		if err != nil {
			return delivered, err
		}
		if len(waiting) == 0 {
			return delivered, nil
		}
		for len(waiting) > 0 {
			n := 1
			for n < len(waiting) && waiting[n].Group == waiting[0].Group {
				n++
			}
			if err := c.deliverTo(ctx, waiting[:n]); err != nil {
				return delivered, err
			}
			delivered = true
			waiting = waiting[n:]
		}
	}
}

// deliverTo hands messages to the one group that they are for, then removes them.
func (c *courier) deliverTo(ctx context.Context, messages []store.Message) error {
	to := messages[0].Group
	refusals, err := ops.Do[[]error](ctx, c.backend, to, &ops.Deliver{From: c.group, Messages: messages})
	if err != nil {
		return err
	}
	for _, refusal := range refusals {
		c.log.Error("message was refused", "to", to, "err", refusal)
	}
	last := messages[len(messages)-1].Sequence
	_, err = c.backend.Do(ctx, c.group, &ops.Delivered{Group: to, Sequence: last})
	return err
}
