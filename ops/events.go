package ops

import (
	"context"
	"errors"
	"hash/fnv"
	"strings"
	"sync"

	"prefectd/prefect"
)

// AppendEvents stores events that clients sent in a group's stream, and records
// the task runs that they tell of. An event that comes again is recognised by its
// id.
type AppendEvents struct {
	Events []prefect.Event
}

// Appended tells what became of events. Refused says which of them were stored
// but could not be recorded as states of task runs, and why.
type Appended struct {
	New     int
	Refused []string
}

// Run answers an Appended.
func (o *AppendEvents) Run(c *Context) (any, error) {
	var answer Appended
	for i := range o.Events {
		e := &o.Events[i]
		if !c.Emit(e) {
			continue
		}
		answer.New++
		if !c.Settings.RecordTaskRunEvents || !tellsOfTaskRun(e) {
			continue
		}
		if err := c.recordTaskRun(e); err != nil {
			answer.Refused = append(answer.Refused, "event "+e.ID.String()+": "+err.Error())
		}
	}
	return answer, nil
}

// groupOfEvent says in which run group an event lives: with the run that it is
// about, task runs with their flow run; else by the resource.
func groupOfEvent(groups Groups, e *prefect.Event) int {
	resource := e.Resource.ID()
	if id, ok := objectID(resource, "prefect.flow-run."); ok {
		return groups.Of(id)
	}
	if id, ok := objectID(resource, "prefect.task-run."); ok {
		if run := relatedFlowRun(e); !run.IsNull() {
			id = run
		}
		return groups.Of(id)
	}
	h := fnv.New32a()
	h.Write([]byte(resource))
	return groups.OfSlot(byte(h.Sum32()))
}

// objectID reads the id of an object from that of its resource.
func objectID(resource, prefix string) (prefect.ID, bool) {
	text, ok := strings.CutPrefix(resource, prefix)
	if !ok {
		return prefect.NoID, false
	}
	id, err := prefect.ParseID(text)
	return id, err == nil
}

// relatedFlowRun is the flow run that a task run's event names as its own.
func relatedFlowRun(e *prefect.Event) prefect.ID {
	for _, r := range e.Related {
		if r.Role() == "flow-run" {
			id, _ := objectID(r.ID(), "prefect.flow-run.")
			return id
		}
	}
	return prefect.NoID
}

// TakeEvents stores events, each in its group, and returns when all are durable.
func TakeEvents(ctx context.Context, b Backend, events []prefect.Event) (Appended, error) {
	lanes := map[int]*lane{}
	for i := range events {
		e := &events[i]
		group := groupOfEvent(b.Groups(), e)
		if lanes[group] == nil {
			lanes[group] = &lane{}
		}
		l := lanes[group]
		l.waiting, l.sizes = append(l.waiting, *e), append(l.sizes, EventSize(e))
	}
	var (
		total  Appended
		failed error
		mu     sync.Mutex
		wait   sync.WaitGroup
	)
	for group, l := range lanes {
		wait.Go(func() {
			for len(l.waiting) > 0 {
				events, _ := l.take()
				part, err := Do[Appended](ctx, b, group, &AppendEvents{Events: events})
				mu.Lock()
				total.New += part.New
				total.Refused = append(total.Refused, part.Refused...)
				failed = errors.Join(failed, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wait.Wait()
	return total, failed
}

// Bounds of one operation.
const (
	maxBatchEvents = 512
	maxBatchBytes  = 1 << 20
)

// eventBatch is how many of some events, at least one, go into one operation.
func eventBatch(sizes []int) int {
	total := 0
	for i, size := range sizes {
		if total += size; i > 0 && total > maxBatchBytes || i == maxBatchEvents {
			return i
		}
	}
	return len(sizes)
}

// EventSize is about how many bytes an event has.
func EventSize(e *prefect.Event) int {
	size := 200 + len(e.Event) + len(e.Payload) + resourceSize(e.Resource)
	for _, r := range e.Related {
		size += resourceSize(r)
	}
	return size
}

func resourceSize(r prefect.Resource) (size int) {
	for label, value := range r {
		size += len(label) + len(value) + 6
	}
	return size
}
