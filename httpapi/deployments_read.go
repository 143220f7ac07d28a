package httpapi

import (
	"context"

	"prefectd/ops"
	"prefectd/prefect"
)

func deploymentReadRoutes() []route {
	return []route{
		{Method: "GET", Path: "/deployments/{id}", Kind: read, Handle: readDeployment, Doc: "One deployment."},
		{Method: "GET", Path: "/deployments/name/{flow_name}/{deployment_name}", Kind: read, Handle: readDeploymentByName, Doc: "The deployment of a name."},
		{Method: "POST", Path: "/deployments/filter", Kind: read, Handle: filterDeployments, Doc: "Deployments by filter."},
		{Method: "POST", Path: "/deployments/count", Kind: read, Handle: countDeployments, Doc: "The number of deployments that match."},
		{Method: "POST", Path: "/deployments/paginate", Kind: read, Handle: paginateDeployments, Doc: "A page of the deployments that match."},
		{Method: "POST", Path: "/deployments/get_scheduled_flow_runs", Kind: read, Handle: pollDeployments, Doc: "The scheduled runs of some deployments."},
		{Method: "GET", Path: "/deployments/{id}/schedules", Kind: read, Handle: readSchedules, Doc: "The schedules of a deployment."},
		{Method: "GET", Path: "/deployments/{id}/work_queue_check", Kind: read, Handle: checkQueues, Doc: "The work queues that take a deployment."},
	}
}

func readDeployment(c *call) error {
	return replyWith[*prefect.Deployment](c)(ops.Ask[*prefect.Deployment](c.ctx, c.backend, ops.Coordination, &ops.ReadDeployment{ID: c.id("id")}))
}

func readDeploymentByName(c *call) error {
	return replyWith[*prefect.Deployment](c)(ops.Ask[*prefect.Deployment](c.ctx, c.backend, ops.Coordination,
		&ops.ReadDeploymentByName{Flow: c.param("flow_name"), Name: c.param("deployment_name")}))
}

func filterDeployments(c *call) error {
	var q prefect.DeploymentsQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	return replyWith[[]*prefect.Deployment](c)(ops.ListDeployments(c.ctx, c.backend, &q.DeploymentsScope, q.Sort, limit, offset))
}

func countDeployments(c *call) error {
	var q prefect.DeploymentsCountQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[int](c)(ops.CountDeployments(c.ctx, c.backend, &q.DeploymentsScope))
}

func paginateDeployments(c *call) error {
	var q prefect.DeploymentsPageQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	list, count, err := ops.PageDeployments(c.ctx, c.backend, &q.DeploymentsScope, q.Sort, limit, offset)
	if err != nil {
		return err
	}
	return c.reply(200, prefect.NewPage(list, count, limit, q.Page))
}

func pollDeployments(c *call) error {
	var q prefect.ScheduledRunsQuery
	limit, _, err := c.window(&q)
	if err != nil {
		return err
	}
	runs, err := ops.ScheduledRuns(c.ctx, c.backend, &q, limit)
	if err != nil {
		return err
	}
	c.later("note a poll", func(ctx context.Context) error {
		_, err := c.backend.Do(ctx, ops.Coordination, &ops.MarkPolled{Deployments: q.DeploymentIDs})
		return err
	})
	return c.reply(200, runs)
}

func readSchedules(c *call) error {
	return replyWith[[]*prefect.DeploymentSchedule](c)(ops.Ask[[]*prefect.DeploymentSchedule](c.ctx, c.backend, ops.Coordination,
		&ops.ReadSchedules{DeploymentID: c.id("id")}))
}

// coreQueue leaves out of a work queue what only its own routes tell.
type coreQueue struct {
	*prefect.WorkQueue
	WorkPoolName *string `json:"work_pool_name,omitzero"`
	Status       *string `json:"status,omitzero"`
	ActiveSlots  *int    `json:"active_slots,omitzero"`
}

func checkQueues(c *call) error {
	queues, err := ops.Ask[[]*prefect.WorkQueue](c.ctx, c.backend, ops.Coordination, &ops.CheckQueues{DeploymentID: c.id("id")})
	if err != nil {
		return err
	}
	answer := make([]coreQueue, len(queues))
	for i, q := range queues {
		answer[i] = coreQueue{WorkQueue: q}
	}
	return c.reply(200, answer)
}
