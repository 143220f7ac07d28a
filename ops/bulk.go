package ops

import (
	"context"
	"errors"

	"prefectd/prefect"
)

// RemoveFlows deletes the first flows that match by name, and answers which.
func RemoveFlows(ctx context.Context, b Backend, q prefect.FlowsBulkDelete) ([]prefect.ID, error) {
	list, err := ListFlows(ctx, b, &prefect.FlowsScope{Flows: q.Flows}, "NAME_ASC", q.Limit, 0)
	if err != nil {
		return nil, err
	}
	deleted := []prefect.ID{}
	for _, f := range list {
		if err := RemoveFlow(ctx, b, f.ID); err != nil {
			return nil, err
		}
		deleted = append(deleted, f.ID)
	}
	return deleted, nil
}

// firstFlowRuns lists the first flow runs that match, as bulk operations take them.
func firstFlowRuns(ctx context.Context, b Backend, f *prefect.FlowRunFilter, limit int) ([]prefect.ID, error) {
	scope := &prefect.FlowRunsScope{FlowsScope: prefect.FlowsScope{FlowRuns: f}}
	runs, err := ListFlowRuns(ctx, b, scope, prefect.FlowRunIDDesc, limit, 0)
	if err != nil {
		return nil, err
	}
	ids := make([]prefect.ID, len(runs))
	for i, run := range runs {
		ids[i] = run.ID
	}
	return ids, nil
}

// RemoveFlowRuns deletes the first flow runs that match, and answers which.
func RemoveFlowRuns(ctx context.Context, b Backend, q prefect.FlowRunsBulkDelete) ([]prefect.ID, error) {
	ids, err := firstFlowRuns(ctx, b, q.FlowRuns, q.Limit)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if err := RemoveFlowRun(ctx, b, id); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// BulkOrchestration is the outcome for one of many flow runs.
type BulkOrchestration struct {
	FlowRunID prefect.ID `json:"flow_run_id"`
	Outcome
}

// ChangeFlowRunStates proposes a state for the first flow runs that match, in
// turn; a run that is refused is an ABORT.
func ChangeFlowRunStates(ctx context.Context, b Backend, q prefect.FlowRunsBulkSetState, client ClientInfo) ([]BulkOrchestration, error) {
	ids, err := firstFlowRuns(ctx, b, q.FlowRuns, q.Limit)
	if err != nil {
		return nil, err
	}
	results := []BulkOrchestration{}
	for _, id := range ids {
		o, err := ChangeFlowRunState(ctx, b, SetFlowRunState{RunID: id, State: q.State, Force: q.Force, Client: client})
		var refusal *Error
		switch {
		case err == nil:
		case ctx.Err() != nil || errors.As(err, &refusal) && refusal.Retryable:
			return nil, err
		default:
			o = refusedWith(aborted, nil, err.Error())
		}
		results = append(results, BulkOrchestration{id, o.Outcome})
	}
	return results, nil
}
