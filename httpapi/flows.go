package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

func flowRoutes() []route {
	return []route{
		{Method: "POST", Path: "/flows/", Kind: write, Handle: createFlow, Doc: "Make a flow, or find the one of that name."},
		{Method: "PATCH", Path: "/flows/{id}", Kind: write, Handle: updateFlow, Doc: "Change a flow's tags."},
		{Method: "DELETE", Path: "/flows/{id}", Kind: write, Handle: deleteFlow, Doc: "Delete a flow with its runs."},
		{Method: "POST", Path: "/flows/bulk_delete", Kind: write, Handle: deleteFlows, Doc: "Delete the flows that match."},
	}
}

func createFlow(c *call) error {
	var body prefect.FlowCreate
	if err := c.decode(&body); err != nil {
		return err
	}
	return replyUpserted[prefect.Flow](c)(ops.Do[ops.Upserted[prefect.Flow]](c.ctx, c.backend, ops.Coordination, &ops.CreateFlow{Flow: body}))
}

// replyUpserted answers with what a create made (201) or found (200).
func replyUpserted[T any](c *call) func(ops.Upserted[T], error) error {
	return func(u ops.Upserted[T], err error) error {
		if err != nil {
			return err
		}
		return c.replyMade(u.Created, u.Object)
	}
}

func updateFlow(c *call) error {
	op := &ops.UpdateFlow{ID: c.id("id")}
	if err := c.decode(&op.Update); err != nil {
		return err
	}
	return c.done(c.backend.Do(c.ctx, ops.Coordination, op))
}

// done answers 204 for an operation that has nothing to say.
func (c *call) done(_ any, err error) error {
	if err != nil {
		return err
	}
	return c.empty()
}

func deleteFlow(c *call) error {
	return c.done(nil, ops.RemoveFlow(c.ctx, c.backend, c.id("id")))
}

func deleteFlows(c *call) error {
	var body prefect.FlowsBulkDelete
	if err := c.decode(&body); err != nil {
		return err
	}
	deleted, err := ops.RemoveFlows(c.ctx, c.backend, body)
	if err != nil {
		return err
	}
	return c.reply(200, bulkDeleted{deleted})
}

// bulkDeleted answers with what a bulk operation removed.
type bulkDeleted struct {
	Deleted []prefect.ID `json:"deleted"`
}
