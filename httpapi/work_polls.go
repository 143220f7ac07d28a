package httpapi

import (
	"context"

	"prefectd/ops"
	"prefectd/prefect"
)

// workPollRoutes are those by which workers get runs, and that tell how work goes.
func workPollRoutes() []route {
	return []route{
		{Method: "POST", Path: "/work_pools/{name}/get_scheduled_flow_runs", Kind: read, Handle: pollPool, Doc: "The scheduled runs that a worker may start."},
		{Method: "POST", Path: "/work_queues/{id}/get_runs", Kind: read, Handle: pollQueue, Doc: "The scheduled runs of one work queue."},
		{Method: "POST", Path: "/work_pools/{name}/concurrency_status", Kind: read, Handle: slotsOfPool, Doc: "Who occupies the slots of a work pool."},
		{Method: "POST", Path: "/work_queues/{id}/concurrency_status", Kind: read, Handle: slotsOfQueue, Doc: "Who occupies the slots of a work queue."},
		{Method: "GET", Path: "/work_queues/{id}/status", Kind: read, Handle: healthOfQueue, Doc: "Whether a work queue is served."},
	}
}

// polledRun is a run as a worker gets it: without the names of its pool.
type polledRun struct {
	PoolID  prefect.ID  `json:"work_pool_id"`
	QueueID prefect.ID  `json:"work_queue_id"`
	Run     coreFlowRun `json:"flow_run"`
}

// coreFlowRun leaves out what the fields of its own, which are empty, stand before.
type coreFlowRun struct {
	*prefect.FlowRun
	WorkPoolID   prefect.ID `json:"work_pool_id,omitzero"`
	WorkPoolName *string    `json:"work_pool_name,omitzero"`
}

func pollPool(c *call) error {
	var q prefect.PollQuery
	limit, _, err := c.window(&q)
	if err != nil {
		return err
	}
	runs, polled, err := ops.PollPool(c.ctx, c.backend, c.param("name"), q.WorkQueueNames,
		ops.Poll{Before: q.ScheduledBefore, After: q.ScheduledAfter, Limit: limit})
	if err != nil {
		return err
	}
	c.markLater(polled)
	answers := make([]polledRun, len(runs))
	for i, r := range runs {
		answers[i] = polledRun{PoolID: polled.Pool.ID, QueueID: r.WorkQueueID, Run: coreFlowRun{FlowRun: r}}
	}
	return c.reply(200, answers)
}

func pollQueue(c *call) error {
	var q prefect.QueuePollQuery
	limit, _, err := c.window(&q)
	if err != nil {
		return err
	}
	runs, polled, err := ops.PollQueue(c.ctx, c.backend, c.id("id"), ops.Poll{Before: q.ScheduledBefore, Limit: limit})
	if err != nil {
		return err
	}
	if c.header("X-Prefect-Ui") != "true" { // the UI only looks
		c.markLater(polled)
	}
	return c.reply(200, runs)
}

// markLater notes after the answer that queues were polled.
func (c *call) markLater(polled *ops.PoolQueues) {
	c.later("note a poll", func(ctx context.Context) error { return polled.MarkPolled(ctx, c.backend) })
}

func slotsOfPool(c *call) error {
	var q prefect.PoolSlotsQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	return replyWith[*ops.PoolSlots](c)(ops.SlotsOfPool(c.ctx, c.backend, c.param("name"), q.Page, q.FlowRunLimit, ops.Window{From: offset, Limit: limit}))
}

func slotsOfQueue(c *call) error {
	var q prefect.SlotsQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	return replyWith[*ops.QueueSlots](c)(ops.SlotsOfQueue(c.ctx, c.backend, c.id("id"), q.Page, ops.Window{From: offset, Limit: limit}))
}

func healthOfQueue(c *call) error {
	return replyWith[*ops.QueueHealth](c)(ops.HealthOfQueue(c.ctx, c.backend, c.id("id")))
}
