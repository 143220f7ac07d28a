package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// A poll leaves its mark on queues and deployments: when it was, and that somebody is
// there. Workers poll all the time, so a mark is renewed only now and then.

// How old a mark gets before it is renewed; but half of the time after which the
// foreman misses it, if that is less.
const (
	queueMark      = 5 * prefect.Second
	deploymentMark = 30 * prefect.Second
)

func (s *Settings) queueMark() prefect.Duration {
	return min(queueMark, prefect.Duration(s.QueuePollTimeout)*prefect.Second/2)
}

func (s *Settings) deploymentMark() prefect.Duration {
	return min(deploymentMark, prefect.Duration(s.DeploymentPollTimeout)*prefect.Second/2)
}

// needsMark reports whether the mark on a queue is missing or old.
func needsMark(q *prefect.WorkQueue, now prefect.Time, age prefect.Duration) bool {
	return *q.Status == prefect.NotReady || q.LastPolled.IsNull() || now.Sub(q.LastPolled) >= age
}

// MarkPolled notes that work queues were polled.
func (p *PoolQueues) MarkPolled(ctx context.Context, b Backend) error {
	op := &MarkPolled{}
	for _, q := range p.Queues {
		if needsMark(q, b.Now(), b.Settings().queueMark()) {
			op.Queues = append(op.Queues, q.ID)
		}
	}
	if len(op.Queues) == 0 {
		return nil
	}
	_, err := b.Do(ctx, Coordination, op)
	return err
}

// MarkPolled notes that work queues with their deployments, or deployments by
// themselves, were polled.
type MarkPolled struct {
	Queues      []prefect.ID
	Deployments []prefect.ID
}

// markStep bounds the deployments that one entry marks; the next poll marks more.
const markStep = 500

// Run answers nothing.
func (o *MarkPolled) Run(c *Context) (any, error) {
	left := markStep
	for _, id := range o.Queues {
		if q := store.WorkQueues.Get(c.Tx, key(id)); q != nil {
			c.markQueue(q)
		}
		for e := range store.DeploymentsByQueue.Entries(c.Tx, store.Range{Prefix: key(id)}) {
			if left > 0 && c.markDeployment(e.Primary.IDAt(0)) {
				left--
			}
		}
	}
	for _, id := range o.Deployments {
		c.markDeployment(id)
	}
	return nil, nil
}

func (c *Context) markQueue(q *prefect.WorkQueue) {
	if !needsMark(q, c.Now, c.Settings.queueMark()) {
		return
	}
	q.LastPolled, q.Updated = c.Now, c.Now
	if *q.Status == prefect.NotReady {
		c.setQueueStatus(q, prefect.Ready)
		return
	}
	store.WorkQueues.Put(c.Tx, q)
}

// setQueueStatus stores a work queue with another status, and tells of it.
func (c *Context) setQueueStatus(q *prefect.WorkQueue, status string) {
	q.Status = &status
	store.WorkQueues.Put(c.Tx, q)
	c.emitWorkQueue(kebab(status), q)
}

// deploymentMarks are the columns that say whether a deployment has a mark.
var deploymentMarks = prefect.ColumnSet(17, 26)

// markDeployment reports whether there was something to note. The time of the
// deployment's last change stays: its schedules have not changed.
func (c *Context) markDeployment(id prefect.ID) bool {
	var marks prefect.Deployment
	if !store.Deployments.Project(deploymentMarks).Row(c.Tx, key(id), &marks) {
		return false
	}
	if marks.Status == prefect.Ready && c.Now.Sub(marks.LastPolled) < c.Settings.deploymentMark() {
		return false
	}
	d := store.Deployments.Get(c.Tx, key(id))
	d.LastPolled = c.Now
	if d.Status == prefect.NotReady {
		c.setDeploymentStatus(d, prefect.Ready)
		return true
	}
	store.Deployments.Put(c.Tx, d)
	return true
}

// setDeploymentStatus stores a deployment with another status, and tells of it.
func (c *Context) setDeploymentStatus(d *prefect.Deployment, status string) {
	d.Status = status
	store.Deployments.Put(c.Tx, d)
	c.emitDeployment(kebab(status), d)
}

// aroundDeployment lists the flow, the work queue and the work pool of a deployment, and
// what else it refers to, as its events relate them.
func (c *Context) aroundDeployment(d *prefect.Deployment) (related []prefect.Resource) {
	if flow := store.Flows.Get(c.Tx, key(d.FlowID)); flow != nil {
		related = append(related, withRole(resource("flow", flow.ID, flow.Name), "flow"))
	}
	if queue := store.WorkQueues.Get(c.Tx, key(d.WorkQueueID)); queue != nil {
		related = append(append(related, queueResource(queue)), c.relatedPool(queue)...)
	}
	reference := func(kind string, id prefect.ID, role string) {
		if !id.IsNull() {
			related = append(related, inRole(kind, id, role))
		}
	}
	reference("block-document", d.StorageDocumentID, "storage")
	reference("block-document", d.InfrastructureDocID, "infrastructure")
	reference("concurrency-limit", d.ConcurrencyLimitID, "concurrency-limit")
	return related
}
