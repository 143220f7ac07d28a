package ops

import (
	"strings"

	"prefectd/prefect"
	"prefectd/store"
)

// poolResource names a work pool in an event.
func poolResource(p *prefect.WorkPool) prefect.Resource {
	r := resource("work-pool", p.ID, p.Name)
	r["prefect.work-pool.type"] = p.Type
	return r
}

// queueResource names a work queue in an event.
func queueResource(q *prefect.WorkQueue) prefect.Resource {
	return withRole(resource("work-queue", q.ID, q.Name), "work-queue")
}

// emitWorkPool emits prefect.work-pool.created or .deleted.
func (c *Context) emitWorkPool(what string, p *prefect.WorkPool) {
	related := []prefect.Resource{inRole("work-queue", p.DefaultQueueID, "default-queue")}
	if block := p.StorageConfiguration.DefaultResultStorageBlockID; !block.IsNull() {
		related = append(related, inRole("block-document", block, "result-storage"))
	}
	c.Emit(&prefect.Event{
		ID: c.freshID(), Occurred: c.Now, Event: "prefect.work-pool." + what,
		Resource: withRole(poolResource(p), "work-pool"), Related: related,
	})
}

// emitWorkPoolUpdate emits prefect.work-pool.updated, if anything changed.
func (c *Context) emitWorkPoolUpdate(p *prefect.WorkPool, changes *fieldChanges) error {
	return c.emitUpdate("work-pool", withRole(poolResource(p), "work-pool"), nil, changes)
}

// emitUpdate emits prefect.<kind>.updated, if anything changed.
func (c *Context) emitUpdate(kind string, about prefect.Resource, related []prefect.Resource, changes *fieldChanges) error {
	if len(changes.Fields) == 0 {
		return nil
	}
	return c.tell("prefect."+kind+".updated", about, related, changes)
}

// poolChain is how close two events of a pool's status are for the second to say that
// it follows the first.
const poolChain = 10 * prefect.Minute

// setPoolStatus gives a work pool a status and tells of it; the caller stores the row.
// Pools for agents have none.
func (c *Context) setPoolStatus(p *prefect.WorkPool, status string) {
	if p.Type == prefect.AgentPoolType {
		return
	}
	e := c.poolStatusEvent(p, status)
	p.Status, p.StatusEventID, p.StatusSince = &status, e.ID, c.Now
	c.Emit(e)
}

func (c *Context) poolStatusEvent(p *prefect.WorkPool, status string) *prefect.Event {
	e := &prefect.Event{ID: c.freshID(), Occurred: c.Now, Event: "prefect.work-pool." + kebab(status), Resource: poolResource(p)}
	if !p.StatusEventID.IsNull() && c.Now.Sub(p.StatusSince) < poolChain {
		e.Follows = p.StatusEventID
	}
	return e
}

// kebab is a status as the name of an event has it.
func kebab(status string) string { return strings.ReplaceAll(strings.ToLower(status), "_", "-") }

// emitWorkQueue emits prefect.work-queue.<what>.
func (c *Context) emitWorkQueue(what string, q *prefect.WorkQueue) {
	c.Emit(&prefect.Event{
		ID: c.freshID(), Occurred: c.Now, Event: "prefect.work-queue." + what,
		Resource: queueResource(q), Related: c.relatedPool(q),
	})
}

// emitWorkQueueUpdate emits prefect.work-queue.updated, if anything changed.
func (c *Context) emitWorkQueueUpdate(q *prefect.WorkQueue, changes *fieldChanges) error {
	return c.emitUpdate("work-queue", queueResource(q), c.relatedPool(q), changes)
}

// relatedPool is the work pool of a queue as an event relates it.
func (c *Context) relatedPool(q *prefect.WorkQueue) []prefect.Resource {
	if pool := store.WorkPools.Get(c.Tx, key(q.WorkPoolID)); pool != nil {
		return []prefect.Resource{withRole(poolResource(pool), "work-pool")}
	}
	return nil
}

// freshID makes an id in a random slot.
func (c *Context) freshID() prefect.ID { return c.NewID(byte(c.Rand.Uint32())) }
