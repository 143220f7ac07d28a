package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// enqueueScheduled hands a deferred task run to the workers of its task. A run
// waits once, however often it is scheduled.
var enqueueScheduled = rule{
	name: "EnqueueScheduledTasks", from: anyState, to: states(prefect.Scheduled),
	after: func(t *transition) {
		store.TaskQueue.Put(t.c.Tx, &store.QueuedTask{
			TaskRunID: t.task.ID, TaskKey: t.task.TaskKey, Queued: t.c.Now,
			Retry: t.proposed.Name == "AwaitingRetry",
		})
	},
}

// TaskClaim is how long a worker has a task run without saying that it took it,
// unless the node that it is connected to holds on to the claim: so long does a
// task run wait after a node died that had handed it out.
const TaskClaim = 30 * prefect.Second

// TaskWaits asks whether anything waits for a worker.
type TaskWaits struct {
	Keys []string
}

// Read answers a bool.
func (q *TaskWaits) Read(tx *store.Tx, now prefect.Time) (any, error) {
	for range store.TaskQueueByClaim.Entries(tx, claimsOver(now)) {
		return true, nil
	}
	for _, k := range q.Keys {
		for range store.TaskQueueByKey.Entries(tx, waitingFor(k)) {
			return true, nil
		}
	}
	return false, nil
}

func claimsOver(now prefect.Time) store.Range { return store.Range{To: store.Key{}.Time(now)} }

func waitingFor(taskKey string) store.Range {
	return store.Range{Prefix: store.Key{}.String(taskKey)}
}

// ClaimTask gives a worker the next task run, of the first of its tasks that has
// one.
type ClaimTask struct {
	Keys  []string
	Claim prefect.ID // names the claim
}

// Run answers a *prefect.TaskRun, nil if none waits.
func (o *ClaimTask) Run(c *Context) (any, error) {
	for q := range store.TaskQueueByClaim.Rows(c.Tx, claimsOver(c.Now)) {
		c.requeue(q)
	}
	for _, k := range o.Keys {
		for q := range store.TaskQueueByKey.Rows(c.Tx, waitingFor(k)) {
			task := taskRun(c.Tx, q.TaskRunID)
			if task == nil || task.StateType != prefect.Scheduled {
				store.TaskQueue.Delete(c.Tx, store.TaskQueue.Key(q)) // deleted, cancelled or run otherwise
				continue
			}
			q.Claim, q.Until = o.Claim, c.Now.Add(TaskClaim)
			store.TaskQueue.Put(c.Tx, q)
			return completeTaskRun(c.Tx, task, c.Now), nil
		}
	}
	return (*prefect.TaskRun)(nil), nil
}

// requeue puts back what a worker had: it is the next one's.
func (c *Context) requeue(q *store.QueuedTask) {
	q.Claim, q.Until, q.Retry = prefect.NoID, 0, true
	store.TaskQueue.Put(c.Tx, q)
}

// TaskAnswer is what became of a task run that a worker was given.
type TaskAnswer byte

const (
	TaskHeld  TaskAnswer = iota // the worker is there, and has not answered yet
	TaskTaken                   // the worker runs it
	TaskLost                    // the worker left without an answer
)

// SettleClaim follows the answer of the worker that has a claim. A claim that
// ended meanwhile is left alone.
type SettleClaim struct {
	TaskRunID prefect.ID
	Claim     prefect.ID
	Answer    TaskAnswer
}

// Run answers nothing.
func (o *SettleClaim) Run(c *Context) (any, error) {
	q := store.TaskQueue.Get(c.Tx, key(o.TaskRunID))
	if q == nil || q.Claim != o.Claim || q.Until == 0 {
		return nil, nil
	}
	switch o.Answer {
	case TaskTaken:
		store.TaskQueue.Delete(c.Tx, key(o.TaskRunID))
	case TaskLost:
		c.requeue(q)
	default:
		q.Until = c.Now.Add(TaskClaim)
		store.TaskQueue.Put(c.Tx, q)
	}
	return nil, nil
}

// ClaimedTask is a task run that a worker was given, until its answer is settled.
type ClaimedTask struct {
	*prefect.TaskRun
	backend Backend
	group   int
	claim   prefect.ID
}

// NextTask claims a task run for a worker, in whichever group one waits; nil if
// there is none.
func NextTask(ctx context.Context, b Backend, keys []string) (*ClaimedTask, error) {
	waits, err := AskRuns[bool](ctx, b, &TaskWaits{Keys: keys})
	if err != nil {
		return nil, err
	}
	claim, groups := b.NewID(), b.Groups().RunGroups()
	for i := range groups {
		at := (i + int(claim.Slot())) % len(groups) // no group's task runs have to wait for another's
		if !waits[at] {
			continue
		}
		task, err := Do[*prefect.TaskRun](ctx, b, groups[at], &ClaimTask{Keys: keys, Claim: claim})
		if err != nil {
			return nil, err
		}
		if task != nil {
			return &ClaimedTask{task, b, groups[at], claim}, nil
		}
	}
	return nil, nil
}

// Settle follows the worker's answer.
func (t *ClaimedTask) Settle(ctx context.Context, answer TaskAnswer) error {
	_, err := t.backend.Do(ctx, t.group, &SettleClaim{TaskRunID: t.ID, Claim: t.claim, Answer: answer})
	return err
}
