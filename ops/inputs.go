package ops

import (
	"cmp"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// CreateInput stores a value for a flow run under a new key.
type CreateInput struct {
	RunID prefect.ID
	Body  prefect.FlowRunInputCreate
}

// Run answers nothing; 404 for an unknown run, 409 for a key that is taken.
func (o *CreateInput) Run(c *Context) (any, error) {
	if !store.FlowRuns.Has(c.Tx, key(o.RunID)) {
		return nil, NotFound("Flow run not found")
	}
	if store.FlowRunInputsByKey.Has(c.Tx, key(o.RunID).String(o.Body.Key)) {
		return nil, Conflict("A flow run input with this key already exists.")
	}
	store.FlowRunInputs.Put(c.Tx, &prefect.FlowRunInput{
		ID: c.NewID(o.RunID.Slot()), Created: c.Now, Updated: c.Now,
		FlowRunID: o.RunID, Key: o.Body.Key, Value: o.Body.Value, Sender: o.Body.Sender,
	})
	return nil, nil
}

// ReadInput reads one input of a flow run.
type ReadInput struct {
	RunID prefect.ID
	Key   string
}

// Read answers a *prefect.FlowRunInput; 404 if there is none.
func (q *ReadInput) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	in := store.FlowRunInputsByKey.Find(tx, key(q.RunID).String(q.Key))
	if in == nil {
		return nil, NotFound("Flow run input not found")
	}
	return in, nil
}

// DeleteInput removes one input of a flow run.
type DeleteInput struct {
	RunID prefect.ID
	Key   string
}

// Run answers nothing; 404 if there is none.
func (o *DeleteInput) Run(c *Context) (any, error) {
	in := store.FlowRunInputsByKey.Find(c.Tx, key(o.RunID).String(o.Key))
	if in == nil {
		return nil, NotFound("Flow run input not found")
	}
	store.FlowRunInputs.Delete(c.Tx, key(in.ID))
	return nil, nil
}

// FilterInputs lists the inputs of a flow run whose key starts with a prefix, in
// which % and _ are wildcards.
type FilterInputs struct {
	RunID prefect.ID
	Body  prefect.FlowRunInputFilter
}

// Read answers a []*prefect.FlowRunInput by time of creation.
func (q *FilterInputs) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	matches := prefect.Like(q.Body.Prefix + "%")
	var found []*prefect.FlowRunInput
	for in := range store.FlowRunInputsByKey.Rows(tx, store.Range{Prefix: key(q.RunID)}) {
		if matches(in.Key) && !slices.Contains(q.Body.ExcludeKeys, in.Key) {
			found = append(found, in)
		}
	}
	slices.SortFunc(found, func(a, b *prefect.FlowRunInput) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), a.ID.Compare(b.ID))
	})
	return found[:q.Body.Rows(len(found))], nil
}
