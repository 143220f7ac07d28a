package ops

import (
	"cmp"
	"slices"

	"prefectd/prefect"
	"prefectd/prefect/schedules"
	"prefectd/store"
)

// newSchedule makes a schedule of a deployment.
func (c *Context) newSchedule(d *prefect.Deployment, body *prefect.DeploymentScheduleCreate) (*prefect.DeploymentSchedule, error) {
	schedule, err := schedules.Normal(body.Schedule, c.Now)
	return &prefect.DeploymentSchedule{
		ID: c.freshID(), Created: c.Now, Updated: c.Now, DeploymentID: d.ID, Schedule: schedule, Active: body.Active,
		MaxScheduledRuns: body.MaxScheduledRuns, Parameters: orObject(body.Parameters), Slug: body.Slug,
	}, err
}

// putSchedulesOf replaces the schedules of a deployment.
func (c *Context) putSchedulesOf(d *prefect.Deployment, list []prefect.DeploymentScheduleCreate) error {
	d.Schedules = nil
	for i := range list {
		s, err := c.newSchedule(d, &list[i])
		if err != nil {
			return err
		}
		s.MaxScheduledRuns = nil // only the schedules' own routes keep it
		d.Schedules = append(d.Schedules, s)
	}
	if repeatsSlug(d.Schedules) {
		return IntegrityConflict()
	}
	return nil
}

// repeatsSlug reports whether two schedules have the same slug.
func repeatsSlug(list []*prefect.DeploymentSchedule) bool {
	seen := map[string]bool{}
	for _, s := range list {
		if s.Slug != nil {
			if seen[*s.Slug] {
				return true
			}
			seen[*s.Slug] = true
		}
	}
	return false
}

// change changes what was sent of a schedule; null is the same as not sent.
func (c *Context) changeSchedule(s *prefect.DeploymentSchedule, u *prefect.DeploymentScheduleUpdate) (err error) {
	if !prefect.IsNull(u.Schedule) {
		if s.Schedule, err = schedules.Normal(u.Schedule, c.Now); err != nil {
			return err
		}
	}
	if u.Active != nil {
		s.Active = *u.Active
	}
	if !prefect.IsNull(u.Parameters) {
		s.Parameters = u.Parameters
	}
	s.MaxScheduledRuns = cmp.Or(u.MaxScheduledRuns, s.MaxScheduledRuns)
	s.Slug = cmp.Or(u.Slug, s.Slug)
	s.Updated = c.Now
	return nil
}

// patchSchedulesOf brings the schedules of a deployment in line with a list. If all have
// slugs, on both sides, they are told apart by them: those in the list are changed or
// made, and the others stay. Else the list replaces them.
func (c *Context) patchSchedulesOf(d *prefect.Deployment, list []prefect.DeploymentScheduleUpdate) error {
	lacks := slices.ContainsFunc(list, func(u prefect.DeploymentScheduleUpdate) bool { return u.Slug == nil })
	if len(d.Schedules) == 0 || slices.ContainsFunc(d.Schedules, func(s *prefect.DeploymentSchedule) bool { return s.Slug == nil }) {
		return c.replaceSchedulesOf(d, list)
	}
	if lacks {
		return Unprocessable("Please provide a slug for each schedule in your request to ensure schedules are updated correctly.")
	}
	existing := map[string]*prefect.DeploymentSchedule{}
	for _, s := range d.Schedules {
		existing[*s.Slug] = s
	}
	if err := checkRenames(list, existing); err != nil {
		return err
	}
	for i := range list {
		u := &list[i]
		target := *u.Slug
		if text(u.Replaces) != "" {
			target = *u.Replaces
		}
		s := existing[target]
		switch {
		case s != nil:
			if err := c.changeSchedule(s, u); err != nil {
				return err
			}
		case prefect.IsNull(u.Schedule):
			return Unprocessable("Unable to create new deployment schedules without a schedule configuration.")
		default:
			if err := c.addSchedule(d, u); err != nil {
				return err
			}
		}
	}
	if repeatsSlug(d.Schedules) {
		return IntegrityConflict()
	}
	return nil
}

// checkRenames refuses slugs that are given or given up twice.
func checkRenames(list []prefect.DeploymentScheduleUpdate, existing map[string]*prefect.DeploymentSchedule) error {
	replaced := map[string]bool{}
	for _, u := range list {
		if old := text(u.Replaces); old != "" {
			if replaced[old] {
				return Unprocessable("Multiple schedules have 'replaces' targeting the same slug: " + old)
			}
			replaced[old] = true
		}
	}
	for _, u := range list {
		if old, slug := text(u.Replaces), *u.Slug; old != "" && slug != "" && existing[slug] != nil && !replaced[slug] {
			return Unprocessable("Cannot rename schedule from '" + old + "' to '" + slug + "': a schedule with slug '" + slug + "' already exists.")
		}
	}
	return nil
}

// addSchedule makes a schedule of an entry in the list of a deployment's schedules.
func (c *Context) addSchedule(d *prefect.Deployment, u *prefect.DeploymentScheduleUpdate) error {
	s, err := c.newSchedule(d, &prefect.DeploymentScheduleCreate{
		Active: u.Active == nil || *u.Active, Schedule: u.Schedule, Parameters: u.Parameters, Slug: u.Slug,
	})
	d.Schedules = append(d.Schedules, s)
	return err
}

// replaceSchedulesOf makes the schedules anew; entries without one are left out.
func (c *Context) replaceSchedulesOf(d *prefect.Deployment, list []prefect.DeploymentScheduleUpdate) error {
	d.Schedules = nil
	for i := range list {
		if prefect.IsNull(list[i].Schedule) {
			continue
		}
		if err := c.addSchedule(d, &list[i]); err != nil {
			return err
		}
	}
	if repeatsSlug(d.Schedules) {
		return IntegrityConflict()
	}
	return nil
}

// CreateSchedules adds schedules to a deployment.
type CreateSchedules struct {
	DeploymentID prefect.ID
	Schedules    []prefect.DeploymentScheduleCreate
}

// Run answers a []*prefect.DeploymentSchedule; 404 for an unknown deployment, 409 for a
// slug that is taken.
func (o *CreateSchedules) Run(c *Context) (any, error) {
	d, err := findDeployment(c.Tx, o.DeploymentID, ".")
	if err != nil {
		return nil, err
	}
	made := []*prefect.DeploymentSchedule{}
	for i := range o.Schedules {
		s, err := c.newSchedule(d, &o.Schedules[i])
		if err != nil {
			return nil, err
		}
		made = append(made, s)
	}
	d.Schedules = append(d.Schedules, made...)
	if repeatsSlug(d.Schedules) {
		return nil, Conflict("Schedule slugs must be unique within a deployment.")
	}
	store.Deployments.Put(c.Tx, d)
	for _, s := range made {
		c.restart(d, s)
	}
	return made, nil
}

// UpdateSchedule changes what was sent of a schedule.
type UpdateSchedule struct {
	DeploymentID prefect.ID
	ScheduleID   prefect.ID
	Update       prefect.DeploymentScheduleUpdate
}

// Run answers nothing; 404 for an unknown deployment or schedule, 409 for a slug that is
// taken.
func (o *UpdateSchedule) Run(c *Context) (any, error) {
	d, at, err := findSchedule(c.Tx, o.DeploymentID, o.ScheduleID)
	if err != nil {
		return nil, err
	}
	if err := c.changeSchedule(d.Schedules[at], &o.Update); err != nil {
		return nil, err
	}
	if repeatsSlug(d.Schedules) {
		return nil, IntegrityConflict()
	}
	store.Deployments.Put(c.Tx, d)
	c.reschedule(d)
	return nil, c.removeScheduledRuns(&RemoveScheduledRuns{DeploymentID: d.ID, Auto: true, After: c.Now})
}

// findSchedule reads a deployment and says which of its schedules has an id.
func findSchedule(tx *store.Tx, deploymentID, id prefect.ID) (d *prefect.Deployment, at int, err error) {
	if d, err = findDeployment(tx, deploymentID, "."); err != nil {
		return nil, 0, err
	}
	at = slices.IndexFunc(d.Schedules, func(s *prefect.DeploymentSchedule) bool { return s.ID == id })
	if at < 0 {
		return nil, 0, NotFound("Schedule not found.")
	}
	return d, at, nil
}

// DeleteSchedule removes a schedule of a deployment.
type DeleteSchedule struct {
	DeploymentID prefect.ID
	ScheduleID   prefect.ID
}

// Run answers nothing; 404 for an unknown deployment or schedule.
func (o *DeleteSchedule) Run(c *Context) (any, error) {
	d, at, err := findSchedule(c.Tx, o.DeploymentID, o.ScheduleID)
	if err != nil {
		return nil, err
	}
	d.Schedules = slices.Delete(d.Schedules, at, at+1)
	store.Deployments.Put(c.Tx, d)
	c.reschedule(d)
	return nil, c.removeScheduledRuns(&RemoveScheduledRuns{DeploymentID: d.ID, Auto: true})
}

// ReadSchedules reads the schedules of a deployment.
type ReadSchedules struct {
	DeploymentID prefect.ID
}

// Read answers a []*prefect.DeploymentSchedule, the last changed first; 404 for an unknown
// deployment.
func (q *ReadSchedules) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	d, err := findDeployment(tx, q.DeploymentID, ".")
	if err != nil {
		return nil, err
	}
	return lastChangedFirst(d.Schedules), nil
}

func lastChangedFirst(list []*prefect.DeploymentSchedule) []*prefect.DeploymentSchedule {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *prefect.DeploymentSchedule) int { return cmp.Compare(b.Updated, a.Updated) })
	return orEmpty(list)
}
