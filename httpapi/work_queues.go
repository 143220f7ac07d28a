package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

// workQueueRoutes are those of work queues, in their pools and by themselves.
func workQueueRoutes() []route {
	return []route{
		{Method: "POST", Path: "/work_pools/{work_pool_name}/queues", Kind: write, Handle: createQueueInPool, Doc: "Make a work queue in a pool."},
		{Method: "POST", Path: "/work_pools/{work_pool_name}/queues/filter", Kind: read, Handle: filterQueuesOfPool, Doc: "The work queues of a pool by filter."},
		{Method: "GET", Path: "/work_pools/{work_pool_name}/queues/{name}", Kind: read, Handle: readQueueOfPool, Doc: "One work queue of a pool."},
		{Method: "PATCH", Path: "/work_pools/{work_pool_name}/queues/{name}", Kind: write, Handle: updateWorkQueue, Doc: "Change what is sent of a work queue."},
		{Method: "DELETE", Path: "/work_pools/{work_pool_name}/queues/{name}", Kind: write, Handle: deleteWorkQueue, Doc: "Delete a work queue."},
		{Method: "POST", Path: "/work_queues/", Kind: write, Handle: createWorkQueue, Doc: "Make a work queue for agents."},
		{Method: "POST", Path: "/work_queues/filter", Kind: read, Handle: filterWorkQueues, Doc: "Work queues of all pools by filter."},
		{Method: "GET", Path: "/work_queues/name/{name}", Kind: read, Handle: readWorkQueueByName, Doc: "The work queue of a name."},
		{Method: "GET", Path: "/work_queues/{id}", Kind: read, Handle: readWorkQueue, Doc: "One work queue."},
		{Method: "PATCH", Path: "/work_queues/{id}", Kind: write, Handle: updateWorkQueue, Doc: "Change what is sent of a work queue."},
		{Method: "DELETE", Path: "/work_queues/{id}", Kind: write, Handle: deleteWorkQueue, Doc: "Delete a work queue."},
	}
}

// queue is the work queue in the path, by its id or by its name in a pool.
func (c *call) queue() ops.QueueKey {
	if _, byID := c.req.UserValue("id").(string); byID {
		return ops.QueueKey{ID: c.id("id")}
	}
	return ops.QueueKey{Pool: c.param("work_pool_name"), Name: c.param("name")}
}

func createQueueInPool(c *call) error {
	pool := c.param("work_pool_name")
	return c.makeQueue(&ops.CreateWorkQueue{Pool: &pool})
}

func createWorkQueue(c *call) error { return c.makeQueue(&ops.CreateWorkQueue{}) }

func (c *call) makeQueue(op *ops.CreateWorkQueue) error {
	if err := c.decode(&op.Queue); err != nil {
		return err
	}
	queue, err := ops.Do[*prefect.WorkQueue](c.ctx, c.backend, ops.Coordination, op)
	if err != nil {
		return err
	}
	return c.reply(201, queue)
}

func readQueueOfPool(c *call) error { return c.readQueue(&ops.ReadWorkQueue{Queue: c.queue()}, true) }

func readWorkQueue(c *call) error { return c.readQueue(&ops.ReadWorkQueue{Queue: c.queue()}, false) }

func readWorkQueueByName(c *call) error {
	return c.readQueue(&ops.ReadWorkQueueByName{Name: c.param("name")}, false)
}

func (c *call) readQueue(q ops.Query, inPool bool) error {
	return replyWith[*prefect.WorkQueue](c)(ops.AskWorkQueue(c.ctx, c.backend, q, inPool))
}

func filterQueuesOfPool(c *call) error {
	pool := c.param("work_pool_name")
	return c.listQueues(&pool)
}

func filterWorkQueues(c *call) error { return c.listQueues(nil) }

func (c *call) listQueues(pool *string) error {
	var q prefect.WorkQueuesQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	return replyWith[[]*prefect.WorkQueue](c)(ops.ListWorkQueues(c.ctx, c.backend,
		&ops.FindWorkQueues{Pool: pool, Filter: q.WorkQueues, Window: ops.Window{From: offset, Limit: limit}}))
}

func updateWorkQueue(c *call) error {
	op := &ops.UpdateWorkQueue{Queue: c.queue()}
	if err := c.decode(&op.Update); err != nil {
		return err
	}
	return c.done(c.backend.Do(c.ctx, ops.Coordination, op))
}

func deleteWorkQueue(c *call) error {
	return c.done(c.backend.Do(c.ctx, ops.Coordination, &ops.DeleteWorkQueue{Queue: c.queue()}))
}
