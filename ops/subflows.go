package ops

import (
	"prefectd/prefect"
	"prefectd/store"
)

// mirror copies a subflow run's new state to the task run that it runs as.
func (t *transition) mirror() {
	if t.task != nil || t.flowRun.ParentTaskRunID.IsNull() {
		return
	}
	op := &MirrorSubflowState{TaskRunID: t.flowRun.ParentTaskRunID, FlowRunID: t.flowRun.ID, State: *t.proposed}
	groups := []int{t.c.Group}
	switch {
	case taskRun(t.c.Tx, op.TaskRunID) != nil:
	case t.around.Parent != nil:
		groups[0] = t.c.Groups.OfSlot(t.around.Parent.slot())
	default:
		groups = t.c.Groups.RunGroups() // one of them may have it
	}
	for _, group := range groups {
		t.fail(t.c.runOrSend(group, op))
	}
}

// subflowRuns lists the flow runs that ran as a task run: all that are in its group,
// and the last one wherever it is.
func subflowRuns(tx *store.Tx, task *prefect.TaskRun) []prefect.ID {
	if task.SubflowRunID.IsNull() {
		return nil
	}
	runs := []prefect.ID{task.SubflowRunID}
	for e := range store.FlowRunsByParent.Entries(tx, store.Range{Prefix: key(task.ID)}) {
		if id := e.Primary.IDAt(0); id != task.SubflowRunID {
			runs = append(runs, id)
		}
	}
	return runs
}

// MirrorSubflowState gives a subflow run's state to its parent task run; a group
// that doesn't hold that one ignores it.
type MirrorSubflowState struct {
	TaskRunID prefect.ID
	FlowRunID prefect.ID
	State     prefect.State
}

// Run answers nothing.
func (o *MirrorSubflowState) Run(c *Context) (any, error) {
	task := taskRun(c.Tx, o.TaskRunID)
	if task == nil {
		return nil, nil
	}
	task.SubflowRunID = o.FlowRunID
	s := o.State
	s.ResultArtifact, s.Recorded = prefect.NoID, nil
	c.identify(&s, task.ID).Timestamp = o.State.Timestamp
	s.Details.ChildFlowRunID = o.FlowRunID
	return c.orchestrateTaskRun(task, &s, true, nil, RunSlots{})
}
