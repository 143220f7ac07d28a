package httpapi

import (
	"regexp"
	"strconv"

	"prefectd/ops"
	"prefectd/prefect"
)

func workPoolRoutes() []route {
	return []route{
		{Method: "POST", Path: "/work_pools/", Kind: write, Handle: createWorkPool, Doc: "Make a work pool with its default queue."},
		{Method: "POST", Path: "/work_pools/filter", Kind: read, Handle: filterWorkPools, Doc: "Work pools by filter."},
		{Method: "POST", Path: "/work_pools/count", Kind: read, Handle: countWorkPools, Doc: "The number of work pools that match."},
		{Method: "GET", Path: "/work_pools/{name}", Kind: read, Handle: readWorkPool, Doc: "The work pool of a name."},
		{Method: "PATCH", Path: "/work_pools/{name}", Kind: write, Handle: updateWorkPool, Doc: "Change what is sent of a work pool."},
		{Method: "DELETE", Path: "/work_pools/{name}", Kind: write, Handle: deleteWorkPool, Doc: "Delete a work pool with its queues and workers."},
	}
}

func createWorkPool(c *call) error {
	var body prefect.WorkPoolCreate
	if err := c.decode(&body); err != nil {
		return err
	}
	pool, err := ops.Do[*prefect.WorkPool](c.ctx, c.backend, ops.Coordination, &ops.CreateWorkPool{Pool: body})
	if err != nil {
		return err
	}
	return c.reply(201, c.poolAnswer(pool))
}

func readWorkPool(c *call) error {
	pool, err := ops.ReadWorkPool(c.ctx, c.backend, c.param("name"))
	if err != nil {
		return err
	}
	return c.reply(200, c.poolAnswer(pool))
}

func filterWorkPools(c *call) error {
	var q prefect.WorkPoolsQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	pools, err := ops.ListWorkPools(c.ctx, c.backend, &ops.FindWorkPools{Filter: q.WorkPools, Window: ops.Window{From: offset, Limit: limit}})
	if err != nil {
		return err
	}
	answers := make([]any, len(pools))
	for i, pool := range pools {
		answers[i] = c.poolAnswer(pool)
	}
	return c.reply(200, answers)
}

// oldWorkPool is a work pool as clients up to 3.3.7 know it: they refuse the default
// block for results.
type oldWorkPool struct {
	*prefect.WorkPool
	StorageConfiguration oldStorageConfiguration `json:"storage_configuration"`
}

type oldStorageConfiguration struct {
	BundleUploadStep    prefect.JSON `json:"bundle_upload_step"`
	BundleExecutionStep prefect.JSON `json:"bundle_execution_step"`
}

// poolAnswer is a work pool as the client that asks knows it.
func (c *call) poolAnswer(pool *prefect.WorkPool) any {
	if !isBefore338(c.client().PrefectVersion) {
		return pool
	}
	s := &pool.StorageConfiguration
	return oldWorkPool{pool, oldStorageConfiguration{s.BundleUploadStep, s.BundleExecutionStep}}
}

var versionNumbers = regexp.MustCompile(`^(\d+)\.(\d+)\.(\d+)`)

// isBefore338 reports whether a version of the client is 3.3.7 or an older one.
func isBefore338(version string) bool {
	m := versionNumbers.FindStringSubmatch(version)
	if m == nil {
		return false
	}
	for i, last := range []int{3, 3, 7} {
		n, err := strconv.Atoi(m[i+1])
		if err != nil || n != last {
			return err == nil && n < last
		}
	}
	return true
}

func countWorkPools(c *call) error {
	var q prefect.WorkPoolsCountQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[int](c)(ops.Ask[int](c.ctx, c.backend, ops.Coordination, &ops.CountWorkPools{Filter: q.WorkPools}))
}

func updateWorkPool(c *call) error {
	op := &ops.UpdateWorkPool{Name: c.param("name")}
	if err := c.decode(&op.Update); err != nil {
		return err
	}
	return c.done(c.backend.Do(c.ctx, ops.Coordination, op))
}

func deleteWorkPool(c *call) error {
	return c.done(c.backend.Do(c.ctx, ops.Coordination, &ops.DeleteWorkPool{Name: c.param("name")}))
}
