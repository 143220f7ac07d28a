package ops

import (
	"errors"
	"slices"
	"strings"

	"prefectd/prefect"
	"prefectd/store"
)

// Automations live in the coordination group.

func automation(tx *store.Tx, id prefect.ID) (*prefect.Automation, error) {
	if a := store.Automations.Get(tx, key(id)); a != nil {
		return a, nil
	}
	return nil, NotFoundModel("Automation not found")
}

// CreateAutomation makes an automation.
type CreateAutomation struct {
	Body prefect.AutomationCreate
}

// Run answers the *prefect.Automation; 422 for one that would set itself going again and
// again, or job variables that a pool does not allow.
func (o *CreateAutomation) Run(c *Context) (any, error) {
	a := &prefect.Automation{ID: c.freshID(), Created: c.Now, Owner: text(o.Body.OwnerResource)}
	if err := c.setAutomation(a, &o.Body.AutomationFields); err != nil {
		return nil, err
	}
	return a, c.emitAutomation("created", a)
}

// setAutomation sets what was sent of an automation, and stores it.
func (c *Context) setAutomation(a *prefect.Automation, f *prefect.AutomationFields) (err error) {
	if err := c.checkAutomation(f); err != nil {
		return err
	}
	f.Trigger.Identify(c.freshID)
	a.Updated, a.Name, a.Description, a.Enabled, a.Tags = c.Now, f.Name, f.Description, f.Enabled, orEmpty(f.Tags)
	for dst, list := range map[*prefect.JSON][]prefect.Action{
		&a.Actions: f.Actions, &a.ActionsOnTrigger: f.ActionsOnTrigger, &a.ActionsOnResolve: f.ActionsOnResolve,
	} {
		if *dst, err = prefect.Marshal(orEmpty(list)); err != nil {
			return err
		}
	}
	if a.Trigger, err = prefect.Marshal(&f.Trigger); err != nil {
		return err
	}
	store.Automations.Put(c.Tx, a)
	return nil
}

// checkAutomation refuses what the reference does, and actions that are not built.
func (c *Context) checkAutomation(f *prefect.AutomationFields) error {
	for _, list := range [][]prefect.Action{f.Actions, f.ActionsOnTrigger, f.ActionsOnResolve} {
		for i := range list {
			a := &list[i]
			if a.Type == prefect.SendNotification || a.Type == prefect.CallWebhook {
				return &Error{Status: 501, Detail: "actions of type " + string(a.Type) + " are not implemented by this server yet"}
			}
			if err := c.checkRunAction(a); err != nil {
				return err
			}
		}
	}
	return checkLoop(f)
}

// checkRunAction holds the job variables of a run to the pool of its deployment.
func (c *Context) checkRunAction(a *prefect.Action) error {
	if a.Type != prefect.RunDeployment || a.Source != selectedSource || isEmpty(a.JobVariables) {
		return nil
	}
	plan, err := as[*RunPlan]((&ReadRunPlan{DeploymentID: a.DeploymentID}).Read(c.Tx, c.Now))
	var refusal *Error
	if errors.As(err, &refusal) && refusal.Status == 404 || err == nil && plan.Queue == nil {
		return nil
	}
	if err != nil {
		return err
	}
	err = checkJobVariables(plan.Template, false, plan.Deployment.JobVariables, a.JobVariables)
	return asRefusal(err, Unprocessable, "Error creating automation: ")
}

// selectedSource is the source of an action whose target the user chose.
const selectedSource = "selected"

// checkLoop refuses an automation that runs a deployment whenever any flow run begins: the
// run would set it going again (reference/automations.md, "Loop guard").
func checkLoop(f *prefect.AutomationFields) error {
	t := f.Trigger.Event
	if !f.Enabled || t == nil || t.Posture != prefect.Reactive || !slices.ContainsFunc(t.Expect, beginsRuns) {
		return nil
	}
	for i := range f.Actions {
		switch a := &f.Actions[i]; {
		case a.Type != prefect.RunDeployment:
		case a.Source != selectedSource:
			return Unprocessable("Running an inferred deployment from a flow run state change event will lead to an infinite loop of flow runs.  Please choose a " +
				"specific deployment and add additional filtering labels to the match or match_related for this automation's trigger.")
		case coversAllRuns(t.Match) && coversAllRelated(t.MatchRelated):
			return Unprocessable("Running a selected deployment from a flow run state change event may lead to an infinite loop of flow runs.  " +
				"Please include additional filtering labels on either match or match_related to narrow down which flow runs " +
				"will trigger this automation to exclude flow runs from the deployment you've selected.")
		}
	}
	return nil
}

func beginsRuns(name string) bool {
	switch name {
	case "prefect.flow-run.Scheduled", "prefect.flow-run.Pending", "prefect.flow-run.Running", "prefect.flow-run.*":
		return true
	}
	return false
}

func coversAllRuns(spec prefect.LabelSpec) bool {
	if len(spec) > 1 {
		return false
	}
	for label, patterns := range spec {
		if label != "prefect.resource.id" || !slices.Contains(patterns.All(), "prefect.flow-run.*") {
			return false
		}
	}
	return true
}

func coversAllRelated(spec prefect.RelatedSpec) bool {
	all := spec.All()
	return len(all) == 0 || slices.ContainsFunc(all, coversAllRuns)
}

// ReplaceAutomation replaces all that was sent of an automation.
type ReplaceAutomation struct {
	ID   prefect.ID
	Body prefect.AutomationUpdate
}

// Run answers nothing; 404 for an unknown automation, 422 as CreateAutomation.
func (o *ReplaceAutomation) Run(c *Context) (any, error) {
	a, err := automation(c.Tx, o.ID)
	if err != nil {
		return nil, err
	}
	c.forgetTriggers(a.ID)
	if err := c.setAutomation(a, &o.Body.AutomationFields); err != nil {
		return nil, err
	}
	return nil, c.emitAutomation("updated", a)
}

// EnableAutomation switches an automation on or off.
type EnableAutomation struct {
	ID      prefect.ID
	Enabled bool
}

// Run answers nothing; 404 for an unknown automation.
func (o *EnableAutomation) Run(c *Context) (any, error) {
	a, err := automation(c.Tx, o.ID)
	if err != nil {
		return nil, err
	}
	if a.Enabled == o.Enabled {
		return nil, nil
	}
	a.Enabled, a.Updated = o.Enabled, c.Now
	store.Automations.Put(c.Tx, a)
	return nil, c.emitAutomation("updated", a)
}

// DeleteAutomation removes an automation with what its triggers have counted.
type DeleteAutomation struct {
	ID prefect.ID
}

// Run answers nothing; 404 for an unknown automation.
func (o *DeleteAutomation) Run(c *Context) (any, error) {
	a, err := automation(c.Tx, o.ID)
	if err != nil {
		return nil, err
	}
	c.removeAutomation(a)
	return nil, c.emitAutomation("deleted", a)
}

func (c *Context) removeAutomation(a *prefect.Automation) {
	c.forgetTriggers(a.ID)
	store.Automations.Delete(c.Tx, key(a.ID))
}

// forgetTriggers drops what the triggers of an automation have counted.
func (c *Context) forgetTriggers(automation prefect.ID) {
	for b := range store.Buckets.Rows(c.Tx, store.Range{Prefix: key(automation)}) {
		store.Buckets.Delete(c.Tx, store.Buckets.Key(b))
	}
	for f := range store.ChildFirings.Rows(c.Tx, store.Range{Prefix: key(automation)}) {
		store.ChildFirings.Delete(c.Tx, store.ChildFirings.Key(f))
	}
}

// DeleteOwnedAutomations removes the automations that a resource owns. The reference emits
// no event for them.
type DeleteOwnedAutomations struct {
	Owner string
}

// Run answers nothing.
func (o *DeleteOwnedAutomations) Run(c *Context) (any, error) {
	if o.Owner == "" {
		return nil, nil
	}
	for a := range store.AutomationsByOwner.Rows(c.Tx, store.Range{Prefix: store.Key{}.String(o.Owner)}) {
		c.removeAutomation(a)
	}
	return nil, nil
}

// emitAutomation emits prefect.automation.<what>.
func (c *Context) emitAutomation(what string, a *prefect.Automation) error {
	return c.tell("prefect.automation."+what, resource("automation", a.ID, a.Name), nil, a)
}

// ReadAutomation reads one automation.
type ReadAutomation struct {
	ID prefect.ID
}

// Read answers a *prefect.Automation; 404 if there is none.
func (q *ReadAutomation) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return automation(tx, q.ID)
}

// FindAutomations finds automations.
type FindAutomations struct {
	Filter *prefect.AutomationFilter
	Sort   prefect.AutomationSort
	Window
}

// Read answers a []*prefect.Automation.
func (q *FindAutomations) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	found := matching(store.Automations.Rows(tx, store.Range{}), q.Filter.Compile())
	slices.SortFunc(found, q.Sort.Order())
	return part(q.Window, found), nil
}

// CountAutomations counts automations.
type CountAutomations struct {
	Filter *prefect.AutomationFilter
}

// Read answers an int.
func (q *CountAutomations) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return len(matching(store.Automations.Rows(tx, store.Range{}), q.Filter.Compile())), nil
}

// FindRelatedAutomations finds the automations that a resource owns, and those that run it
// if it is a deployment.
type FindRelatedAutomations struct {
	Resource string
}

// Read answers a []*prefect.Automation, by name.
func (q *FindRelatedAutomations) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	id, isDeployment := strings.CutPrefix(q.Resource, "prefect.deployment.")
	found := []*prefect.Automation{}
	for a := range store.Automations.Rows(tx, store.Range{}) {
		related := a.Owner == q.Resource
		if isDeployment && !related {
			actions, err := actionsOf(a.Actions)
			if err != nil {
				return nil, err
			}
			related = slices.ContainsFunc(actions, func(do prefect.Action) bool {
				return do.Type == prefect.RunDeployment && do.Source == selectedSource && do.DeploymentID.String() == id
			})
		}
		if related {
			found = append(found, a)
		}
	}
	slices.SortFunc(found, prefect.AutomationSort("NAME_ASC").Order())
	return found, nil
}

// actionsOf reads a list of actions as automations keep them.
func actionsOf(list prefect.JSON) (actions []prefect.Action, err error) {
	return actions, prefect.Unmarshal(list, &actions)
}
