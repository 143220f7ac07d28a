package ops

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"prefectd/prefect"
	"prefectd/prefect/schedules"
	"prefectd/store"
)

// The scheduler makes the runs of schedules some time before they are due. Of each active
// schedule there is a small row with the time when more runs are to be made, so that a
// round reads what is due and nothing else. Dates are computed outside of operations; the
// operation then looks whether the schedule is still what they were computed for.

// Scheduler are the settings of the service that makes the runs of schedules.
type Scheduler struct {
	Rounds                           // Every is from one look at a schedule to the next
	Recent          prefect.Duration // PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS: until a change is seen
	DeploymentBatch int              // PREFECT_SERVER_SERVICES_SCHEDULER_DEPLOYMENT_BATCH_SIZE: schedules of one step
	InsertBatch     int              // PREFECT_SERVER_SERVICES_SCHEDULER_INSERT_BATCH_SIZE: runs of one step
	MinRuns         int              // PREFECT_SERVER_SERVICES_SCHEDULER_MIN_RUNS: of a schedule ahead, at least
	MaxRuns         int              // PREFECT_SERVER_SERVICES_SCHEDULER_MAX_RUNS: and at most
	MinTime         prefect.Duration // PREFECT_SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME: how far ahead the last run is, at least
	MaxTime         prefect.Duration // PREFECT_SERVER_SERVICES_SCHEDULER_MAX_SCHEDULED_TIME: and at most
}

func defaultScheduler() Scheduler {
	return Scheduler{
		Rounds: Rounds{Enabled: true, Every: prefect.Minute}, Recent: 5 * prefect.Second, DeploymentBatch: 100, InsertBatch: 500,
		MinRuns: 3, MaxRuns: 100, MinTime: prefect.Hour, MaxTime: 100 * prefect.Day,
	}
}

var scheduler = Service{
	Name: "scheduler", Coordination: true,
	Enabled: func(s *Settings) bool { return s.Scheduler.Enabled },
	Every:   func(s *Settings) prefect.Duration { return min(s.Scheduler.Every, s.Scheduler.Recent) },
	Round:   scheduleDue,
}

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

// DueSchedule is a schedule of which more runs are to be made.
type DueSchedule struct {
	Progress store.ScheduleProgress
	Schedule prefect.JSON
}

// FindDueSchedules finds the schedules of which more runs are to be made.
type FindDueSchedules struct {
	Now   prefect.Time
	Limit int
}

// schedulesColumn is the column of deployments with their schedules.
var schedulesColumn = prefect.ColumnSet(9)

// Read answers a []DueSchedule, the longest due first.
func (q *FindDueSchedules) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	due := []DueSchedule{}
	var d prefect.Deployment
	read := store.Deployments.Project(idColumn | schedulesColumn)
	for p := range store.ScheduleProgressByDue.Rows(tx, within(nil, prefect.Span{To: q.Now}, false)) {
		if d.ID != p.DeploymentID {
			d = prefect.Deployment{}
			read.Row(tx, key(p.DeploymentID), &d)
		}
		one := DueSchedule{Progress: *p}
		if s := scheduleOf(&d, p.ScheduleID); s != nil {
			one.Schedule = s.Schedule
		}
		if due = append(due, one); len(due) >= q.Limit {
			break
		}
	}
	return due, nil
}

// scheduleOf is the schedule of a deployment with an id; nil if there is none.
func scheduleOf(d *prefect.Deployment, id prefect.ID) *prefect.DeploymentSchedule {
	i := slices.IndexFunc(d.Schedules, func(s *prefect.DeploymentSchedule) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return d.Schedules[i]
}

// scheduleDue makes the runs of all schedules that are due.
func scheduleDue(ctx context.Context, b Backend, _ int) (made int, err error) {
	s, now := &b.Settings().Scheduler, b.Now()
	var broken []error
	for {
		due, err := Ask[[]DueSchedule](ctx, b, Coordination, &FindDueSchedules{Now: now, Limit: s.DeploymentBatch})
		if err != nil {
			return made, err
		}
		op := &ScheduleRuns{}
		for i, one := range due {
			dates, err := s.next(&one, now)
			if err != nil {
				broken = append(broken, fmt.Errorf("deployment %s: schedule %s: %w", one.Progress.DeploymentID, one.Progress.ScheduleID, err))
			}
			op.Schedules = append(op.Schedules, dates)
			if op.runs() < s.InsertBatch && i < len(due)-1 {
				continue
			}
			n, err := Do[int](ctx, b, Coordination, op)
			if made += n; err != nil {
				return made, err
			}
			op = &ScheduleRuns{}
		}
		if len(due) < max(s.DeploymentBatch, 1) {
			return made, errors.Join(broken...)
		}
	}
}

// next computes for which dates of a schedule runs are to be made now, and when to look at
// it again. Of a schedule that cannot tell its dates it is the next day.
func (s *Scheduler) next(due *DueSchedule, now prefect.Time) (ScheduledDates, error) {
	p := due.Progress
	answer := ScheduledDates{DeploymentID: p.DeploymentID, ScheduleID: p.ScheduleID, Stamp: p.Stamp, Through: p.Through}
	schedule, err := schedules.Parse(due.Schedule)
	var ahead []schedules.Date
	if err == nil {
		ahead, err = s.ahead(schedule, now, now.Add(s.MaxTime))
	}
	if err != nil && len(ahead) == 0 {
		answer.Due = now.Add(prefect.Day)
		return answer, err
	}
	for _, date := range ahead {
		if date.Time > p.Through {
			answer.Dates = append(answer.Dates, ScheduledDate{date.Time, date.String()})
			answer.Through = date.Time
		}
	}
	answer.Due = s.again(schedule, ahead, now)
	return answer, nil
}

// ahead are the dates from start to end of which there are to be runs: the first ones,
// until there are enough and they reach far enough.
func (s *Scheduler) ahead(schedule schedules.Schedule, start, end prefect.Time) ([]schedules.Date, error) {
	if s.MaxRuns <= 0 {
		return nil, nil
	}
	for n := max(s.MinRuns, 4); ; n *= 4 {
		n = min(n, s.MaxRuns)
		dates, err := schedule.Dates(n, start, end)
		for i := range dates {
			if s.suffice(dates[:i+1], start) {
				return dates[:i+1], nil
			}
		}
		if err != nil || len(dates) < n || n == s.MaxRuns {
			return dates, err
		}
	}
}

// suffice reports whether runs at some dates are enough, and reach far enough.
func (s *Scheduler) suffice(dates []schedules.Date, start prefect.Time) bool {
	return len(dates) >= s.MinRuns && dates[len(dates)-1].Time >= start.Add(s.MinTime)
}

// again is when a schedule of which there are runs at some dates is to be looked at again:
// when they are too few or do not reach far enough any more; null for never.
func (s *Scheduler) again(schedule schedules.Schedule, ahead []schedules.Date, now prefect.Time) prefect.Time {
	if len(ahead) == 0 || len(ahead) < s.MaxRuns && !s.suffice(ahead, now) {
		return s.laterDate(schedule, now)
	}
	last := ahead[len(ahead)-1].Time
	due := last.Add(-s.MinTime)
	if n := len(ahead) - s.MinRuns; n >= 0 && n < len(ahead) {
		due = min(due, ahead[n].Time)
	}
	// Not before the service would look at it anyway, but while some of them are left.
	return max(due, now.Add(max(min(s.Every, last.Sub(now)/2), prefect.Millisecond)))
}

// laterDate is when the first date comes into view that is too far ahead now.
func (s *Scheduler) laterDate(schedule schedules.Schedule, now prefect.Time) prefect.Time {
	later, err := schedule.Dates(1, now.Add(s.MaxTime+1), 0)
	if err != nil || len(later) == 0 {
		return 0
	}
	return max(later[0].Time.Add(-s.MaxTime), now.Add(s.Every))
}

// ScheduleNow makes the runs of the active schedules of a deployment in some span of time,
// and returns when they are there. An unknown deployment has none.
func ScheduleNow(ctx context.Context, b Backend, id prefect.ID, q *prefect.ScheduleNow) error {
	s := b.Settings().Scheduler
	start := q.StartTime
	if start.IsNull() {
		start = b.Now()
	}
	end := q.EndTime
	if end.IsNull() {
		end = start.Add(s.MaxTime)
	}
	override(&s.MinRuns, q.MinRuns)
	override(&s.MaxRuns, q.MaxRuns)
	if q.MinTime != nil {
		s.MinTime = prefect.SecondsOf(*q.MinTime)
	}
	list, err := Ask[[]*prefect.DeploymentSchedule](ctx, b, Coordination, &ReadSchedules{DeploymentID: id})
	var refusal *Error
	if errors.As(err, &refusal) && refusal.Status == 404 {
		return nil
	}
	if err != nil {
		return err
	}
	op := &ScheduleRuns{}
	for _, one := range list {
		if !one.Active {
			continue
		}
		dates := ScheduledDates{DeploymentID: id, ScheduleID: one.ID, Updated: one.Updated}
		schedule, err := schedules.Parse(one.Schedule)
		if err != nil {
			return err
		}
		ahead, err := s.ahead(schedule, start, end)
		if err != nil {
			return Unprocessable(err.Error())
		}
		for _, date := range ahead {
			dates.Dates = append(dates.Dates, ScheduledDate{date.Time, date.String()})
		}
		op.Schedules = append(op.Schedules, dates)
	}
	return ChangeDeployment(ctx, b, op)
}

func override[T any](dst *T, by *T) {
	if by != nil {
		*dst = *by
	}
}
