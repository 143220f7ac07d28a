package httpapi

import (
	"errors"

	"prefectd/ops"
	"prefectd/prefect"
	"prefectd/prefect/templates"
)

func automationRoutes() []route {
	return []route{
		{Method: "POST", Path: "/automations/", Kind: write, Handle: createAutomation, Doc: "Make an automation."},
		{Method: "POST", Path: "/automations/filter", Kind: read, Handle: filterAutomations, Doc: "Automations by filter."},
		{Method: "POST", Path: "/automations/count", Kind: read, Handle: countAutomations, Doc: "The number of automations that match."},
		{Method: "GET", Path: "/automations/{id}", Kind: read, Handle: readAutomation, Doc: "One automation."},
		{Method: "PUT", Path: "/automations/{id}", Kind: write, Handle: replaceAutomation, Doc: "Replace an automation."},
		{Method: "PATCH", Path: "/automations/{id}", Kind: write, Handle: enableAutomation, Doc: "Switch an automation on or off."},
		{Method: "DELETE", Path: "/automations/{id}", Kind: write, Handle: deleteAutomation, Doc: "Delete an automation."},
		{Method: "GET", Path: "/automations/related-to/{resource_id}", Kind: read, Handle: relatedAutomations, Doc: "The automations that a resource owns, or that run it."},
		{Method: "DELETE", Path: "/automations/owned-by/{resource_id}", Kind: write, Handle: deleteOwnedAutomations, Doc: "Delete the automations that a resource owns."},
		{Method: "POST", Path: "/automations/templates/validate", Kind: stale, Handle: validateTemplate, Doc: "Whether a text is a template."},
		{Method: "POST", Path: "/templates/validate", Kind: stale, Handle: validateTemplate, Doc: "Whether a text is a template."},
	}
}

func createAutomation(c *call) error {
	var op ops.CreateAutomation
	if err := c.decode(&op.Body); err != nil {
		return err
	}
	a, err := ops.Do[*prefect.Automation](c.ctx, c.backend, ops.Coordination, &op)
	if err != nil {
		return err
	}
	return c.reply(201, a)
}

func readAutomation(c *call) error {
	return replyWith[*prefect.Automation](c)(ops.Ask[*prefect.Automation](c.ctx, c.backend, ops.Coordination, &ops.ReadAutomation{ID: c.id("id")}))
}

func replaceAutomation(c *call) error {
	op := &ops.ReplaceAutomation{ID: c.id("id")}
	if err := c.decode(&op.Body); err != nil {
		return err
	}
	return c.done(c.backend.Do(c.ctx, ops.Coordination, op))
}

func enableAutomation(c *call) error {
	var update prefect.AutomationPartialUpdate
	if err := c.decode(&update); err != nil {
		return err
	}
	id := c.id("id")
	if !update.Enabled.Set {
		_, err := ops.Ask[*prefect.Automation](c.ctx, c.backend, ops.Coordination, &ops.ReadAutomation{ID: id})
		return c.done(nil, err)
	}
	return c.done(c.backend.Do(c.ctx, ops.Coordination, &ops.EnableAutomation{ID: id, Enabled: update.Enabled.Value}))
}

func deleteAutomation(c *call) error {
	return c.done(c.backend.Do(c.ctx, ops.Coordination, &ops.DeleteAutomation{ID: c.id("id")}))
}

func filterAutomations(c *call) error {
	var q prefect.AutomationsQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	find := &ops.FindAutomations{Filter: q.Automations, Sort: q.Sort, Window: ops.Window{From: offset, Limit: limit}}
	return replyWith[[]*prefect.Automation](c)(ops.Ask[[]*prefect.Automation](c.ctx, c.backend, ops.Coordination, find))
}

func countAutomations(c *call) error {
	var q prefect.AutomationsCountQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[int](c)(ops.Ask[int](c.ctx, c.backend, ops.Coordination, &ops.CountAutomations{Filter: q.Automations}))
}

func relatedAutomations(c *call) error {
	find := &ops.FindRelatedAutomations{Resource: c.param("resource_id")}
	return replyWith[[]*prefect.Automation](c)(ops.Ask[[]*prefect.Automation](c.ctx, c.backend, ops.Coordination, find))
}

func deleteOwnedAutomations(c *call) error {
	_, err := c.backend.Do(c.ctx, ops.Coordination, &ops.DeleteOwnedAutomations{Owner: c.param("resource_id")})
	if err != nil {
		return err
	}
	return c.reply(202, nil)
}

// validateTemplate answers what is wrong with a template; an empty body is fine.
func validateTemplate(c *call) error {
	if len(c.req.Request.Body()) == 0 {
		return c.done(nil, nil)
	}
	var text string
	if err := c.decode(&text); err != nil {
		return err
	}
	err := templates.Validate(text)
	var wrong *templates.SyntaxError
	if !errors.As(err, &wrong) {
		return c.done(nil, err)
	}
	type problem struct {
		Line    int    `json:"line"`
		Message string `json:"message"`
		Source  string `json:"source"`
	}
	return c.reply(422, map[string]problem{"error": {wrong.Line, wrong.Message, text}})
}
