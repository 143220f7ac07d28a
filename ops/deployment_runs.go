package ops

import (
	"context"
	"errors"
	"slices"
	"sync"

	"prefectd/prefect"
	"prefectd/store"
)

// RunPlan is what there is to know of a deployment to make a run of it.
type RunPlan struct {
	Deployment prefect.Deployment
	Flow       FlowRef
	Queue      *QueueRef    // where its runs wait, if anywhere
	Template   prefect.JSON // the job template of that queue's pool
}

// ReadRunPlan reads it.
type ReadRunPlan struct {
	DeploymentID prefect.ID
}

// Read answers a *RunPlan; 404 for an unknown deployment.
func (q *ReadRunPlan) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	d, err := findDeployment(tx, q.DeploymentID, "")
	if err != nil {
		return nil, err
	}
	plan := &RunPlan{Deployment: *d, Flow: FlowRef{ID: d.FlowID}}
	if f := store.Flows.Get(tx, key(d.FlowID)); f != nil {
		plan.Flow = FlowRef{ID: f.ID, Name: f.Name, Tags: f.Tags, Labels: f.Labels}
	}
	if plan.Queue = refOfQueue(tx, store.WorkQueues.Get(tx, key(d.WorkQueueID))); plan.Queue != nil {
		plan.Template = store.WorkPools.Get(tx, key(plan.Queue.PoolID)).BaseJobTemplate
	}
	return plan, nil
}

// DeploymentRef is what a flow run needs to know of its deployment: labels and version are
// inherited, name and tags appear in the run's events.
type DeploymentRef struct {
	ID      prefect.ID
	Name    string
	Version *string
	Tags    []string
	Labels  prefect.Labels
}

func refOfDeployment(d *prefect.Deployment) *DeploymentRef {
	if d == nil {
		return nil
	}
	return &DeploymentRef{ID: d.ID, Name: d.Name, Version: d.Version, Tags: d.Tags, Labels: d.Labels}
}

// ReadDeploymentRef reads what runs need of a deployment.
type ReadDeploymentRef struct {
	ID prefect.ID
}

// Read answers a *DeploymentRef, nil for an unknown deployment.
func (q *ReadDeploymentRef) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return refOfDeployment(deployment(tx, q.ID)), nil
}

// deploymentOf looks up the deployment of a run; nil if there is none.
func deploymentOf(ctx context.Context, b Backend, id prefect.ID) (*DeploymentRef, error) {
	if id.IsNull() {
		return nil, nil
	}
	return Ask[*DeploymentRef](ctx, b, Coordination, &ReadDeploymentRef{ID: id})
}

// NewDeploymentRun makes a flow run of a deployment.
func NewDeploymentRun(ctx context.Context, b Backend, id prefect.ID, body prefect.DeploymentFlowRunCreate, by *prefect.CreatedBy) (Upserted[prefect.FlowRun], error) {
	plan, err := Ask[*RunPlan](ctx, b, Coordination, &ReadRunPlan{DeploymentID: id})
	if err != nil {
		return Upserted[prefect.FlowRun]{}, err
	}
	return plan.run(ctx, b, &body, by, single)
}

// wording is how the refusals of a run are told: one by itself, and one of many.
type wording struct {
	hydrating, parameters, noSchema, circular string
	noPool                                    func(queue string, d prefect.ID) string
}

var (
	single = &wording{
		hydrating: "Error hydrating flow run parameters: ", parameters: "Error creating flow run: ",
		noPool: func(queue string, d prefect.ID) string {
			return "Cannot create flow run in work queue " + queue + " because deployment " + d.String() +
				" is not associated with a work pool. Please remove work_pool_name and try again."
		},
	}
	oneOfMany = &wording{
		parameters: "Parameter validation failed: ",
		noSchema:   "Parameter schema enforcement is enabled but deployment has no valid schema.",
		circular:   "Invalid schema: circular references detected.",
		noPool: func(queue string, _ prefect.ID) string {
			return "Cannot create flow run in work queue " + queue + " because deployment is not associated with a work pool."
		},
	}
)

// run makes a flow run in the group where it belongs.
func (p *RunPlan) run(ctx context.Context, b Backend, body *prefect.DeploymentFlowRunCreate, by *prefect.CreatedBy, words *wording) (made Upserted[prefect.FlowRun], err error) {
	parameters, err := p.parameters(ctx, b, body, words)
	if err != nil {
		return made, err
	}
	if p.Queue != nil {
		err := checkJobVariables(p.Template, true, p.Deployment.JobVariables, body.JobVariables)
		if err := asRefusal(err, Unprocessable, "Error creating flow run: "); err != nil {
			return made, err
		}
	}
	queue := p.Queue
	if name := text(body.WorkQueueName); name != "" {
		if queue == nil {
			return made, BadRequest(words.noPool(name, p.Deployment.ID))
		}
		if queue, err = Do[*QueueRef](ctx, b, Coordination, &EnsureQueue{Pool: &queue.PoolName, Queue: &name}); err != nil {
			return made, err
		}
	}
	d := &p.Deployment
	create := prefect.FlowRunCreate{
		State: body.State, Name: body.Name, FlowID: d.FlowID, DeploymentID: d.ID, Parameters: parameters, Context: body.Context,
		ParentTaskRunID: body.ParentTaskRunID, InfrastructureDocumentID: body.InfrastructureDocumentID,
		EmpiricalPolicy: body.EmpiricalPolicy, Tags: union(d.Tags, body.Tags), Labels: body.Labels,
		IdempotencyKey: body.IdempotencyKey, WorkQueueName: d.WorkQueueName, JobVariables: body.JobVariables,
	}
	if create.InfrastructureDocumentID.IsNull() {
		create.InfrastructureDocumentID = d.InfrastructureDocID
	}
	if create.State == nil {
		create.State = &prefect.StateCreate{Type: prefect.Scheduled, Details: prefect.StateDetails{Deferred: new(bool)}}
	}
	return newFlowRun(ctx, b, create, Surroundings{Flow: &p.Flow, Deployment: refOfDeployment(d), Queue: queue}, by)
}

// parameters are those of the deployment with those that were sent laid over them, filled
// in and, if the deployment or the request wants it, held to the deployment's schema.
func (p *RunPlan) parameters(ctx context.Context, b Backend, body *prefect.DeploymentFlowRunCreate, words *wording) (prefect.JSON, error) {
	merged, err := mergeObjects(p.Deployment.Parameters, body.Parameters)
	if err != nil {
		return nil, err
	}
	from, err := sourcesFor(ctx, b, merged)
	if err != nil {
		return nil, err
	}
	parameters, err := hydrate(merged, from, words.hydrating)
	if err != nil {
		return nil, err
	}
	enforced := p.Deployment.EnforceParameterSchema
	if body.EnforceParameterSchema != nil {
		enforced = *body.EnforceParameterSchema
	}
	if !enforced {
		return parameters, nil
	}
	schema := p.Deployment.ParameterOpenAPISchema
	if words.noSchema != "" && schema.Kind() != '{' {
		return nil, Conflict(words.noSchema)
	}
	err = checkParameters(parameters, schema, true, words.parameters)
	var refusal *Error
	if words.circular != "" && errors.As(err, &refusal) && refusal.Status == 422 {
		return nil, Unprocessable(words.circular)
	}
	return parameters, err
}

// union lists what is in either list, without repetition.
func union(a, b []string) []string {
	all := make([]string, 0, len(a)+len(b))
	for _, s := range slices.Concat(a, b) {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// maxRunsAtOnce is how many runs of a deployment one request may make.
const maxRunsAtOnce = 100

// BulkRun is what became of one of many runs.
type BulkRun struct {
	FlowRunID prefect.ID `json:"flow_run_id"`
	Status    string     `json:"status"` // CREATED or FAILED
	Error     *string    `json:"error"`
}

// NewDeploymentRuns makes several flow runs of a deployment; that one is refused does not
// keep the others from being made.
func NewDeploymentRuns(ctx context.Context, b Backend, id prefect.ID, list []prefect.DeploymentFlowRunCreate, by *prefect.CreatedBy) ([]BulkRun, error) {
	if len(list) > maxRunsAtOnce {
		return nil, BadRequest("Cannot create more than 100 flow runs at once.")
	}
	plan, err := Ask[*RunPlan](ctx, b, Coordination, &ReadRunPlan{DeploymentID: id})
	if err != nil {
		return nil, err
	}
	results, failures := make([]BulkRun, len(list)), make([]error, len(list))
	var wait sync.WaitGroup
	for i := range list {
		wait.Go(func() { results[i], failures[i] = plan.bulkRun(ctx, b, &list[i], by) })
	}
	wait.Wait()
	return results, errors.Join(failures...)
}

// bulkRun makes one of many runs. What may succeed a little later fails as a whole: a
// client sends it again, with its keys.
func (p *RunPlan) bulkRun(ctx context.Context, b Backend, body *prefect.DeploymentFlowRunCreate, by *prefect.CreatedBy) (BulkRun, error) {
	made, err := p.run(ctx, b, body, by, oneOfMany)
	var refusal *Error
	switch {
	case err == nil:
		return BulkRun{FlowRunID: made.Object.ID, Status: "CREATED"}, nil
	case errors.As(err, &refusal) && !refusal.Retryable:
		return BulkRun{Status: "FAILED", Error: &refusal.Detail}, nil
	}
	return BulkRun{}, err
}
