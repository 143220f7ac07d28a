package ops

import (
	"cmp"
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// What is below a cancelled flow run is cancelled too. A run that was cancelled, and
// one in which a task run comes alive after that, is noted in the same entry; the
// service looks below those that are noted.

const parentCancelled = "The parent flow run was cancelled."

// noteCancelled notes a flow run that was cancelled, or in which a task run now is
// that has not ended.
func (t *transition) noteCancelled() {
	switch {
	case t.task != nil:
		t.c.noteUnended(t.task)
	case typeOf(t.proposed) == prefect.Cancelled && hasTaskRuns(t.c.Tx, t.flowRun.ID):
		store.CancelledRuns.Put(t.c.Tx, &store.CancelledRun{RunID: t.flowRun.ID, Since: t.c.Now})
	}
}

func hasTaskRuns(tx *store.Tx, flowRunID prefect.ID) bool {
	for range store.TaskRunsByKey.Entries(tx, store.Range{Prefix: key(flowRunID)}) {
		return true
	}
	return false
}

// noteUnended notes the flow run of a task run that has not ended, if it was cancelled.
func (c *Context) noteUnended(task *prefect.TaskRun) {
	if !task.StateType.IsTerminal() && isCancelled(c.Tx, task.FlowRunID) {
		store.CancelledRuns.Put(c.Tx, &store.CancelledRun{RunID: task.FlowRunID, Since: c.Now})
	}
}

// flowRunState reads a flow run's state type and nothing else.
var flowRunState = store.FlowRuns.Project(prefect.ColumnSet(19))

func isCancelled(tx *store.Tx, flowRunID prefect.ID) bool {
	var run prefect.FlowRun
	return flowRunState.Row(tx, key(flowRunID), &run) && run.StateType == prefect.Cancelled
}

// FindCancelled looks for the flow runs that are noted.
type FindCancelled struct {
	After prefect.ID
	Limit int
}

// Read answers a []store.CancelledRun.
func (q *FindCancelled) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	var found []store.CancelledRun
	for note := range store.CancelledRuns.Rows(tx, store.Range{From: behind(key(q.After))}) {
		if found = append(found, *note); len(found) == q.Limit {
			break
		}
	}
	return found, nil
}

// FindBelowCancelled looks for what is to be cancelled below a cancelled flow run.
type FindBelowCancelled struct {
	RunID prefect.ID
	After []byte // where the page before ended
	Limit int    // in task runs
}

// BelowCancelled is a page of that. End is where it ends, nil if it is the last.
type BelowCancelled struct {
	TaskRuns []prefect.ID
	Subflows []SubflowRef
	End      []byte
}

// SubflowRef is a subflow run with the task run that it runs as.
type SubflowRef struct {
	RunID  prefect.ID
	Parent prefect.ID
}

// Read answers a BelowCancelled, empty if the flow run is not cancelled.
func (q *FindBelowCancelled) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	var found BelowCancelled
	if !isCancelled(tx, q.RunID) {
		return found, nil
	}
	n := 0
	for e := range store.TaskRunsByKey.Entries(tx, store.Range{Prefix: key(q.RunID), From: behind(q.After)}) {
		task := store.TaskRunsByKey.Row(tx, e)
		if !task.StateType.IsTerminal() {
			found.TaskRuns = append(found.TaskRuns, task.ID)
		}
		for _, run := range subflowRuns(tx, task) {
			found.Subflows = append(found.Subflows, SubflowRef{run, task.ID})
		}
		if n++; n == q.Limit {
			found.End = append(append(found.End, e.Key...), e.Primary...)
			break
		}
	}
	return found, nil
}

// CancelTaskRuns cancels task runs of a cancelled flow run.
type CancelTaskRuns struct {
	FlowRunID prefect.ID
	IDs       []prefect.ID
}

// Run answers how many it cancelled.
func (o *CancelTaskRuns) Run(c *Context) (any, error) {
	n := 0
	if !isCancelled(c.Tx, o.FlowRunID) {
		return n, nil
	}
	for _, id := range o.IDs {
		task := taskRun(c.Tx, id)
		if task == nil || task.FlowRunID != o.FlowRunID || task.StateType.IsTerminal() {
			continue
		}
		if _, err := c.orchestrateTaskRun(task, c.tellingState(id, prefect.Cancelled, parentCancelled), true, nil, RunSlots{}); err != nil {
			return nil, err
		}
		n++
	}
	return n, nil
}

// CancelSubflow cancels a subflow run of a cancelled flow run; one that a worker
// runs is told to end.
type CancelSubflow struct {
	SubflowRef
	Around Surroundings
}

// Run answers whether it did anything.
func (o *CancelSubflow) Run(c *Context) (any, error) {
	run := flowRun(c.Tx, o.RunID)
	if run == nil || run.ParentTaskRunID != o.Parent || run.StateType.IsTerminal() {
		return false, nil
	}
	to := prefect.Cancelled
	if !run.DeploymentID.IsNull() {
		if run.StateType == prefect.Cancelling {
			return false, nil
		}
		to = prefect.Cancelling
	}
	done, err := c.orchestrateFlowRun(run, c.tellingState(run.ID, to, parentCancelled), minimalFlowPolicy, ClientInfo{}, o.Around)
	if err != nil {
		return nil, err
	}
	return done.Created, nil
}

// ForgetCancelled removes the note of a flow run below which everything is
// cancelled, unless there is a newer reason to look.
type ForgetCancelled struct {
	Note store.CancelledRun
}

// Run answers nothing.
func (o *ForgetCancelled) Run(c *Context) (any, error) {
	if note := store.CancelledRuns.Get(c.Tx, key(o.Note.RunID)); note != nil && *note == o.Note {
		store.CancelledRuns.Delete(c.Tx, key(note.RunID))
	}
	return nil, nil
}

// cleanUpCancellations ends runs that do not end when they are cancelled, and cancels
// what is below cancelled ones.
func cleanUpCancellations(ctx context.Context, b Backend, group int) (int, error) {
	acted, failed := endWaits(store.DueCancel)(ctx, b, group)
	q := &FindCancelled{Limit: servicePage}
	for ctx.Err() == nil {
		notes, err := Ask[[]store.CancelledRun](ctx, b, group, q)
		if err != nil {
			return acted, err
		}
		for _, note := range notes {
			n, err := cancelBelow(ctx, b, group, note)
			acted += n
			failed = cmp.Or(failed, err)
			q.After = note.RunID
		}
		if len(notes) < q.Limit {
			break
		}
	}
	return acted, failed
}

// cancelBelow cancels what is below one flow run.
func cancelBelow(ctx context.Context, b Backend, group int, note store.CancelledRun) (acted int, _ error) {
	q := &FindBelowCancelled{RunID: note.RunID, Limit: 100}
	for {
		found, err := Ask[BelowCancelled](ctx, b, group, q)
		if err != nil {
			return acted, err
		}
		if len(found.TaskRuns) > 0 {
			n, err := Do[int](ctx, b, group, &CancelTaskRuns{FlowRunID: note.RunID, IDs: found.TaskRuns})
			acted += n
			if err != nil {
				return acted, err
			}
		}
		n, err := actOnEach(found.Subflows, func(sub SubflowRef) (bool, error) {
			around, err := surroundingsOf(ctx, b, sub.RunID)
			if err != nil {
				return false, err
			}
			return Do[bool](ctx, b, b.Groups().Of(sub.RunID), &CancelSubflow{SubflowRef: sub, Around: around})
		})
		acted += n
		if err != nil {
			return acted, err
		}
		if found.End == nil {
			_, err := b.Do(ctx, group, &ForgetCancelled{Note: note})
			return acted, err
		}
		q.After = found.End
	}
}
