package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// FindOldFlowRuns looks for flow runs that ended before a time and are below no other.
type FindOldFlowRuns struct {
	Until prefect.Time
	After []byte // where the page before ended
	Limit int
}

// FoundOldFlowRuns is a page of them. End is where it ends, nil if it is the last.
type FoundOldFlowRuns struct {
	RunIDs []prefect.ID
	End    []byte
}

// flowRunParent reads the task run that a flow run runs as, and nothing else.
var flowRunParent = store.FlowRuns.Project(prefect.ColumnSet(18))

// Read answers a FoundOldFlowRuns.
func (q *FindOldFlowRuns) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	var found FoundOldFlowRuns
	var run prefect.FlowRun
	for e := range store.FlowRunsByEnd.Entries(tx, store.Range{From: behind(q.After), To: store.Key{}.Time(q.Until)}) {
		if !flowRunParent.Row(tx, e.Primary, &run) || !run.ParentTaskRunID.IsNull() {
			continue
		}
		found.RunIDs = append(found.RunIDs, e.Primary.IDAt(0))
		if len(found.RunIDs) == q.Limit {
			found.End = append(append(found.End, e.Key...), e.Primary...)
			break
		}
	}
	return found, nil
}

// DeleteOldFlowRuns removes flow runs that are no longer kept, as many as one
// operation takes.
type DeleteOldFlowRuns struct {
	IDs []prefect.ID
}

// DeletedFlowRuns says how far a DeleteOldFlowRuns came.
type DeletedFlowRuns struct {
	Seen    int  // how many of the list are done with
	Deleted int  // how many of those were removed
	More    bool // the last one left something to a message
}

// Run answers a DeletedFlowRuns.
func (o *DeleteOldFlowRuns) Run(c *Context) (any, error) {
	var answer DeletedFlowRuns
	d, until := c.deletion(), c.Now.Add(-c.Settings.Vacuum.FlowRuns)
	for _, id := range o.IDs {
		if d.full() || answer.More {
			break
		}
		answer.Seen++
		run := flowRun(c.Tx, id)
		if run == nil || !run.ParentTaskRunID.IsNull() || !run.StateType.IsTerminal() || run.EndTime >= until {
			continue
		}
		answer.Deleted++
		var err error
		if answer.More, err = c.deleteFlowRun(run, d); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// removeOldFlowRuns removes the flow runs that are no longer kept. The subflow runs of
// those have nothing above them then: they are looked at next.
func removeOldFlowRuns(ctx context.Context, b Backend, group int) (acted int, err error) {
	for {
		n, err := removeRootFlowRuns(ctx, b, group)
		acted += n
		if err != nil || n == 0 {
			return acted, err
		}
	}
}

func removeRootFlowRuns(ctx context.Context, b Backend, group int) (acted int, err error) {
	v := &b.Settings().Vacuum
	q := &FindOldFlowRuns{Until: b.Now().Add(-v.FlowRuns), Limit: v.Batch}
	for {
		found, err := Ask[FoundOldFlowRuns](ctx, b, group, q)
		if err != nil {
			return acted, err
		}
		for ids := found.RunIDs; len(ids) > 0; {
			done, err := Do[DeletedFlowRuns](ctx, b, group, &DeleteOldFlowRuns{IDs: ids})
			if err != nil {
				return acted, err
			}
			acted, ids = acted+done.Deleted, ids[done.Seen:]
			if done.More { // one run's rest at a time
				if err := b.Settle(ctx, group); err != nil {
					return acted, err
				}
			}
		}
		if found.End == nil {
			return acted, nil
		}
		q.After = found.End
	}
}
