package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

func workerRoutes() []route {
	return []route{
		{Method: "POST", Path: "/work_pools/{work_pool_name}/workers/heartbeat", Kind: write, Handle: recordHeartbeat, Doc: "A sign of a worker, which the first one makes known."},
		{Method: "POST", Path: "/work_pools/{work_pool_name}/workers/filter", Kind: read, Handle: filterWorkers, Doc: "The workers of a pool by filter."},
		{Method: "DELETE", Path: "/work_pools/{work_pool_name}/workers/{name}", Kind: write, Handle: deleteWorker, Doc: "Forget a worker."},
	}
}

func recordHeartbeat(c *call) error {
	var body prefect.WorkerHeartbeat
	if err := c.decode(&body); err != nil {
		return err
	}
	return c.done(c.backend.Do(c.ctx, ops.Coordination,
		&ops.RecordHeartbeat{Pool: c.param("work_pool_name"), Worker: body.Name, Interval: body.HeartbeatInterval}))
}

func filterWorkers(c *call) error {
	var q prefect.WorkersQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	return replyWith[[]*prefect.Worker](c)(ops.Ask[[]*prefect.Worker](c.ctx, c.backend, ops.Coordination,
		&ops.FindWorkers{Pool: c.param("work_pool_name"), Filter: q.Workers, Window: ops.Window{From: offset, Limit: limit}}))
}

func deleteWorker(c *call) error {
	return c.done(c.backend.Do(c.ctx, ops.Coordination, &ops.DeleteWorker{Pool: c.param("work_pool_name"), Worker: c.param("name")}))
}
