package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

func variableRoutes() []route {
	return []route{
		{Method: "POST", Path: "/variables/", Kind: write, Handle: createVariable, Doc: "Make a variable."},
		{Method: "POST", Path: "/variables/filter", Kind: read, Handle: filterVariables, Doc: "Variables by filter."},
		{Method: "POST", Path: "/variables/count", Kind: read, Handle: countVariables, Doc: "The number of variables that match."},
		{Method: "GET", Path: "/variables/{id}", Kind: read, Handle: readVariable, Doc: "One variable."},
		{Method: "GET", Path: "/variables/name/{name}", Kind: read, Handle: readVariable, Doc: "The variable of a name."},
		{Method: "PATCH", Path: "/variables/{id}", Kind: write, Handle: updateVariable, Doc: "Change what is sent of a variable."},
		{Method: "PATCH", Path: "/variables/name/{name}", Kind: write, Handle: updateVariable, Doc: "Change what is sent of the variable of a name."},
		{Method: "DELETE", Path: "/variables/{id}", Kind: write, Handle: deleteVariable, Doc: "Delete a variable."},
		{Method: "DELETE", Path: "/variables/name/{name}", Kind: write, Handle: deleteVariable, Doc: "Delete the variable of a name."},
	}
}

// variable is the one in the path, by its id or its name.
func (c *call) variable() ops.VariableKey {
	if _, byID := c.req.UserValue("id").(string); byID {
		return ops.VariableKey{ID: c.id("id")}
	}
	return ops.VariableKey{Name: c.param("name")}
}

func createVariable(c *call) error {
	var op ops.CreateVariable
	if err := c.decode(&op.Variable); err != nil {
		return err
	}
	v, err := ops.Do[*prefect.Variable](c.ctx, c.backend, ops.Coordination, &op)
	if err != nil {
		return err
	}
	return c.reply(201, v)
}

func readVariable(c *call) error {
	return replyWith[*prefect.Variable](c)(ops.Ask[*prefect.Variable](c.ctx, c.backend, ops.Coordination, &ops.ReadVariable{Variable: c.variable()}))
}

func updateVariable(c *call) error {
	op := &ops.UpdateVariable{Variable: c.variable()}
	if err := c.decode(&op.Update); err != nil {
		return err
	}
	return c.done(c.backend.Do(c.ctx, ops.Coordination, op))
}

func deleteVariable(c *call) error {
	return c.done(c.backend.Do(c.ctx, ops.Coordination, &ops.DeleteVariable{Variable: c.variable()}))
}

func filterVariables(c *call) error {
	var q prefect.VariablesQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	find := &ops.FindVariables{Filter: q.Variables, Sort: q.Sort, Window: ops.Window{From: offset, Limit: limit}}
	return replyWith[[]*prefect.Variable](c)(ops.Ask[[]*prefect.Variable](c.ctx, c.backend, ops.Coordination, find))
}

func countVariables(c *call) error {
	var q prefect.VariablesCountQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[int](c)(ops.Ask[int](c.ctx, c.backend, ops.Coordination, &ops.CountVariables{Filter: q.Variables}))
}
