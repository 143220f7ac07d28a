package ops

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/prefect/schedules"
	"prefectd/store"
)

// newDeployment makes a deployment of a flow of its own, with schedules.
func (c *testCluster) newDeployment(list ...string) *prefect.Deployment {
	body := prefect.DeploymentCreate{Name: "deployment", FlowID: c.newFlow().ID, Parameters: prefect.JSON(`{"a":1,"b":2}`)}
	body.Tags = prefect.Opt[[]string]{Set: true, Value: []string{"tag"}}
	for _, s := range list {
		body.Schedules = append(body.Schedules, prefect.DeploymentScheduleCreate{Active: true, Schedule: prefect.JSON(s), Parameters: prefect.JSON(`{"b":3}`)})
	}
	made, err := NewDeployment(c.t.Context(), c, &CreateDeployment{Body: body})
	require.NoError(c.t, err)
	return made.Object
}

// scheduleRound has the scheduler do one round, and what it sends arrive.
func (c *testCluster) scheduleRound(b Backend) error {
	_, err := scheduleDue(c.t.Context(), b, Coordination)
	require.NoError(c.t, c.Settle(c.t.Context(), Coordination))
	return err
}

// runsOf reads the runs of a deployment, by their expected start.
func (c *testCluster) runsOf(d prefect.ID) []*prefect.FlowRun {
	runs, err := ListFlowRuns(c.t.Context(), c, &prefect.FlowRunsScope{FlowsScope: prefect.FlowsScope{
		Deployments: &prefect.DeploymentFilter{ID: &prefect.FilterIDNot{Any: []prefect.ID{d}}},
	}}, prefect.FlowRunExpectedStartAsc, 100_000, 0)
	require.NoError(c.t, err)
	return runs
}

// restless is a cluster in which a leader now and then goes while it schedules: what it
// did is done again, or nobody learns that it was done.
type restless struct {
	*testCluster
	random *rand.Rand
}

var errGone = errors.New("the leader is gone")

func (r *restless) Do(ctx context.Context, group int, op Operation) (any, error) {
	if _, ok := op.(*ScheduleRuns); !ok {
		return r.testCluster.Do(ctx, group, op)
	}
	switch r.random.IntN(10) {
	case 0:
		return nil, errGone
	case 1:
		if _, err := r.testCluster.Do(ctx, group, op); err != nil {
			return nil, err
		}
		return nil, errGone
	case 2:
		if _, err := r.testCluster.Do(ctx, group, op); err != nil {
			return nil, err
		}
	}
	return r.testCluster.Do(ctx, group, op)
}

// Over days, with leaders that go, there is one run for each date of every schedule, and
// it is there before its date.
func TestEachDateHasOneRun(t *testing.T) {
	c := newTestCluster(t, 3)
	r := &restless{c, rand.New(rand.NewPCG(7, 7))}
	start := c.Now()
	lists := [][]string{
		{`{"interval":600,"anchor_date":"2027-01-01T00:00:00Z","timezone":"UTC"}`},
		{`{"interval":86400,"anchor_date":"2027-01-01T05:00:00Z","timezone":"America/New_York"}`, `{"cron":"*/7 * * * *","timezone":null,"day_or":true}`},
		{`{"cron":"30 6 * * *","timezone":"Europe/Berlin","day_or":true}`},
		{`{"rrule":"DTSTART:20270102T000000\nFREQ=HOURLY;INTERVAL=5","timezone":"Asia/Tokyo"}`},
		{`{"rrule":"DTSTART:20270103T000000\nFREQ=DAILY;COUNT=2","timezone":"UTC"}`},
		{`{"cron":"0 0 1 7 *","timezone":null,"day_or":true}`},
		{`{"interval":90,"anchor_date":"2027-01-01T00:00:00Z","timezone":"UTC"}`},
	}
	var all []*prefect.Deployment
	for _, list := range lists {
		all = append(all, c.newDeployment(list...))
	}
	for end := start.Add(2 * prefect.Day); c.Now() < end; {
		if err := c.scheduleRound(r); err != nil {
			require.ErrorIs(t, err, errGone)
		}
		c.advance(prefect.Duration(5+r.random.IntN(300)) * prefect.Second)
	}
	require.NoError(t, c.scheduleRound(c))
	for _, d := range all {
		got := map[string]int{}
		for _, run := range c.runsOf(d.ID) {
			got[*run.IdempotencyKey]++
			require.LessOrEqual(t, run.Created, run.ExpectedStartTime, "made before it is due")
		}
		want := map[string]int{}
		for _, s := range d.Schedules {
			p := view(c, Coordination, func(tx *store.Tx) *store.ScheduleProgress {
				return store.ScheduleProgresses.Get(tx, key(d.ID).ID(s.ID))
			})
			schedule, err := schedules.Parse(s.Schedule)
			require.NoError(t, err)
			for at := start; at <= max(p.Through, c.Now()); {
				dates, err := schedule.Dates(0, at, max(p.Through, c.Now()))
				require.NoError(t, err)
				if len(dates) == 0 {
					break
				}
				for _, date := range dates {
					want[fmt.Sprintf("scheduled %s %s %s", d.ID, s.ID, date)] = 1
					at = date.Time + 1
				}
			}
		}
		require.Equal(t, want, got, string(d.Schedules[0].Schedule))
	}
}

func TestRunsOfASchedule(t *testing.T) {
	c := newTestCluster(t, 2)
	d := c.newDeployment(`{"cron":"0 * * * *","timezone":"America/New_York","day_or":true}`)
	require.NoError(t, c.scheduleRound(c))
	runs := c.runsOf(d.ID)
	require.Len(t, runs, 3)
	run := runs[0]
	require.Equal(t, at("2027-01-02T04:00:00Z"), run.ExpectedStartTime)
	require.Equal(t, run.ExpectedStartTime, run.NextScheduledStartTime)
	require.Equal(t, run.ExpectedStartTime, run.State.Details.ScheduledTime)
	require.Equal(t, fmt.Sprintf("scheduled %s %s 2027-01-01 23:00:00-05:00", d.ID, d.Schedules[0].ID), *run.IdempotencyKey)
	require.Equal(t, []string{"auto-scheduled", "tag"}, run.Tags)
	require.JSONEq(t, `{"a":1,"b":3}`, string(run.Parameters))
	require.Equal(t, "CronSchedule", *run.CreatedBy.DisplayValue)
	require.Equal(t, "Flow run scheduled", *run.State.Message)
	require.True(t, run.AutoScheduled)

	// What was deleted by hand does not come back.
	require.NoError(t, RemoveFlowRun(t.Context(), c, run.ID))
	c.advance(prefect.Minute)
	require.NoError(t, c.scheduleRound(c))
	require.Len(t, c.runsOf(d.ID), 2)

	// A change has them made anew, a pause removes them.
	require.NoError(t, ChangeDeployment(t.Context(), c, &UpdateDeployment{ID: d.ID, Update: prefect.DeploymentUpdate{
		DeploymentFields:       prefect.DeploymentFields{Tags: prefect.Opt[[]string]{Set: true, Value: []string{"other"}}},
		EnforceParameterSchema: prefect.Opt[*bool]{Set: true, Value: new(bool)},
	}}))
	require.Empty(t, c.runsOf(d.ID))
	require.NoError(t, c.scheduleRound(c))
	runs = c.runsOf(d.ID)
	require.Len(t, runs, 3)
	require.Equal(t, []string{"auto-scheduled", "other"}, runs[0].Tags)
	require.NoError(t, ChangeDeployment(t.Context(), c, &PauseDeployment{ID: d.ID, Paused: true}))
	c.advance(prefect.Hour)
	require.NoError(t, c.scheduleRound(c))
	require.Empty(t, c.runsOf(d.ID))
	require.NoError(t, ChangeDeployment(t.Context(), c, &PauseDeployment{ID: d.ID}))
	require.NoError(t, c.scheduleRound(c))
	require.Len(t, c.runsOf(d.ID), 3)
}

// Dates that were computed before a schedule went, or changed, have no runs.
func TestDatesOfAScheduleThatIsGone(t *testing.T) {
	for name, change := range map[string]func(d *prefect.Deployment) Operation{
		"deleted": func(d *prefect.Deployment) Operation {
			return &DeleteSchedule{DeploymentID: d.ID, ScheduleID: d.Schedules[0].ID}
		},
		"changed": func(d *prefect.Deployment) Operation {
			return &UpdateSchedule{DeploymentID: d.ID, ScheduleID: d.Schedules[0].ID}
		},
		"paused":     func(d *prefect.Deployment) Operation { return &PauseDeployment{ID: d.ID, Paused: true} },
		"without it": func(d *prefect.Deployment) Operation { return &DeleteDeployment{ID: d.ID} },
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestCluster(t, 1)
			d := c.newDeployment(`{"cron":"0 * * * *","timezone":null,"day_or":true}`)
			due, err := Ask[[]DueSchedule](t.Context(), c, Coordination, &FindDueSchedules{Now: c.Now(), Limit: 10})
			require.NoError(t, err)
			require.Len(t, due, 1)
			dates, err := c.settings.Scheduler.next(&due[0], c.Now())
			require.NoError(t, err)
			require.Len(t, dates.Dates, 3)
			require.NoError(t, ChangeDeployment(t.Context(), c, change(d)))
			require.Zero(t, must[int](c, Coordination, &ScheduleRuns{Schedules: []ScheduledDates{dates}}))
			require.NoError(t, c.Settle(t.Context(), Coordination))
			require.Zero(t, view(c, 1, func(tx *store.Tx) int { return store.FlowRuns.Count(tx, store.Range{}) }))
		})
	}
}

func BenchmarkScheduler(b *testing.B) {
	c := newTestCluster(b, 4)
	for range 10_000 {
		c.newDeployment(`{"cron":"0 * * * *","timezone":null,"day_or":true}`)
	}
	b.Run("all are due", func(b *testing.B) {
		for range b.N {
			c.advance(2 * prefect.Hour)
			_, err := scheduleDue(b.Context(), c, Coordination)
			require.NoError(b, err)
		}
	})
	b.Run("none is due", func(b *testing.B) {
		for range b.N {
			_, err := scheduleDue(b.Context(), c, Coordination)
			require.NoError(b, err)
		}
	})
}
