package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// Flows live in the coordination group.

// FlowRef is what a flow run needs to know of its flow: labels are inherited,
// name and tags appear in the run's events.
type FlowRef struct {
	ID     prefect.ID
	Name   string
	Tags   []string
	Labels prefect.Labels
}

// Upserted is the answer of a create that finds what exists already.
type Upserted[T any] struct {
	Object  *T
	Created bool
}

// CreateFlow makes a flow, or answers the one of that name unchanged.
type CreateFlow struct {
	Flow prefect.FlowCreate
}

// Run answers an Upserted[prefect.Flow].
func (o *CreateFlow) Run(c *Context) (any, error) {
	if f := store.FlowsByName.Find(c.Tx, store.Key{}.String(o.Flow.Name)); f != nil {
		return Upserted[prefect.Flow]{Object: f}, nil
	}
	f := &prefect.Flow{
		ID: c.NewID(byte(c.Rand.Uint32())), Created: c.Now, Updated: c.Now,
		Name: o.Flow.Name, Tags: o.Flow.Tags, Labels: o.Flow.Labels,
	}
	store.Flows.Put(c.Tx, f)
	return Upserted[prefect.Flow]{f, true}, c.emitFlow("created", f)
}

// UpdateFlow changes what was sent of a flow.
type UpdateFlow struct {
	ID     prefect.ID
	Update prefect.FlowUpdate
}

// Run answers nothing; 404 for an unknown flow.
func (o *UpdateFlow) Run(c *Context) (any, error) {
	f := store.Flows.Get(c.Tx, key(o.ID))
	if f == nil {
		return nil, NotFound("Flow not found")
	}
	if o.Update.Tags.Set {
		f.Tags = o.Update.Tags.Value
	}
	f.Updated = c.Now
	store.Flows.Put(c.Tx, f)
	return nil, c.emitFlow("updated", f)
}

// DeleteFlow removes a flow with its deployments; its runs go by messages to the run
// groups.
type DeleteFlow struct {
	ID prefect.ID
}

// Run answers nothing; 404 for an unknown flow.
func (o *DeleteFlow) Run(c *Context) (any, error) {
	f := store.Flows.Get(c.Tx, key(o.ID))
	if f == nil {
		return nil, NotFound("Flow not found")
	}
	for d := range store.DeploymentsByFlow.Rows(c.Tx, store.Range{Prefix: key(o.ID)}) {
		if err := c.removeDeployment(d); err != nil {
			return nil, err
		}
	}
	store.Flows.Delete(c.Tx, key(o.ID))
	for _, group := range c.Groups.RunGroups() {
		if err := c.Send(group, &DeleteFlowRunsOf{FlowID: o.ID}); err != nil {
			return nil, err
		}
	}
	return nil, c.emitFlow("deleted", f)
}

// emitFlow emits prefect.flow.<what>.
func (c *Context) emitFlow(what string, f *prefect.Flow) error {
	payload, err := prefect.Marshal(struct {
		Name   string         `json:"name"`
		Tags   []string       `json:"tags"`
		Labels prefect.Labels `json:"labels"`
	}{f.Name, f.Tags, f.Labels})
	if err != nil {
		return err
	}
	c.Emit(&prefect.Event{
		ID: c.NewID(f.ID.Slot()), Occurred: c.Now, Event: "prefect.flow." + what,
		Resource: resource("flow", f.ID, f.Name),
		Payload:  payload,
	})
	return nil
}

// RemoveFlow deletes a flow and returns when its runs are gone too.
func RemoveFlow(ctx context.Context, b Backend, id prefect.ID) error {
	if _, err := b.Do(ctx, Coordination, &DeleteFlow{ID: id}); err != nil {
		return err
	}
	return b.Settle(ctx, Coordination)
}

// ReadFlowRef reads what runs need of a flow.
type ReadFlowRef struct {
	ID prefect.ID
}

// Read answers a *FlowRef, nil for an unknown flow.
func (q *ReadFlowRef) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	f := store.Flows.Get(tx, key(q.ID))
	if f == nil {
		return (*FlowRef)(nil), nil
	}
	return &FlowRef{ID: f.ID, Name: f.Name, Tags: f.Tags, Labels: f.Labels}, nil
}
