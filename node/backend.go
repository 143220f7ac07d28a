package node

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"prefectd/cluster"
	"prefectd/ops"
	"prefectd/prefect"
	"prefectd/store"
)

// backend runs operations and queries on the node's groups: what ops.Backend
// promises.
type backend struct {
	groups   []*cluster.Group // by number: 0 is the coordination group
	couriers []*courier       // by number
	layout   ops.Groups
	settings *ops.Settings
	known    ops.Known
}

var _ ops.Backend = (*backend)(nil)

// evaluator runs the operations of one group. The group's writer calls it from
// one goroutine, so the random source needs no lock.
func evaluator(group int, layout ops.Groups, settings *ops.Settings) cluster.Evaluator {
	random := newRand()
	return func(tx *store.Tx, op any) (any, error) {
		operation, ok := op.(ops.Operation)
		if !ok {
			return nil, fmt.Errorf("%T is not an operation", op)
		}
		return operation.Run(&ops.Context{
			Tx: tx, Now: now(), Rand: random, Settings: settings, Groups: layout, Group: group,
		})
	}
}

// newRand seeds a fast random source from the operating system's.
func newRand() *rand.Rand {
	var seed [16]byte
	crand.Read(seed[:]) // never fails: it ends the program instead
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(seed[:]), binary.LittleEndian.Uint64(seed[8:])))
}

func now() prefect.Time { return prefect.TimeOf(time.Now()) }

// Do runs an operation in a group and returns when it is durable.
func (b *backend) Do(ctx context.Context, group int, op ops.Operation) (any, error) {
	answer, err := b.groups[group].Submit(ctx, op)
	return answer, refusal(err)
}

// refusal tells a client of an error after which the same request may succeed.
func refusal(err error) error {
	if cluster.Unavailable(err) {
		return ops.Unavailable("Service Unavailable: " + err.Error())
	}
	return err
}

// Ask runs a query on a group.
func (b *backend) Ask(ctx context.Context, group int, q ops.Query) (answer any, err error) {
	err = b.groups[group].View(ctx, func(tx *store.Tx) error {
		answer, err = q.Read(tx, now())
		return err
	})
	if err != nil {
		return nil, refusal(err)
	}
	return answer, nil
}

// AskAll runs a query on several groups side by side.
func (b *backend) AskAll(ctx context.Context, groups []int, q ops.Query) ([]any, error) {
	answers := make([]any, len(groups))
	errs := make([]error, len(groups))
	var wait sync.WaitGroup
	for i, group := range groups[1:] {
		wait.Go(func() { answers[i+1], errs[i+1] = b.Ask(ctx, group, q) })
	}
	answers[0], errs[0] = b.Ask(ctx, groups[0], q)
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// Settle delivers what a group has in its outbox, and what that causes in turn,
// in whichever groups.
func (b *backend) Settle(ctx context.Context, group int) error {
	if _, err := b.couriers[group].deliver(ctx); err != nil {
		return err
	}
	for again := true; again; {
		again = false
		for _, c := range b.couriers {
			delivered, err := c.deliver(ctx)
			if err != nil {
				return err
			}
			again = again || delivered
		}
	}
	return nil
}

// Groups is the layout of the cluster.
func (b *backend) Groups() ops.Groups { return b.layout }

// Settings are those that operations obey.
func (b *backend) Settings() *ops.Settings { return b.settings }

// Known remembers what is around flow runs.
func (b *backend) Known() *ops.Known { return &b.known }

// NewID makes an id in a random slot.
func (b *backend) NewID() prefect.ID {
	var entropy [24]byte
	crand.Read(entropy[:])
	r := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(entropy[:]), binary.LittleEndian.Uint64(entropy[8:])))
	return ops.NewID(now(), r, entropy[16])
}

// Now is the server's clock.
func (b *backend) Now() prefect.Time { return now() }
