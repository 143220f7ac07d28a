package ops

import (
	"prefectd/prefect"
	"prefectd/store"
)

// reschedule has the runs of all schedules of a deployment made anew, as far as they are
// active.
func (c *Context) reschedule(d *prefect.Deployment) {
	c.forgetProgress(d.ID)
	for _, s := range d.Schedules {
		c.restart(d, s)
	}
}

// restart has the runs of a schedule made from now on.
func (c *Context) restart(d *prefect.Deployment, s *prefect.DeploymentSchedule) {
	if d.Paused || !s.Active {
		return
	}
	store.ScheduleProgresses.Put(c.Tx, &store.ScheduleProgress{
		DeploymentID: d.ID, ScheduleID: s.ID, Stamp: c.freshID(), Due: c.Now,
	})
}

// forgetProgress drops what is known of the schedules of a deployment.
func (c *Context) forgetProgress(deployment prefect.ID) {
	for p := range store.ScheduleProgresses.Rows(c.Tx, store.Range{Prefix: key(deployment)}) {
		store.ScheduleProgresses.Delete(c.Tx, store.ScheduleProgresses.Key(p))
	}
}
