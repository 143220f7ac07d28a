package ops

import (
	"context"
	"math"
	"slices"
	"strings"

	"prefectd/prefect"
	"prefectd/store"
)

// A task run that the server orchestrates takes a slot of each limit on its tags before it
// runs. Limits live in another group than runs, so the slots are taken first, by a lease
// that is short: the transition makes it last; what it did not take is given back.

// RunSlots is what became of the slots that a run asked for. The zero value: it needs none.
type RunSlots struct {
	Zero  string     // the tag of a limit that has no slots at all
	Full  []string   // the tags, if not all limits had a slot
	Wait  int        // then, in seconds
	Lease prefect.ID // null if nothing was taken
}

// TakeRunSlots takes a slot of each limit on some tags.
type TakeRunSlots struct {
	Tags  []string
	RunID prefect.ID
}

// Until the transition has told that the run has them, and from then on: as long as it
// takes (reference/orchestration.md, section 6).
const (
	runSlotLease = prefect.Minute
	runSlotHold  = heldForGood
)

// Run answers a RunSlots.
func (o *TakeRunSlots) Run(c *Context) (any, error) {
	var limits []*prefect.ConcurrencyLimit
	var tags []string
	for _, l := range limitsNamed(c.Tx, tagNames(o.Tags)) {
		if !l.Active {
			continue
		}
		if l.Limit == 0 {
			return RunSlots{Zero: *tagOf(l)}, nil
		}
		limits, tags = append(limits, l), append(tags, *tagOf(l))
	}
	if len(limits) == 0 {
		return RunSlots{}, nil
	}
	c.endLeasesOfRun(o.RunID) // of an earlier attempt whose answer was lost
	taken, err := (&TakeSlots{Names: tagNames(tags), Slots: 1, Lease: runSlotLease, HolderType: taskRunHolder, Holder: o.RunID}).Run(c)
	if err != nil {
		return nil, err
	}
	t := taken.(SlotsTaken)
	if !t.Full {
		return RunSlots{Lease: t.Lease}, nil
	}
	longest := c.Settings.TagSlotWait.Seconds()
	busiest := slices.MaxFunc(limits, func(a, b *prefect.ConcurrencyLimit) int {
		return activeSlots(a, c.Now)*b.Limit - activeSlots(b, c.Now)*a.Limit
	})
	average := min(float64(busiest.AvgOccupancySeconds), longest)
	if average == 0 {
		average = longest
	}
	return RunSlots{Full: tags, Wait: int(math.Round(clampedPoisson(average, 0.3, c.Rand.Float64())))}, nil
}

// EndRunSlots gives back what a task run holds.
type EndRunSlots struct {
	RunID prefect.ID
}

// Run answers nothing.
func (o *EndRunSlots) Run(c *Context) (any, error) {
	c.endLeasesOfRun(o.RunID)
	return nil, nil
}

// endLeasesOfRun gives back what a task run holds of limits on tags; of others it may have
// taken slots by itself.
func (c *Context) endLeasesOfRun(run prefect.ID) {
	onTag := func(id prefect.ID) bool {
		l := store.ConcurrencyLimits.Get(c.Tx, key(id))
		return l != nil && tagOf(l) != nil
	}
	for _, lease := range slices.Collect(store.LeasesByHolder.Rows(c.Tx, store.Range{Prefix: key(run)})) {
		if slices.ContainsFunc(lease.Limits, onTag) {
			c.endLease(lease)
		}
	}
}

// KeepRunSlots makes the lease of a run last for as long as the run has it.
type KeepRunSlots struct {
	Lease prefect.ID
}

// Run answers nothing. A lease that is gone has expired before it came to that.
func (o *KeepRunSlots) Run(c *Context) (any, error) {
	if lease := store.Leases.Get(c.Tx, key(o.Lease)); lease != nil {
		lease.Expiration = c.Now.Add(runSlotHold)
		store.Leases.Put(c.Tx, lease)
	}
	return nil, nil
}

// The concurrency limits of a task run's tags: a slot of each while it runs.
var (
	secureTaskSlots = rule{
		name: "SecureTaskConcurrencySlots", from: anyState, to: states(prefect.Running),
		before: func(t *transition) {
			switch s := &t.slots; {
			case s.Zero != "":
				t.abort(`The concurrency limit on tag "` + s.Zero + `" is 0 and will deadlock if the task tries to run again.`)
			case len(s.Full) > 0:
				t.wait(s.Wait, "Concurrency limit reached for tags: "+strings.Join(s.Full, ", "))
			}
		},
		after: func(t *transition) {
			if lease := t.slots.Lease; !lease.IsNull() {
				t.fail(t.c.Send(Coordination, &KeepRunSlots{Lease: lease}))
			}
		},
	}
	releaseTaskSlots = rule{
		name: "ReleaseTaskConcurrencySlots", always: true,
		after: func(t *transition) {
			if t.proposed != nil && len(t.task.Tags) > 0 && holdsSlots.has(t.from) && !holdsSlots.has(t.proposed.Type) {
				t.fail(t.c.Send(Coordination, &EndRunSlots{RunID: t.task.ID}))
			}
		},
	}
	holdsSlots = states(prefect.Running, prefect.Cancelling)
)

// takeRunSlots takes the slots that a task run needs for a state, and answers whether its
// limits are touched: then the client is to see them as they are afterwards.
func takeRunSlots(ctx context.Context, b Backend, task *prefect.TaskRun, op *SetTaskRunState) (touched bool, err error) {
	switch {
	case len(task.Tags) == 0:
		return false, nil
	case op.State.Type != prefect.Running || op.Force:
		return holdsSlots.has(task.StateType), nil
	}
	op.Slots, err = Do[RunSlots](ctx, b, Coordination, &TakeRunSlots{Tags: task.Tags, RunID: task.ID})
	return !op.Slots.Lease.IsNull(), err
}
