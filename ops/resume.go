package ops

import (
	"context"

	"prefectd/ops/inputschema"
	"prefectd/prefect"
	"prefectd/store"
)

// ResumeFlowRun takes a paused flow run up again, with the input that it asked for.
type ResumeFlowRun struct {
	RunID prefect.ID
	Input prefect.JSON // null for none
	// Variables are those that placeholders in the input may stand for.
	Variables map[string]prefect.JSON
	Client    ClientInfo
	Around    Surroundings
}

// Run answers an *Orchestration; 404 for an unknown run.
func (o *ResumeFlowRun) Run(c *Context) (any, error) {
	run := flowRun(c.Tx, o.RunID)
	if run == nil {
		return nil, flowRunNotFound(o.RunID)
	}
	state := stateOf(c.Tx, store.FlowRunStates, run.StateID)
	if state == nil || state.Type != prefect.Paused {
		return refusedWith(aborted, nil, "Cannot resume a flow run that is not paused."), nil
	}
	keyset := state.Details.RunInputKeyset
	var input prefect.JSON
	if len(keyset) > 0 {
		var refusal string
		if input, refusal = takeRunInput(c, run.ID, keyset, o.Input, &inputschema.Sources{Variables: o.Variables}); refusal != "" {
			return refusedWith(rejected, state, refusal), nil
		}
	}
	next := c.newState(run.ID, prefect.Running, "Running")
	if state.Details.PauseReschedule {
		next = c.newState(run.ID, prefect.Scheduled, "Resuming")
	}
	outcome, err := c.orchestrateFlowRun(run, next, coreFlowPolicy, o.Client, o.Around)
	if err != nil {
		return nil, err
	}
	if len(keyset) > 0 && outcome.Status == accepted && !isEmpty(input) {
		err = keepRunInput(c, run.ID, keyset["response"], input)
	}
	return outcome, err
}

// refusedWith tells why a run stays paused: with the details of an abort, also
// where the status is another.
func refusedWith(status string, state *prefect.State, reason string) *Orchestration {
	return &Orchestration{Outcome: Outcome{
		State: state, Status: status, Details: OrchestrationDetails{Type: "abort_details", Reason: &reason},
	}}
}

// ResumeRun takes a paused flow run up again, with what its event needs.
func ResumeRun(ctx context.Context, b Backend, id prefect.ID, input prefect.JSON, client ClientInfo) (*Orchestration, error) {
	around, err := surroundingsOf(ctx, b, id)
	if err != nil {
		return nil, err
	}
	from, err := sourcesFor(ctx, b, input)
	if err != nil {
		return nil, err
	}
	group := b.Groups().Of(id)
	o, err := Do[*Orchestration](ctx, b, group, &ResumeFlowRun{RunID: id, Input: input, Variables: from.Variables, Client: client, Around: around})
	if err != nil {
		return nil, err
	}
	return o, settleParent(ctx, b, group, around)
}
