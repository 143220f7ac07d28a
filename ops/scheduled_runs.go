package ops

import (
	"prefectd/prefect"
	"prefectd/store"
)

// ScheduledDate is when a run is due, and how its schedule writes that.
type ScheduledDate struct {
	Time prefect.Time
	Text string
}

// ScheduledDates are the dates for which runs of a schedule are to be made.
type ScheduledDates struct {
	DeploymentID prefect.ID
	ScheduleID   prefect.ID
	Dates        []ScheduledDate

	// Stamp is that of the schedule's progress when the dates were computed; Through and
	// Due are its progress once they have runs. Without it only Updated, the time of the
	// schedule's last change, has to be the same, and no progress is noted.
	Stamp        prefect.ID
	Through, Due prefect.Time
	Updated      prefect.Time
}

// ScheduleRuns has runs made for dates of schedules, as far as these have not changed
// since the dates were computed.
type ScheduleRuns struct {
	Schedules []ScheduledDates
}

func (o *ScheduleRuns) runs() (n int) {
	for i := range o.Schedules {
		n += len(o.Schedules[i].Dates)
	}
	return n
}

// Run answers the number of dates that runs are made for. The runs live in other groups,
// each with the idempotency key that it has from its date.
func (o *ScheduleRuns) Run(c *Context) (any, error) {
	made := 0
	messages := map[int]*InsertScheduledRuns{}
	for i := range o.Schedules {
		s := &o.Schedules[i]
		d := deployment(c.Tx, s.DeploymentID)
		if d == nil || !c.isCurrent(s, d) || len(s.Dates) == 0 {
			continue
		}
		template, err := c.templateOf(d, scheduleOf(d, s.ScheduleID))
		if err != nil {
			return nil, err
		}
		made += len(s.Dates)
		for group, dates := range c.spread(template, s.Dates) {
			part := *template
			part.Dates = dates
			if messages[group] == nil {
				messages[group] = &InsertScheduledRuns{}
			}
			messages[group].Runs = append(messages[group].Runs, part)
		}
	}
	for _, group := range c.Groups.RunGroups() {
		if m := messages[group]; m != nil {
			if err := c.Send(group, m); err != nil {
				return nil, err
			}
		}
	}
	return made, nil
}

// isCurrent reports whether a schedule is the one that dates were computed for, and notes
// its progress.
func (c *Context) isCurrent(s *ScheduledDates, d *prefect.Deployment) bool {
	schedule := scheduleOf(d, s.ScheduleID)
	if s.Stamp.IsNull() {
		return schedule != nil && schedule.Active && schedule.Updated == s.Updated
	}
	p := store.ScheduleProgresses.Get(c.Tx, key(s.DeploymentID).ID(s.ScheduleID))
	if schedule == nil || p == nil || p.Stamp != s.Stamp {
		return false
	}
	p.Through, p.Due = s.Through, s.Due
	store.ScheduleProgresses.Put(c.Tx, p)
	return true
}

// RunsOfSchedule are runs that differ only in their dates.
type RunsOfSchedule struct {
	FlowID        prefect.ID
	Deployment    DeploymentRef // its tags are not those of the runs
	Schedule      prefect.CreatedBy
	Parameters    prefect.JSON
	WorkQueueID   prefect.ID
	WorkQueueName *string
	Block         prefect.ID // the infrastructure document
	Dates         []ScheduledDate
}

func (r *RunsOfSchedule) key(date ScheduledDate) string {
	return "scheduled " + r.Deployment.ID.String() + " " + r.Schedule.ID.String() + " " + date.Text
}

// templateOf is what the runs of a schedule have in common.
func (c *Context) templateOf(d *prefect.Deployment, s *prefect.DeploymentSchedule) (*RunsOfSchedule, error) {
	parameters, err := mergeObjects(d.Parameters, s.Parameters)
	if err != nil {
		return nil, err
	}
	kind, name := "SCHEDULE", kindOfSchedule(s.Schedule)
	if text(s.Slug) != "" {
		name = *s.Slug
	}
	r := &RunsOfSchedule{
		FlowID: d.FlowID, Deployment: *refOfDeployment(d), Parameters: parameters,
		Schedule:    prefect.CreatedBy{ID: s.ID, Type: &kind, DisplayValue: &name},
		WorkQueueID: d.WorkQueueID, WorkQueueName: d.WorkQueueName, Block: d.InfrastructureDocID,
	}
	if queue := store.WorkQueues.Get(c.Tx, key(d.WorkQueueID)); queue != nil {
		r.WorkQueueName = &queue.Name
	}
	return r, nil
}

// kindOfSchedule is the name that the reference has for the kind of a schedule.
func kindOfSchedule(schedule prefect.JSON) string {
	var keys struct {
		Interval prefect.JSON `json:"interval"`
		Cron     prefect.JSON `json:"cron"`
	}
	switch err := prefect.Unmarshal(schedule, &keys); {
	case err == nil && keys.Interval != nil:
		return "IntervalSchedule"
	case err == nil && keys.Cron != nil:
		return "CronSchedule"
	}
	return "RRuleSchedule"
}

// spread says which group makes the runs of which dates.
func (c *Context) spread(r *RunsOfSchedule, dates []ScheduledDate) map[int][]ScheduledDate {
	parts := map[int][]ScheduledDate{}
	for _, date := range dates {
		group := c.Groups.OfSlot(keySlot(r.FlowID, r.key(date)))
		parts[group] = append(parts[group], date)
	}
	return parts
}

// InsertScheduledRuns makes runs of schedules, in the group of their keys. A run that is
// there stays as it is.
type InsertScheduledRuns struct {
	Runs []RunsOfSchedule
}

// Run answers nothing.
func (o *InsertScheduledRuns) Run(c *Context) (any, error) {
	for i := range o.Runs {
		for _, date := range o.Runs[i].Dates {
			c.insertScheduledRun(&o.Runs[i], date)
		}
	}
	return nil, nil
}

// insertScheduledRun makes a run in its first state, past the rules and without an event.
func (c *Context) insertScheduledRun(r *RunsOfSchedule, date ScheduledDate) {
	unique := r.key(date)
	if store.FlowRunsByIdempotencyKey.Has(c.Tx, store.Key{}.ID(r.FlowID).String(unique)) {
		return
	}
	d, schedule := &r.Deployment, r.Schedule
	run := &prefect.FlowRun{
		ID: c.NewID(keySlot(r.FlowID, unique)), Created: c.Now, Updated: c.Now, Name: c.runName(nil),
		FlowID: r.FlowID, DeploymentID: d.ID, DeploymentVersion: d.Version,
		WorkQueueID: r.WorkQueueID, WorkQueueName: r.WorkQueueName, Parameters: r.Parameters, Context: prefect.JSON(`{}`),
		IdempotencyKey: &unique, EmpiricalPolicy: prefect.FlowRunPolicy{PauseKeys: prefect.StringSet{}, Resuming: new(bool)},
		Tags: append([]string{"auto-scheduled"}, d.Tags...), Labels: labelsOfRun(r.FlowID, d),
		ExpectedStartTime: date.Time, NextScheduledStartTime: date.Time, AutoScheduled: true,
		InfrastructureDocumentID: r.Block, CreatedBy: &schedule,
	}
	message := "Flow run scheduled"
	state := c.newState(run.ID, prefect.Scheduled, prefect.Scheduled.Title())
	state.RunID, state.Message, state.Details.ScheduledTime = run.ID, &message, date.Time
	store.FlowRunStates.Put(c.Tx, state)
	run.StateID, run.StateType, run.StateName, run.StateTimestamp = state.ID, state.Type, &state.Name, state.Timestamp
	store.FlowRuns.Put(c.Tx, run)
}

// RemoveScheduledRuns removes the runs of a deployment that have not begun. It is sent in
// the order of what changes the deployment and of the runs that its schedules make.
type RemoveScheduledRuns struct {
	DeploymentID prefect.ID
	Auto         bool         // only those that a schedule made
	After        prefect.Time // only those that are scheduled for later
	Through      prefect.Time // only those expected up to here: the rest of a long list
}

// Run answers nothing. Runs of the future go at once, because their schedule may make
// them anew; of the others there may be many, and they go a step at a time.
func (o *RemoveScheduledRuns) Run(c *Context) (any, error) {
	step := c.deletion()
	for r := range store.FlowRunsByDeployment.Rows(c.Tx, within(key(o.DeploymentID), prefect.Span{To: o.Through}, true)) {
		switch {
		case !o.takes(r):
			continue
		case step.full() && r.ExpectedStartTime <= c.Now:
			rest := *o
			rest.Through = r.ExpectedStartTime
			return nil, c.Send(c.Group, &rest)
		}
		if _, err := c.deleteFlowRun(r, step); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (o *RemoveScheduledRuns) takes(r *prefect.FlowRun) bool {
	return r.StateType == prefect.Scheduled && text(r.StateName) != "AwaitingConcurrencySlot" && r.RunCount == 0 &&
		(r.AutoScheduled || !o.Auto) && (o.After == 0 || r.NextScheduledStartTime > o.After)
}
