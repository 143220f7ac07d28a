package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// ResumeFlowRun takes a paused flow run up again, with the input that it asked for.
type ResumeFlowRun struct {
	RunID prefect.ID
	Input prefect.JSON // null for none
	Flow  *FlowRef
}

// Run answers an *Orchestration; 404 for an unknown run.
func (o *ResumeFlowRun) Run(c *Context) (any, error) {
	run := flowRun(c.Tx, o.RunID)
	if run == nil {
		return nil, NotFoundModel("Flow run with id " + o.RunID.String() + " not found")
	}
	state := stateOf(c.Tx, store.FlowRunStates, run.StateID)
	if state == nil || state.Type != prefect.Paused {
		return refusedWith("ABORT", nil, "Cannot resume a flow run that is not paused."), nil
	}
	keyset := state.Details.RunInputKeyset
	if keyset != nil {
		if reason := checkRunInput(c, run.ID, keyset, orObject(o.Input)); reason != "" {
			return refusedWith("REJECT", state, reason), nil
		}
	}
	next := &prefect.State{Type: prefect.Running, Name: prefect.Running.Title()}
	if state.Details.PauseReschedule {
		next = &prefect.State{Type: prefect.Scheduled, Name: "Resuming"}
		next.Details.ScheduledTime = c.Now
	}
	next.Details.Deferred = new(bool)
	outcome, err := c.orchestrateFlowRun(run, c.identify(next, run.ID), coreFlowPolicy, o.Flow)
	if err != nil {
		return nil, err
	}
	if name := keyset["response"]; name != "" && outcome.Status == "ACCEPT" && !prefect.IsNull(o.Input) && string(o.Input) != "{}" {
		store.FlowRunInputs.Put(c.Tx, &prefect.FlowRunInput{
			ID: c.NewID(run.ID.Slot()), Created: c.Now, Updated: c.Now,
			FlowRunID: run.ID, Key: name, Value: string(o.Input),
		})
	}
	return outcome, nil
}

// refusedWith tells why a run stays paused: with the details of an abort, also
// where the status is another.
func refusedWith(status string, state *prefect.State, reason string) *Orchestration {
	return &Orchestration{State: state, Status: status, Details: OrchestrationDetails{Type: "abort_details", Reason: &reason}}
}

// checkRunInput holds the input of a resume to what the pause asked for; it
// answers what is wrong.
func checkRunInput(c *Context, run prefect.ID, keyset prefect.StringMap, input prefect.JSON) string {
	stored := store.FlowRunInputsByKey.Find(c.Tx, key(run).String(keyset["schema"]))
	if stored == nil {
		return "Run input schema not found."
	}
	schema := prefect.JSON(stored.Value)
	if !schema.IsValid() {
		return "Run input schema is not valid JSON."
	}
	return violation(schema, input)
}

// ResumeRun takes a paused flow run up again, with what its event needs.
func ResumeRun(ctx context.Context, b Backend, id prefect.ID, input prefect.JSON) (*Orchestration, error) {
	flow, err := flowOfRun(ctx, b, id)
	if err != nil {
		return nil, err
	}
	return Do[*Orchestration](ctx, b, b.Groups().Of(id), &ResumeFlowRun{RunID: id, Input: input, Flow: flow})
}
