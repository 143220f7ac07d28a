package ops

import (
	"context"

	"golang.org/x/sync/errgroup"

	"prefectd/prefect"
	"prefectd/store"
)

// deadline is what becomes of flow runs that have waited for too long.
type deadline struct {
	grace  func(s *Settings) prefect.Duration // beyond the time in store.FlowRunsByDue
	policy []rule
	state  func(c *Context, run *prefect.FlowRun) *prefect.State
	then   func(c *Context, run *prefect.FlowRun) error // in the same entry; may be nil
}

var deadlines = map[store.Due]*deadline{
	store.DueStart: {
		grace:  func(s *Settings) prefect.Duration { return s.LateRuns.After },
		policy: markLatePolicy,
		state: func(c *Context, run *prefect.FlowRun) *prefect.State {
			late := c.newState(run.ID, prefect.Scheduled, "Late")
			late.Details.ScheduledTime = run.NextScheduledStartTime
			return late
		},
	},
	store.DueResume: {
		grace:  func(*Settings) prefect.Duration { return 0 },
		policy: minimalFlowPolicy,
		state: func(c *Context, run *prefect.FlowRun) *prefect.State {
			return c.tellingState(run.ID, prefect.Failed, "The flow was paused and never resumed.")
		},
	},
	store.DueCancel: {
		grace:  func(s *Settings) prefect.Duration { return s.CancellationCleanup.Timeout },
		policy: coreFlowPolicy,
		state: func(c *Context, run *prefect.FlowRun) *prefect.State {
			return c.tellingState(run.ID, prefect.Cancelled, "Flow run cancellation timed out; marked this flow run as Cancelled.")
		},
		then: (*Context).enqueueCleanup,
	},
}

// tellingState is a state of the server's own making that says why it is.
func (c *Context) tellingState(run prefect.ID, kind prefect.StateType, message string) *prefect.State {
	s := c.newState(run, kind, kind.Title())
	s.Message = &message
	return s
}

// enqueueCleanup has a worker asked to end what a flow run left running that did not end
// when it was cancelled. The run's current state is the one that it got for that.
func (c *Context) enqueueCleanup(run *prefect.FlowRun) error {
	if run.WorkQueueID.IsNull() {
		return nil
	}
	return c.Send(Coordination, &EnqueueCleanup{
		FlowRunID: run.ID, StateID: run.StateID, WorkQueueID: run.WorkQueueID, InfrastructurePID: run.InfrastructurePID,
	})
}

// EndWait takes a flow run out of a state in which it has waited for too long.
type EndWait struct {
	RunID  prefect.ID
	Due    store.Due
	Around Surroundings
	Slot   DeploymentSlot // whether the limit of its deployment has one, if that matters
}

// Run answers whether the run has another state now: false if it is gone, or no
// longer waits.
func (o *EndWait) Run(c *Context) (any, error) {
	run := flowRun(c.Tx, o.RunID)
	d := deadlines[o.Due]
	if run == nil || d == nil {
		return false, nil
	}
	if due, since := store.DueOf(run); due != o.Due || since.Add(d.grace(c.Settings)) > c.Now {
		return false, nil
	}
	t := c.flowRunTransition(run, d.state(c, run), ClientInfo{}, o.Around)
	t.deploymentSlot = o.Slot
	done, err := t.orchestrate(d.policy)
	if err == nil && done.Created && d.then != nil {
		err = d.then(c, run)
	}
	if err != nil {
		return nil, err
	}
	return done.Created, nil
}

// FindDue looks for flow runs that wait since a time or longer, the longest first.
type FindDue struct {
	Due   store.Due
	Until prefect.Time
	After []byte // where the page before ended
	Limit int
}

// FoundDue is a page of them. End is where it ends, nil if it is the last.
type FoundDue struct {
	RunIDs []prefect.ID
	End    []byte
}

// Read answers a FoundDue.
func (q *FindDue) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	var found FoundDue
	r := store.Range{Prefix: store.Key{}.Byte(byte(q.Due)), From: behind(q.After)}
	r.To = store.Key{}.Byte(byte(q.Due)).Time(q.Until + 1)
	for e := range store.FlowRunsByDue.Entries(tx, r) {
		found.RunIDs = append(found.RunIDs, e.Primary.IDAt(0))
		if len(found.RunIDs) == q.Limit {
			found.End = append(append(found.End, e.Key...), e.Primary...)
			break
		}
	}
	return found, nil
}

// behind is the first key behind one; nil is before all.
func behind(key []byte) store.Key {
	if key == nil {
		return nil
	}
	return append(append(store.Key{}, key...), 0)
}

// servicePage is how much a service looks at before it acts.
const servicePage = 200

// endWaits makes the round of a service that acts on a deadline.
func endWaits(due store.Due) round {
	return func(ctx context.Context, b Backend, group int) (acted int, err error) {
		q := &FindDue{Due: due, Until: b.Now().Add(-deadlines[due].grace(b.Settings())), Limit: servicePage}
		for {
			found, err := Ask[FoundDue](ctx, b, group, q)
			if err != nil {
				return acted, err
			}
			n, err := actOnEach(found.RunIDs, func(run prefect.ID) (bool, error) {
				around, err := surroundingsOf(ctx, b, run)
				if err != nil {
					return false, err
				}
				op := &EndWait{RunID: run, Due: due, Around: around}
				if due == store.DueStart && around.Deployment != nil {
					slot, err := Ask[*DeploymentSlot](ctx, b, Coordination, &ReadDeploymentSlot{DeploymentID: around.DeploymentID})
					if err != nil {
						return false, err
					}
					if slot != nil {
						op.Slot = *slot
					}
				}
				return Do[bool](ctx, b, group, op)
			})
			acted += n
			if err != nil || found.End == nil {
				return acted, err
			}
			q.After = found.End
		}
	}
}

// atOnce is how many operations a service has under way: those of one moment share
// an entry of the log.
const atOnce = 32

// actOnEach acts on each of a list and answers how often that was of effect. What fails
// keeps nothing else from being done; the first failure is told.
func actOnEach[T any](list []T, act func(T) (bool, error)) (acted int, _ error) {
	done := make([]bool, len(list))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, item := range list {
		group.Go(func() (err error) {
			done[i], err = act(item)
			return err
		})
	}
	err := group.Wait()
	for _, did := range done {
		if did {
			acted++
		}
	}
	return acted, err
}
