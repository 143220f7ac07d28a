package ops

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"prefectd/ops/inputschema"
	"prefectd/prefect"
	"prefectd/prefect/templates"
	"prefectd/store"
)

// Actions that are to be done are rows of the coordination group. The service does them
// one after the other, and removes each in the operation that tells how it went: if the
// leader goes in between, the next one does it again, which changes nothing more.

// FindInvocations reads the actions that are to be done, the oldest first.
type FindInvocations struct {
	Limit int
}

// Read answers a []*store.Invocation.
func (q *FindInvocations) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	list := []*store.Invocation{}
	for i := range store.Invocations.Rows(tx, store.Range{}) {
		if list = append(list, i); len(list) == q.Limit {
			break
		}
	}
	return list, nil
}

// FinishInvocation tells how an action went, and that it is done.
type FinishInvocation struct {
	ID      prefect.ID
	Failure string // empty if it went well
	Related []prefect.Resource
}

// Run answers whether nobody told before.
func (o *FinishInvocation) Run(c *Context) (any, error) {
	i := store.Invocations.Get(c.Tx, key(o.ID))
	if i == nil {
		return false, nil
	}
	store.Invocations.Delete(c.Tx, key(o.ID))
	begun, err := c.emitAction("triggered", i, o, prefect.NoID)
	if err != nil {
		return nil, err
	}
	outcome := "executed"
	if o.Failure != "" {
		outcome = "failed"
	}
	_, err = c.emitAction(outcome, i, o, begun)
	return true, err
}

// emitAction emits prefect.automation.action.<what>.
func (c *Context) emitAction(what string, i *store.Invocation, o *FinishInvocation, follows prefect.ID) (prefect.ID, error) {
	var action prefect.Action
	if err := prefect.Unmarshal(i.Action, &action); err != nil {
		return prefect.NoID, err
	}
	told := struct {
		Index      int                `json:"action_index"`
		Type       prefect.ActionType `json:"action_type"`
		Invocation prefect.ID         `json:"invocation"`
		Reason     string             `json:"reason,omitzero"`
	}{Index: i.Index, Type: action.Type, Invocation: i.ID}
	if what == "failed" {
		told.Reason = o.Failure
	}
	payload, err := prefect.Marshal(told)
	if err != nil {
		return prefect.NoID, err
	}
	e := &prefect.Event{
		ID: c.freshID(), Occurred: c.Now, Event: "prefect.automation.action." + what,
		Resource: resource("automation", i.AutomationID, i.AutomationName), Payload: payload, Follows: follows,
		Related: append(o.Related[:len(o.Related):len(o.Related)], inRole("event", i.TriggeredEvent, "automation-triggered-event")),
	}
	e.Related = append(e.Related, relatedEvent(i.Event, "triggering-event")...)
	e.Resource["prefect.trigger-type"] = i.TriggerType
	if i.Posture != "" {
		e.Resource["prefect.posture"] = i.Posture
	}
	c.Emit(e)
	return e.ID, nil
}

// actionsAtOnce is how many actions are done together.
const actionsAtOnce = 100

// doActions does what automations have asked for.
func doActions(ctx context.Context, b Backend, _ int) (done int, err error) {
	for {
		list, err := Ask[[]*store.Invocation](ctx, b, Coordination, &FindInvocations{Limit: actionsAtOnce})
		if err != nil {
			return done, err
		}
		n, err := actOnEach(list, func(i *store.Invocation) (bool, error) {
			result := &FinishInvocation{ID: i.ID}
			if err := (&doer{Backend: b, invocation: i, result: result}).do(ctx); err != nil {
				if result.Failure = failureOf(err); result.Failure == "" {
					return false, err // the next round tries again
				}
			}
			return Do[bool](ctx, b, Coordination, result)
		})
		done += n
		if err != nil || len(list) < actionsAtOnce {
			return done, err
		}
	}
}

// failureOf is why an action failed for good; empty if it may be possible a little later.
func failureOf(err error) string {
	var refusal *Error
	switch {
	case errors.As(err, &refusal) && !refusal.Retryable:
		return refusal.Detail
	case errors.As(err, new(*actionFailure)):
		return err.Error()
	}
	return ""
}

// actionFailure is a failure that stays.
type actionFailure struct{ text string }

func (f *actionFailure) Error() string { return f.text }

func failed(format string, args ...any) error { return &actionFailure{fmt.Sprintf(format, args...)} }

// doer does one action.
type doer struct {
	Backend
	invocation *store.Invocation
	result     *FinishInvocation
	action     prefect.Action
	event      *prefect.Event // nil for none
	firing     Firing
}

func (d *doer) do(ctx context.Context) error {
	if err := prefect.Unmarshal(d.invocation.Action, &d.action); err != nil {
		return failed("the action cannot be read: %v", err)
	}
	if err := prefect.Unmarshal(d.invocation.Firing, &d.firing); err != nil {
		return failed("the firing cannot be read: %v", err)
	}
	if !prefect.IsNull(d.invocation.Event) {
		if err := prefect.Unmarshal(d.invocation.Event, &d.event); err != nil {
			return failed("the event cannot be read: %v", err)
		}
	}
	kind, id := d.action.Target()
	switch {
	case d.action.Type == prefect.DoNothing:
		return nil
	case kind == "":
		return d.toFlowRun(ctx)
	case d.action.Source == selectedSource:
	default:
		var err error
		if id, err = d.infer(kind); err != nil {
			return err
		}
	}
	d.tell(kind, id)
	return d.toTarget(ctx, id)
}

// tell adds the target of the action to what is told of it.
func (d *doer) tell(kind string, id prefect.ID) {
	d.result.Related = append(d.result.Related, inRole(kind, id, "target"))
}

// infer finds the object that an action is about: the first one of its kind that the event
// tells of.
func (d *doer) infer(kind string) (prefect.ID, error) {
	name := strings.ReplaceAll(kind, "-", " ")
	if d.event == nil {
		return prefect.NoID, failed("No event to infer the %s", name)
	}
	for _, r := range append([]prefect.Resource{d.event.Resource}, d.event.Related...) {
		if id, ok := resourceID(r.ID(), kind); ok {
			return id, nil
		}
	}
	return prefect.NoID, failed("No %s could be inferred", name)
}

// resourceID is the id in that of a resource, if it is of a kind.
func resourceID(resource, kind string) (prefect.ID, bool) {
	text, ok := strings.CutPrefix(resource, "prefect."+kind+".")
	if !ok {
		return prefect.NoID, false
	}
	id, err := prefect.ParseID(text)
	return id, err == nil
}

func (d *doer) toTarget(ctx context.Context, id prefect.ID) error {
	switch d.action.Type {
	case prefect.RunDeployment:
		return d.runDeployment(ctx, id)
	case prefect.PauseDeployment, prefect.ResumeDeployment:
		return ChangeDeployment(ctx, d, &PauseDeployment{ID: id, Paused: d.action.Type == prefect.PauseDeployment})
	case prefect.PauseWorkPool, prefect.ResumeWorkPool:
		_, err := d.Do(ctx, Coordination, &PauseWorkPool{ID: id, Paused: d.action.Type == prefect.PauseWorkPool})
		return err
	case prefect.PauseWorkQueue, prefect.ResumeWorkQueue:
		_, err := d.Do(ctx, Coordination, &UpdateWorkQueue{Queue: QueueKey{ID: id}, Update: prefect.WorkQueueUpdate{
			IsPaused: prefect.Opt[bool]{Set: true, Value: d.action.Type == prefect.PauseWorkQueue},
		}})
		return err
	case prefect.PauseAutomation, prefect.ResumeAutomation:
		_, err := d.Do(ctx, Coordination, &EnableAutomation{ID: id, Enabled: d.action.Type == prefect.ResumeAutomation})
		return err
	}
	return failed("actions of type %s are not known", d.action.Type)
}

// runDeployment makes a run of a deployment; its key is that of the invocation.
func (d *doer) runDeployment(ctx context.Context, id prefect.ID) error {
	parameters, err := d.parameters(ctx)
	if err != nil {
		return err
	}
	i := d.invocation
	unique := fmt.Sprintf("automation %s, action %d, invocation %s", i.AutomationID, i.Index, i.ID)
	state := &prefect.StateCreate{Type: prefect.Scheduled, Details: prefect.StateDetails{
		Deferred: new(bool), ScheduledTime: i.Created.Add(d.action.ScheduleAfter),
	}}
	variables := d.action.JobVariables
	if variables == nil {
		variables = prefect.JSON(`null`) // as the reference has it
	}
	kind := "AUTOMATION"
	made, err := NewDeploymentRun(ctx, d, id, prefect.DeploymentFlowRunCreate{
		State: state, Parameters: parameters, IdempotencyKey: &unique, JobVariables: variables, Context: prefect.JSON(`{}`),
		EmpiricalPolicy: prefect.FlowRunPolicy{PauseKeys: prefect.StringSet{}, Resuming: new(bool)},
	}, &prefect.CreatedBy{ID: i.AutomationID, Type: &kind, DisplayValue: &i.AutomationName})
	if err != nil {
		return err
	}
	d.tell("flow-run", made.Object.ID)
	return nil
}

// parameters are those of the action, with their templates rendered.
func (d *doer) parameters(ctx context.Context) (prefect.JSON, error) {
	if prefect.IsNull(d.action.Parameters) {
		return prefect.JSON(`{}`), nil
	}
	upgraded, err := inputschema.MarkTemplates(d.action.Parameters)
	if err != nil {
		return nil, failed("the parameters cannot be read: %v", err)
	}
	if !inputschema.HasPlaceholders(upgraded) {
		return upgraded, nil
	}
	from, err := sourcesFor(ctx, d, upgraded)
	if err != nil {
		return nil, err
	}
	if from.Values, err = d.values(ctx); err != nil {
		return nil, err
	}
	rendered, err := inputschema.Hydrate(upgraded, from)
	if err != nil {
		return nil, failed("%v", err)
	}
	return rendered, nil
}

// toFlowRun does an action to the flow run that the firing or the event tells of.
func (d *doer) toFlowRun(ctx context.Context) error {
	id, ok := resourceID(d.firing.Labels["prefect.resource.id"], "flow-run")
	if !ok {
		if d.event == nil {
			return failed("No flow run could be inferred")
		}
		var err error
		if id, err = d.infer("flow-run"); err != nil {
			return err
		}
	}
	d.tell("flow-run", id)
	by := "by Automation " + d.invocation.AutomationID.String()
	switch a := &d.action; a.Type {
	case prefect.DeleteFlowRun:
		return RemoveFlowRun(ctx, d, id)
	case prefect.ResumeFlowRun:
		o, err := ResumeRun(ctx, d, id, nil, ClientInfo{})
		return outcome(o, err)
	case prefect.CancelFlowRun:
		return d.setState(ctx, id, prefect.StateCreate{Type: prefect.Cancelling}, "Cancelled "+by, false)
	case prefect.SuspendFlowRun:
		name := "Suspended"
		return d.setState(ctx, id, prefect.StateCreate{Type: prefect.Paused, Name: &name, Details: prefect.StateDetails{
			PauseReschedule: true, PauseTimeout: d.Now().Add(prefect.Hour),
		}}, "Suspended "+by, false)
	case prefect.ChangeFlowRunState:
		message := "State changed " + by
		if a.Message != nil {
			message = *a.Message
		}
		return d.setState(ctx, id, prefect.StateCreate{Type: *a.State, Name: a.Name}, message, a.Force)
	}
	return failed("actions of type %s are not known", d.action.Type)
}

func (d *doer) setState(ctx context.Context, run prefect.ID, s prefect.StateCreate, message string, force bool) error {
	s.Message = &message
	if s.Details.Deferred == nil {
		s.Details.Deferred = new(bool)
	}
	o, err := ChangeFlowRunState(ctx, d, SetFlowRunState{RunID: run, State: s, Force: force})
	return outcome(o, err)
}

// outcome turns a proposal that was not accepted into a failure.
func outcome(o *Orchestration, err error) error {
	if err != nil || o.Status == accepted {
		return err
	}
	reason := ""
	if o.Details.Reason != nil {
		reason = *o.Details.Reason
	}
	return failed("Failed to set state: %s", reason)
}

// values are what templates see (reference/automations.md, "Templates").
func (d *doer) values(ctx context.Context) (map[string]any, error) {
	labels := map[string]any{}
	for name, value := range d.firing.Labels {
		labels[name] = value
	}
	values := map[string]any{"labels": labels, "event": nil, "flow_run": nil}
	raw := map[string]prefect.JSON{"firing": d.invocation.Firing}
	if d.event != nil {
		raw["event"] = d.invocation.Event
	}
	a, err := Ask[*prefect.Automation](ctx, d, Coordination, &ReadAutomation{ID: d.invocation.AutomationID})
	if failureOf(err) == "" && err != nil {
		return nil, err
	}
	if err == nil {
		if raw["automation"], err = prefect.Marshal(a); err != nil {
			return nil, err
		}
	}
	variables, err := Ask[map[string]prefect.JSON](ctx, d, Coordination, &ReadVariableValues{})
	if err != nil {
		return nil, err
	}
	if raw["variables"], err = prefect.Marshal(variables); err != nil {
		return nil, err
	}
	if err := d.involved(ctx, raw); err != nil {
		return nil, err
	}
	for name, text := range raw {
		if values[name], err = templates.Value(text); err != nil {
			return nil, err
		}
	}
	addResource(values["event"])
	return values, nil
}

// involved adds the objects that the event tells of.
func (d *doer) involved(ctx context.Context, raw map[string]prefect.JSON) error {
	for name, load := range map[string]func(prefect.ID) (any, error){
		"flow_run": func(id prefect.ID) (any, error) {
			return Ask[*prefect.FlowRun](ctx, d, d.Groups().Of(id), &ReadFlowRun{ID: id})
		},
		"deployment": func(id prefect.ID) (any, error) {
			return Ask[*prefect.Deployment](ctx, d, Coordination, &ReadDeployment{ID: id})
		},
		"flow": func(id prefect.ID) (any, error) {
			return Ask[*prefect.Flow](ctx, d, Coordination, &ReadFlow{ID: id})
		},
		"work_queue": func(id prefect.ID) (any, error) {
			return Ask[*prefect.WorkQueue](ctx, d, Coordination, &ReadWorkQueue{Queue: QueueKey{ID: id}})
		},
	} {
		id, err := d.infer(strings.ReplaceAll(name, "_", "-"))
		if err != nil {
			continue // the event tells of none
		}
		object, err := load(id)
		switch {
		case err == nil:
		case failureOf(err) != "":
			continue // it is gone
		default:
			return err
		}
		if raw[name], err = prefect.Marshal(object); err != nil {
			return err
		}
	}
	return nil
}

// addResource lets templates write resource.id for the label prefect.resource.id, and
// likewise for name and role.
func addResource(event any) {
	e, ok := event.(map[string]any)
	if !ok {
		return
	}
	related, _ := e["related"].([]any)
	for _, r := range append([]any{e["resource"]}, related...) {
		labels, ok := r.(map[string]any)
		if !ok {
			continue
		}
		for _, short := range []string{"id", "name", "role"} {
			if value, ok := labels["prefect.resource."+short]; ok {
				labels[short] = value
			}
		}
	}
}
