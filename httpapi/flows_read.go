package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

func flowReadRoutes() []route {
	return []route{
		{Method: "GET", Path: "/flows/{id}", Kind: read, Handle: readFlow, Doc: "One flow."},
		{Method: "GET", Path: "/flows/name/{name}", Kind: read, Handle: readFlowByName, Doc: "The flow of a name."},
		{Method: "POST", Path: "/flows/filter", Kind: read, Handle: filterFlows, Doc: "Flows by filter."},
		{Method: "POST", Path: "/flows/count", Kind: read, Handle: countFlows, Doc: "The number of flows that match."},
		{Method: "POST", Path: "/flows/paginate", Kind: read, Handle: paginateFlows, Doc: "A page of the flows that match."},
	}
}

// replyWith answers what was read.
func replyWith[T any](c *call) func(T, error) error {
	return func(v T, err error) error {
		if err != nil {
			return err
		}
		return c.reply(200, v)
	}
}

func readFlow(c *call) error {
	return replyWith[*prefect.Flow](c)(ops.Ask[*prefect.Flow](c.ctx, c.backend, ops.Coordination, &ops.ReadFlow{ID: c.id("id")}))
}

func readFlowByName(c *call) error {
	return replyWith[*prefect.Flow](c)(ops.Ask[*prefect.Flow](c.ctx, c.backend, ops.Coordination, &ops.ReadFlowByName{Name: c.param("name")}))
}

func filterFlows(c *call) error {
	var q prefect.FlowsQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	return replyWith[[]*prefect.Flow](c)(ops.ListFlows(c.ctx, c.backend, &q.FlowsScope, q.Sort, limit, offset))
}

func countFlows(c *call) error {
	var q prefect.FlowsCountQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[int](c)(ops.CountFlows(c.ctx, c.backend, &q.FlowsScope))
}

func paginateFlows(c *call) error {
	var q prefect.FlowsPageQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	flows, count, err := ops.PageFlows(c.ctx, c.backend, &q.FlowsScope, q.Sort, limit, offset)
	if err != nil {
		return err
	}
	return c.reply(200, prefect.NewPage(flows, count, limit, q.Page))
}
