package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// orphanAge is how old a log is at least that is taken for an orphan: logs may come
// before what tells of their run.
const orphanAge = prefect.Hour

// isOrphan reports whether neither a flow run nor a task run has an id.
func isOrphan(tx *store.Tx, run prefect.ID) bool {
	return !store.FlowRuns.Has(tx, key(run)) && !store.TaskRuns.Has(tx, key(run))
}

// FindOrphans looks for runs that there are not but that have logs.
type FindOrphans struct{}

// Read answers a []prefect.ID.
func (*FindOrphans) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	var found []prefect.ID
	for k := range store.LogsByRun.Prefixes(tx, len(prefect.NoID)) {
		if id := k.IDAt(0); isOrphan(tx, id) {
			found = append(found, id)
		}
	}
	return found, nil
}

// DeleteOrphanLogs removes logs of a run that there is not, as many as one operation
// takes.
type DeleteOrphanLogs struct {
	RunID prefect.ID
}

// Run answers whether there are more.
func (o *DeleteOrphanLogs) Run(c *Context) (any, error) {
	if !isOrphan(c.Tx, o.RunID) {
		return false, nil
	}
	return deleteLogs(c.deletion(), store.Range{Prefix: key(o.RunID), To: key(o.RunID).Time(c.Now.Add(-orphanAge))}), nil
}

// FindOldLogs looks for logs from before a time that name no run.
type FindOldLogs struct {
	Until prefect.Time
	After []byte // where the page before ended
	Limit int
}

// FoundOldLogs are the keys of a page of them.
type FoundOldLogs struct {
	Keys [][]byte
}

// Read answers a FoundOldLogs.
func (q *FindOldLogs) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	var found FoundOldLogs
	for l := range store.Logs.Rows(tx, store.Range{From: behind(q.After), To: store.Key{}.Time(q.Until)}) {
		if !l.FlowRunID.IsNull() || !l.TaskRunID.IsNull() {
			continue
		}
		if found.Keys = append(found.Keys, store.Logs.Key(l)); len(found.Keys) == q.Limit {
			break
		}
	}
	return found, nil
}

// DeleteLogs removes logs by their keys.
type DeleteLogs struct {
	Keys [][]byte
}

// Run answers nothing.
func (o *DeleteLogs) Run(c *Context) (any, error) {
	for _, k := range o.Keys {
		store.Logs.Delete(c.Tx, k)
	}
	return nil, nil
}

// removeOrphans removes the logs of runs that there are not, and old logs of none. It
// answers of how many runs, and how many logs.
func removeOrphans(ctx context.Context, b Backend, group int) (acted int, err error) {
	orphans, err := Ask[[]prefect.ID](ctx, b, group, &FindOrphans{})
	if err != nil {
		return acted, err
	}
	for _, run := range orphans {
		for more := true; more; {
			if more, err = Do[bool](ctx, b, group, &DeleteOrphanLogs{RunID: run}); err != nil {
				return acted, err
			}
		}
		acted++
	}
	v := &b.Settings().Vacuum
	q := &FindOldLogs{Until: b.Now().Add(-v.FlowRuns), Limit: v.Batch}
	for {
		found, err := Ask[FoundOldLogs](ctx, b, group, q)
		if err != nil || len(found.Keys) == 0 {
			return acted, err
		}
		if _, err := b.Do(ctx, group, &DeleteLogs{Keys: found.Keys}); err != nil {
			return acted, err
		}
		acted += len(found.Keys)
		q.After = found.Keys[len(found.Keys)-1]
	}
}
