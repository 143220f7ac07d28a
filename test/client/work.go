package client

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// NewDeployment is what a deployment is made of, as far as tests need it.
type NewDeployment struct {
	Name     string           `json:"name"`
	FlowID   string           `json:"flow_id"`
	Pool     *string          `json:"work_pool_name"`
	Paused   bool             `json:"paused"`
	Schedule []map[string]any `json:"schedules"`
	// EnforceSchema and Parameters are sent as the stock client does.
	EnforceSchema bool           `json:"enforce_parameter_schema"`
	Parameters    map[string]any `json:"parameters"`
	Tags          []string       `json:"tags"`
}

// Every is a schedule in a deployment that is due at an interval.
func Every(interval time.Duration, anchor time.Time) map[string]any {
	return map[string]any{"active": true, "schedule": map[string]any{"interval": interval.Seconds(), "anchor_date": Stamp(anchor), "timezone": "UTC"}}
}

// Cron is a schedule in a deployment.
func Cron(line string) map[string]any {
	return map[string]any{"active": true, "schedule": map[string]any{"cron": line, "timezone": "Europe/Berlin", "day_or": true}}
}

// RRule is a schedule in a deployment.
func RRule(rule string) map[string]any {
	return map[string]any{"active": true, "schedule": map[string]any{"rrule": rule, "timezone": "America/New_York"}}
}

// CreatePool makes a work pool for process workers.
func (c *Client) CreatePool(ctx context.Context, name string) error {
	return c.Call(ctx, http.MethodPost, "/work_pools/", map[string]any{"name": name, "type": "process", "base_job_template": map[string]any{}}, nil)
}

// CreateDeployment makes a deployment and answers its id.
func (c *Client) CreateDeployment(ctx context.Context, d NewDeployment) (id string, err error) {
	if d.Tags == nil {
		d.Tags = []string{}
	}
	if d.Parameters == nil {
		d.Parameters = map[string]any{}
	}
	if d.Schedule == nil {
		d.Schedule = []map[string]any{}
	}
	var made struct {
		ID string `json:"id"`
	}
	err = c.Call(ctx, http.MethodPost, "/deployments/", d, &made)
	if err == nil && made.ID == "" {
		err = fmt.Errorf("a deployment without an id")
	}
	return made.ID, err
}

// ScheduleRuns makes the runs of a deployment that are due between two times.
func (c *Client) ScheduleRuns(ctx context.Context, deployment string, from, to time.Time, most int) error {
	return c.Call(ctx, http.MethodPost, "/deployments/"+deployment+"/schedule",
		map[string]any{"start_time": Stamp(from), "end_time": Stamp(to), "max_runs": most}, nil)
}

// PollPool asks for the runs of a pool that are due before a time, as a worker does.
func (c *Client) PollPool(ctx context.Context, pool string, before time.Time, limit int) (runs int, err error) {
	var found []struct {
		FlowRun struct {
			ID string `json:"id"`
		} `json:"flow_run"`
	}
	err = c.Call(ctx, http.MethodPost, "/work_pools/"+pool+"/get_scheduled_flow_runs",
		map[string]any{"work_queue_names": []string{}, "scheduled_before": Stamp(before), "limit": limit}, &found)
	return len(found), err
}

// CountRuns counts the flow runs in a type of state.
func (c *Client) CountRuns(ctx context.Context, stateType string) (n int, err error) {
	filter := map[string]any{"flow_runs": map[string]any{"state": map[string]any{"type": map[string]any{"any_": []string{stateType}}}}}
	return n, c.Call(ctx, http.MethodPost, "/flow_runs/count", filter, &n)
}

// StartTimes answers when the runs of a deployment are expected to start, the earliest
// first; at most 200.
func (c *Client) StartTimes(ctx context.Context, deployment string) (times []time.Time, err error) {
	var runs []struct {
		Expected time.Time `json:"expected_start_time"`
	}
	err = c.Call(ctx, http.MethodPost, "/flow_runs/filter", map[string]any{
		"deployments": map[string]any{"id": map[string]any{"any_": []string{deployment}}}, "sort": "EXPECTED_START_TIME_ASC", "limit": 200,
	}, &runs)
	for _, run := range runs {
		times = append(times, run.Expected)
	}
	return times, err
}
