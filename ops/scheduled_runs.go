package ops

import (
	"prefectd/prefect"
	"prefectd/store"
)

// RemoveScheduledRuns removes the runs of a deployment that have not begun. It is sent in
// the order of what changes the deployment and of the runs that its schedules make.
type RemoveScheduledRuns struct {
	DeploymentID prefect.ID
	Auto         bool         // only those that a schedule made
	After        prefect.Time // only those that are scheduled for later
	Through      prefect.Time // only those expected up to here: the rest of a long list
}

// Run answers nothing. Runs of the future go at once, because their schedule may make
// them anew; of the others there may be many, and they go a step at a time.
func (o *RemoveScheduledRuns) Run(c *Context) (any, error) {
	step := c.deletion()
	for r := range store.FlowRunsByDeployment.Rows(c.Tx, within(key(o.DeploymentID), prefect.Span{To: o.Through}, true)) {
		switch {
		case !o.takes(r):
			continue
		case step.full() && r.ExpectedStartTime <= c.Now:
			rest := *o
			rest.Through = r.ExpectedStartTime
			return nil, c.Send(c.Group, &rest)
		}
		if _, err := c.deleteFlowRun(r, step); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (o *RemoveScheduledRuns) takes(r *prefect.FlowRun) bool {
	return r.StateType == prefect.Scheduled && text(r.StateName) != "AwaitingConcurrencySlot" && r.RunCount == 0 &&
		(r.AutoScheduled || !o.Auto) && (o.After == 0 || r.NextScheduledStartTime > o.After)
}
