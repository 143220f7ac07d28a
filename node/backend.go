package node

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"prefectd/cluster"
	"prefectd/ops"
	"prefectd/prefect"
	"prefectd/store"
)

// backend runs operations and queries on the cluster's groups, here or on the nodes
// that lead or hold them: what ops.Backend promises.
type backend struct {
	name     string // of this node
	replicas *replicas
	couriers []*courier // by number
	heralds  []*herald  // by number
	readers  []reader   // by number
	net      *cluster.Network
	hints    hints
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

// Do runs an operation on a group's leader and returns when it is durable. In a
// cluster the operation has an id, so that it can be sent to the next leader when
// nobody knows what became of it at the last.
func (b *backend) Do(ctx context.Context, group int, op ops.Operation) (answer any, err error) {
	if g := b.replicas.get(group); g != nil && g.Alone() {
		answer, err = g.Submit(ctx, op)
		return answer, refusal(err)
	}
	var body []byte
	id := newOperationID()
	here := func(ctx context.Context, g *cluster.Group) error {
		answer, err = g.SubmitOnce(ctx, id, op)
		return err
	}
	there := func(ctx context.Context, node string) error {
		if body == nil {
			if body, err = encodeDo(group, id, op); err != nil {
				return err
			}
		}
		answer, err = b.doAt(ctx, node, body, op)
		return err
	}
	err = b.atLeader(ctx, group, undecided, here, there)
	return answer, refusal(err)
}

func newOperationID() (id cluster.OperationID) {
	crand.Read(id[:]) // never fails: it ends the program instead
	return id
}

// refusal tells a client of an error after which the same request may succeed, and
// whether it may have taken place.
func refusal(err error) error {
	switch {
	case cluster.Unavailable(err):
		return ops.Unavailable("Service Unavailable: " + err.Error())
	case errors.Is(err, cluster.ErrUnknownOutcome):
		return ops.UnknownOutcome("Bad Gateway: " + err.Error())
	default:
		return err
	}
}

// lagTime is how long a read waits for the replica on this node before the leader is
// asked instead: the replica may be catching up, or not be a member any more.
const lagTime = 250 * time.Millisecond

// Ask runs a query on a group. It shows every write that was answered before, by
// whichever node, unless the context asks for less.
func (b *backend) Ask(ctx context.Context, group int, q ops.Query) (answer any, err error) {
	read := func(tx *store.Tx) error {
		answer, err = q.Read(tx, now())
		return err
	}
	if ops.ReadsOf(ctx) == ops.Stale {
		err = b.askAny(ctx, group, q, read, &answer)
	} else {
		err = b.atLeader(ctx, group, undecided, func(ctx context.Context, g *cluster.Group) error {
			return g.View(ctx, read)
		}, func(ctx context.Context, node string) (err error) {
			g := b.replicas.get(group)
			if g == nil {
				answer, err = b.askAt(ctx, node, group, q)
				return err
			}
			mark, err := b.readers[group].mark(ctx, func(ctx context.Context) (cluster.Mark, error) { return b.markAt(ctx, node, group) })
			if err != nil {
				return err
			}
			soon, cancel := context.WithTimeout(ctx, lagTime)
			defer cancel()
			err = g.ViewAt(soon, node, mark, read)
			if soon.Err() != nil && ctx.Err() == nil && errors.Is(err, soon.Err()) {
				answer, err = b.askAt(ctx, node, group, q)
			}
			return err
		})
	}
	if errors.Is(err, cluster.ErrUnknownOutcome) {
		err = fmt.Errorf("%w: %s", cluster.ErrNoLeader, err) // a read that failed did nothing
	}
	if err != nil {
		return nil, refusal(err)
	}
	return answer, nil
}

// askAny reads what this node has of a group, or any other that has something.
func (b *backend) askAny(ctx context.Context, group int, q ops.Query, read func(*store.Tx) error, answer *any) error {
	if g := b.replicas.get(group); g != nil {
		return g.Stale(read)
	}
	holders, err := b.holders(group)
	if err != nil {
		return err
	}
	err = cluster.ErrNoLeader
	for _, node := range holders {
		if *answer, err = b.askAt(ctx, node, group, q); err == nil || !undecided(err) {
			return err
		}
	}
	return err
}

// layoutHere is the cluster's layout as this node knows it.
func (b *backend) layoutHere() (layout *ops.Layout, err error) {
	err = b.replicas.get(ops.Coordination).Stale(func(tx *store.Tx) error {
		answer, err := (&ops.ReadLayout{}).Read(tx, now())
		layout = answer.(*ops.Layout)
		return err
	})
	return layout, err
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
	if _, err := b.settle(ctx, group); err != nil {
		return refusal(err)
	}
	for again := true; again; {
		again = false
		for _, group := range b.layout.All() {
			delivered, err := b.settle(ctx, group)
			if err != nil {
				return refusal(err)
			}
			again = again || delivered
		}
	}
	return nil
}

// settle empties the outbox of one group, where the group is led, and answers whether
// there was anything in it.
func (b *backend) settle(ctx context.Context, group int) (delivered bool, err error) {
	err = b.atLeader(ctx, group, undecided, func(ctx context.Context, _ *cluster.Group) (err error) {
		delivered, err = b.couriers[group].deliver(ctx)
		return err
	}, func(ctx context.Context, node string) (err error) {
		delivered, err = b.settleAt(ctx, node, group)
		return err
	})
	return delivered, err
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
