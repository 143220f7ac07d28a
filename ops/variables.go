package ops

import (
	"fmt"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// Variables live in the coordination group.

// VariableKey is the id of a variable, or else its name.
type VariableKey struct {
	ID   prefect.ID
	Name string
}

func (k *VariableKey) find(tx *store.Tx) (*prefect.Variable, error) {
	v := store.Variables.Get(tx, key(k.ID))
	if k.ID.IsNull() {
		v = store.VariablesByName.Find(tx, store.Key{}.String(k.Name))
	}
	if v == nil {
		return nil, NotFound("Variable not found.")
	}
	return v, nil
}

// CreateVariable makes a variable.
type CreateVariable struct {
	Variable prefect.VariableCreate
}

// Run answers the *prefect.Variable; 409 if its name is taken.
func (o *CreateVariable) Run(c *Context) (any, error) {
	if store.VariablesByName.Find(c.Tx, store.Key{}.String(o.Variable.Name)) != nil {
		return nil, Conflict(fmt.Sprintf("A variable with the name '%s' already exists.", o.Variable.Name))
	}
	v := &prefect.Variable{
		ID: c.freshID(), Created: c.Now, Updated: c.Now,
		Name: o.Variable.Name, Value: o.Variable.Value, Tags: orEmpty(o.Variable.Tags),
	}
	store.Variables.Put(c.Tx, v)
	return v, c.emitVariable("created", v)
}

// UpdateVariable changes what was sent of a variable.
type UpdateVariable struct {
	Variable VariableKey
	Update   prefect.VariableUpdate
}

// Run answers nothing; 404 for an unknown variable, 409 for a name that is taken.
func (o *UpdateVariable) Run(c *Context) (any, error) {
	v, err := o.Variable.find(c.Tx)
	if err != nil {
		return nil, err
	}
	if name := o.Update.Name; name.Set {
		if name.Value == nil {
			return nil, IntegrityConflict()
		}
		if other := store.VariablesByName.Find(c.Tx, store.Key{}.String(*name.Value)); other != nil && other.ID != v.ID {
			return nil, IntegrityConflict()
		}
		v.Name = *name.Value
	}
	if o.Update.Value.Set {
		v.Value = o.Update.Value.Value
	}
	if o.Update.Tags.Set {
		v.Tags = orEmpty([]string(o.Update.Tags.Value))
	}
	v.Updated = c.Now
	store.Variables.Put(c.Tx, v)
	return nil, c.emitVariable("updated", v)
}

// DeleteVariable removes a variable.
type DeleteVariable struct {
	Variable VariableKey
}

// Run answers nothing; 404 for an unknown variable.
func (o *DeleteVariable) Run(c *Context) (any, error) {
	v, err := o.Variable.find(c.Tx)
	if err != nil {
		return nil, err
	}
	store.Variables.Delete(c.Tx, key(v.ID))
	return nil, c.emitVariable("deleted", v)
}

// emitVariable emits prefect.variable.<what>.
func (c *Context) emitVariable(what string, v *prefect.Variable) error {
	return c.tell("prefect.variable."+what, resource("variable", v.ID, v.Name), nil, struct {
		Name  string       `json:"name"`
		Value prefect.JSON `json:"value"`
		Tags  []string     `json:"tags"`
	}{v.Name, v.Value, v.Tags})
}

// ReadVariable reads one variable.
type ReadVariable struct {
	Variable VariableKey
}

// Read answers a *prefect.Variable; 404 if there is none.
func (q *ReadVariable) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return q.Variable.find(tx)
}

// FindVariables finds variables.
type FindVariables struct {
	Filter *prefect.VariableFilter
	Sort   prefect.VariableSort
	Window
}

// Read answers a []*prefect.Variable.
func (q *FindVariables) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	found := matching(store.Variables.Rows(tx, store.Range{}), q.Filter.Compile())
	slices.SortFunc(found, q.Sort.Order())
	return part(q.Window, found), nil
}

// CountVariables counts variables.
type CountVariables struct {
	Filter *prefect.VariableFilter
}

// Read answers an int.
func (q *CountVariables) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return len(matching(store.Variables.Rows(tx, store.Range{}), q.Filter.Compile())), nil
}
