package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

func flowRunReadRoutes() []route {
	return []route{
		{Method: "GET", Path: "/flow_runs/{id}", Kind: read, Handle: readFlowRun, Doc: "One flow run."},
		{Method: "POST", Path: "/flow_runs/filter", Kind: read, Handle: filterFlowRuns, Doc: "Flow runs by filter."},
		{Method: "POST", Path: "/flow_runs/count", Kind: read, Handle: countFlowRuns, Doc: "The number of flow runs that match."},
		{Method: "POST", Path: "/flow_runs/paginate", Kind: read, Handle: paginateFlowRuns, Doc: "A page of the flow runs that match."},
		{Method: "POST", Path: "/flow_runs/history", Kind: read, Handle: flowRunHistory, Doc: "Flow runs by interval and state."},
		{Method: "POST", Path: "/flow_runs/lateness", Kind: read, Handle: flowRunLateness, Doc: "The mean lateness of the flow runs that match."},
		{Method: "GET", Path: "/flow_runs/{id}/graph", Kind: read, Handle: flowRunDependencies, Doc: "The task runs of a flow run and what they depend on."},
		{Method: "GET", Path: "/flow_runs/{id}/graph-v2", Kind: read, Handle: flowRunGraph, Doc: "What a flow run did, as a graph."},
		{Method: "POST", Path: "/flow_runs/{id}/input", Kind: write, Handle: createInput, Doc: "Store an input of a flow run."},
		{Method: "POST", Path: "/flow_runs/{id}/input/filter", Kind: read, Handle: filterInputs, Doc: "Inputs of a flow run by key."},
		{Method: "GET", Path: "/flow_runs/{id}/input/{key}", Kind: read, Handle: readInput, Doc: "The value of an input."},
		{Method: "DELETE", Path: "/flow_runs/{id}/input/{key}", Kind: write, Handle: deleteInput, Doc: "Delete an input."},
	}
}

// home is the run group of the flow run in the path.
func (c *call) home() int { return c.backend.Groups().Of(c.id("id")) }

func readFlowRun(c *call) error {
	return replyWith[*prefect.FlowRun](c)(ops.LookUpFlowRun(c.ctx, c.backend, c.id("id")))
}

func filterFlowRuns(c *call) error {
	var q prefect.FlowRunsQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	return replyWith[[]*prefect.FlowRun](c)(ops.ListFlowRuns(c.ctx, c.backend, &q.FlowRunsScope, q.Sort, limit, offset))
}

func countFlowRuns(c *call) error {
	var q prefect.FlowRunsCountQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[int](c)(ops.CountFlowRuns(c.ctx, c.backend, &q.FlowRunsScope))
}

func paginateFlowRuns(c *call) error {
	var q prefect.FlowRunsPageQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	runs, count, err := ops.PageFlowRuns(c.ctx, c.backend, &q.FlowRunsScope, q.Sort, limit, offset)
	if err != nil {
		return err
	}
	return c.reply(200, prefect.NewPage(runs, count, limit, q.Page))
}

func flowRunHistory(c *call) error {
	var q prefect.FlowRunsHistoryQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	scope := q.Scope()
	return replyWith[prefect.History](c)(ops.FlowRunHistory(c.ctx, c.backend, &scope, q.HistoryRange))
}

func flowRunLateness(c *call) error {
	var q prefect.FlowRunsCountQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[*prefect.Float](c)(ops.AverageLateness(c.ctx, c.backend, &q.FlowRunsScope))
}

func flowRunDependencies(c *call) error {
	return replyWith[[]ops.Dependency](c)(ops.Ask[[]ops.Dependency](c.ctx, c.backend, c.home(), &ops.ReadDependencies{RunID: c.id("id")}))
}

func flowRunGraph(c *call) error {
	var q struct {
		_     struct{}     `check:"params"`
		Since prefect.Time `json:"since"`
	}
	if err := c.query(&q); err != nil {
		return err
	}
	return replyWith[*ops.Graph](c)(ops.ReadGraph(c.ctx, c.backend, c.id("id"), q.Since))
}

func createInput(c *call) error {
	op := &ops.CreateInput{RunID: c.id("id")}
	if err := c.decode(&op.Body); err != nil {
		return err
	}
	if _, err := c.backend.Do(c.ctx, c.home(), op); err != nil {
		return err
	}
	return c.reply(201, nil)
}

func filterInputs(c *call) error {
	q := &ops.FilterInputs{RunID: c.id("id")}
	if err := c.decode(&q.Body); err != nil {
		return err
	}
	return replyWith[[]*prefect.FlowRunInput](c)(ops.Ask[[]*prefect.FlowRunInput](c.ctx, c.backend, c.home(), q))
}

func readInput(c *call) error {
	q := &ops.ReadInput{RunID: c.id("id"), Key: c.param("key")}
	in, err := ops.Ask[*prefect.FlowRunInput](c.ctx, c.backend, c.home(), q)
	if err != nil {
		return err
	}
	return c.text(200, "text/plain; charset=utf-8", []byte(in.Value))
}

func deleteInput(c *call) error {
	return c.done(c.backend.Do(c.ctx, c.home(), &ops.DeleteInput{RunID: c.id("id"), Key: c.param("key")}))
}
