package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

func artifactRoutes() []route {
	return []route{
		{Method: "POST", Path: "/artifacts/", Kind: write, Handle: createArtifact, Doc: "Make an artifact, the newest of its key if it has one."},
		{Method: "GET", Path: "/artifacts/{id}", Kind: read, Handle: readArtifact, Doc: "One artifact."},
		{Method: "GET", Path: "/artifacts/{key}/latest", Kind: read, Handle: readLatestArtifact, Doc: "The newest artifact of a key."},
		{Method: "POST", Path: "/artifacts/filter", Kind: read, Handle: filterArtifacts, Doc: "Artifacts by filter."},
		{Method: "POST", Path: "/artifacts/latest/filter", Kind: read, Handle: filterLatestArtifacts, Doc: "The newest artifacts of keys by filter."},
		{Method: "POST", Path: "/artifacts/count", Kind: read, Handle: countArtifacts, Doc: "The number of artifacts that match."},
		{Method: "POST", Path: "/artifacts/latest/count", Kind: read, Handle: countLatestArtifacts, Doc: "The number of keys whose newest artifact matches."},
		{Method: "PATCH", Path: "/artifacts/{id}", Kind: write, Handle: updateArtifact, Doc: "Change what is sent of an artifact."},
		{Method: "DELETE", Path: "/artifacts/{id}", Kind: write, Handle: deleteArtifact, Doc: "Delete an artifact."},
	}
}

func createArtifact(c *call) error {
	var op ops.CreateArtifact
	if err := c.decode(&op.Artifact); err != nil {
		return err
	}
	op.Slot = ops.ArtifactSlot(&op.Artifact, c.backend.NewID())
	a, err := ops.Do[*prefect.Artifact](c.ctx, c.backend, c.backend.Groups().OfSlot(op.Slot), &op)
	if err != nil {
		return err
	}
	return c.reply(201, a)
}

func readArtifact(c *call) error {
	id := c.id("id")
	return replyWith[*prefect.Artifact](c)(ops.Ask[*prefect.Artifact](c.ctx, c.backend, c.backend.Groups().Of(id), &ops.ReadArtifact{ID: id}))
}

func readLatestArtifact(c *call) error {
	q := &ops.ReadLatestArtifact{Key: c.param("key")}
	return replyWith[*prefect.Artifact](c)(ops.Ask[*prefect.Artifact](c.ctx, c.backend, q.Group(c.backend.Groups()), q))
}

func filterArtifacts(c *call) error {
	var q prefect.ArtifactsQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	list, _, err := ops.ListArtifacts(c.ctx, c.backend, q.Artifacts, &q.TaskRunsScope, q.Sort, ops.Window{From: offset, Limit: limit})
	return replyWith[[]*prefect.Artifact](c)(list, err)
}

func filterLatestArtifacts(c *call) error {
	var q prefect.LatestArtifactsQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	list, _, err := ops.ListCollections(c.ctx, c.backend, q.Artifacts, &q.TaskRunsScope, q.Sort, ops.Window{From: offset, Limit: limit})
	return replyWith[[]*prefect.ArtifactCollection](c)(list, err)
}

func countArtifacts(c *call) error {
	var q prefect.ArtifactsCountQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	_, n, err := ops.ListArtifacts(c.ctx, c.backend, q.Artifacts, &q.TaskRunsScope, "", ops.Window{Count: true})
	return replyWith[int](c)(n, err)
}

func countLatestArtifacts(c *call) error {
	var q prefect.LatestArtifactsCountQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	_, n, err := ops.ListCollections(c.ctx, c.backend, q.Artifacts, &q.TaskRunsScope, "", ops.Window{Count: true})
	return replyWith[int](c)(n, err)
}

func updateArtifact(c *call) error {
	op := &ops.UpdateArtifact{ID: c.id("id")}
	if err := c.decode(&op.Update); err != nil {
		return err
	}
	return c.done(c.backend.Do(c.ctx, c.backend.Groups().Of(op.ID), op))
}

func deleteArtifact(c *call) error {
	id := c.id("id")
	return c.done(c.backend.Do(c.ctx, c.backend.Groups().Of(id), &ops.DeleteArtifact{ID: id}))
}
