package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

func taskRunReadRoutes() []route {
	return []route{
		{Method: "GET", Path: "/task_runs/{id}", Kind: read, Handle: readTaskRun, Doc: "One task run."},
		{Method: "POST", Path: "/task_runs/filter", Kind: read, Handle: filterTaskRuns, Doc: "Task runs by filter."},
		{Method: "POST", Path: "/task_runs/count", Kind: read, Handle: countTaskRuns, Doc: "The number of task runs that match."},
		{Method: "POST", Path: "/task_runs/paginate", Kind: read, Handle: paginateTaskRuns, Doc: "A page of the task runs that match."},
		{Method: "POST", Path: "/task_runs/history", Kind: read, Handle: taskRunHistory, Doc: "Task runs by interval and state."},
	}
}

func readTaskRun(c *call) error {
	_, task, err := ops.FindTaskRun(c.ctx, c.backend, c.id("id"))
	if err != nil {
		return err
	}
	if task == nil {
		return ops.NotFound("Task not found")
	}
	return c.reply(200, task)
}

func filterTaskRuns(c *call) error {
	var q prefect.TaskRunsQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	return replyWith[[]*prefect.TaskRun](c)(ops.ListTaskRuns(c.ctx, c.backend, &q.TaskRunsScope, q.Sort, limit, offset))
}

func countTaskRuns(c *call) error {
	var q prefect.TaskRunsCountQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[int](c)(ops.CountTaskRuns(c.ctx, c.backend, &q.TaskRunsScope))
}

// taskRunOfPage is a task run as pages show it: with less than elsewhere.
type taskRunOfPage struct {
	ID                      prefect.ID            `json:"id"`
	Created                 prefect.Time          `json:"created"`
	Updated                 prefect.Time          `json:"updated"`
	Name                    string                `json:"name"`
	FlowRunID               prefect.ID            `json:"flow_run_id"`
	TaskKey                 string                `json:"task_key"`
	StateID                 prefect.ID            `json:"state_id"`
	State                   *prefect.State        `json:"state"`
	TaskVersion             *string               `json:"task_version"`
	TaskInputs              prefect.TaskInputs    `json:"task_inputs"`
	EmpiricalPolicy         prefect.TaskRunPolicy `json:"empirical_policy"`
	Tags                    []string              `json:"tags"`
	StartTime               prefect.Time          `json:"start_time"`
	EndTime                 prefect.Time          `json:"end_time"`
	TotalRunTime            prefect.Duration      `json:"total_run_time"`
	EstimatedRunTime        prefect.Duration      `json:"estimated_run_time"`
	EstimatedStartTimeDelta prefect.Duration      `json:"estimated_start_time_delta"`
}

func paginateTaskRuns(c *call) error {
	var q prefect.TaskRunsPageQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	runs, count, err := ops.PageTaskRuns(c.ctx, c.backend, &q.TaskRunsScope, q.Sort, limit, offset)
	if err != nil {
		return err
	}
	rows := make([]taskRunOfPage, len(runs))
	for i, r := range runs {
		rows[i] = taskRunOfPage{
			r.ID, r.Created, r.Updated, r.Name, r.FlowRunID, r.TaskKey, r.StateID, r.State, r.TaskVersion, r.TaskInputs,
			r.EmpiricalPolicy, r.Tags, r.StartTime, r.EndTime, r.TotalRunTime, r.EstimatedRunTime, r.EstimatedStartTimeDelta,
		}
	}
	return c.reply(200, prefect.NewPage(rows, count, limit, q.Page))
}

func taskRunHistory(c *call) error {
	var q prefect.TaskRunsHistoryQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[prefect.History](c)(ops.TaskRunHistory(c.ctx, c.backend, &q.TaskRunsScope, q.HistoryRange))
}
