package facts

import (
	"context"
	"fmt"
	"slices"
	"time"

	"prefectd/test/client"
)

// emitter is a client that tells of task runs over a websocket. As the stock
// client does, it keeps what no ping has covered and sends that again.
type emitter struct {
	socket  *client.EventSocket
	run     client.FlowRun // that new task runs are of
	pending []pendingEvent
}

type pendingEvent struct {
	task  *taskFacts
	event sentEvent
}

// taskRunsOfBatch is how many task runs are told of between two pings.
const taskRunsOfBatch = 7

// emit sends the events of some task runs, then pings; first it opens the
// websocket, if there is none.
func (w worker) emit(ctx context.Context, e *emitter) (err error) {
	defer func() {
		if err != nil {
			e.disconnect()
		}
	}()
	if e.socket == nil {
		if err := w.connect(ctx, e); err != nil {
			return err
		}
	}
	for range taskRunsOfBatch {
		task := client.NewTaskRun(e.run)
		facts := &taskFacts{id: task.ID, run: e.run.ID}
		w.addTask(facts)
		for range client.TaskRunSteps {
			id, body, err := task.Next(false)
			if err != nil {
				return err
			}
			event := sentEvent{id, body}
			facts.sent = append(facts.sent, event)
			e.pending = append(e.pending, pendingEvent{facts, event})
			if err := e.socket.Send(body); err != nil {
				return err
			}
		}
	}
	err = w.checkpoint(ctx, e)
	w.rest(ctx, taskRunsOfBatch*client.TaskRunSteps)
	return err
}

// connect opens the websocket, sends again what is pending, and makes a flow run
// for new task runs.
func (w worker) connect(ctx context.Context, e *emitter) (err error) {
	c := w.Asks(w.number)
	if e.socket, err = c.OpenEvents(ctx); err != nil {
		return err
	}
	for _, p := range e.pending {
		if err := e.socket.Send(p.event.body); err != nil {
			return err
		}
	}
	if err := w.checkpoint(ctx, e); err != nil {
		return err
	}
	e.run, err = c.CreateRun(ctx, client.NewRun{FlowID: w.flow, State: "PENDING"})
	return err
}

// pongTime is how long a pong may take.
const pongTime = 20 * time.Second

// checkpoint pings; what was sent before the answered ping is the server's.
func (w worker) checkpoint(ctx context.Context, e *emitter) error {
	ctx, cancel := context.WithTimeout(ctx, pongTime)
	defer cancel()
	if err := e.socket.Checkpoint(ctx); err != nil {
		return err
	}
	if len(e.pending) == 0 {
		return nil
	}
	last := e.pending[len(e.pending)-1]
	for _, p := range e.pending {
		p.task.acked++
	}
	e.pending = nil
	return w.answered(last.task.run, func(c *client.Client) error {
		states, err := c.TaskRunStates(ctx, last.task.id)
		if err == nil && len(states) < last.task.acked {
			return Violationf("task run %s reads %d states at once after the ping that covers %d was answered", last.task.id, len(states), last.task.acked)
		}
		return err
	})
}

func (e *emitter) disconnect() {
	if e.socket != nil {
		e.socket.Close()
		e.socket = nil
	}
}

// checkEvents compares the events about a resource with those that must be there
// and those that may be.
func checkEvents(ctx context.Context, c *client.Client, resource string, must, may []string) error {
	events, total, err := c.EventsOf(ctx, resource)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, e := range events {
		if seen[e.ID] {
			return fmt.Errorf("%s: event %s is there twice", resource, e.ID)
		}
		seen[e.ID] = true
		if !slices.Contains(may, e.ID) {
			return fmt.Errorf("%s: event %s (%s) is nobody's", resource, e.ID, e.Event)
		}
	}
	for _, id := range must {
		if !seen[id] {
			return fmt.Errorf("%s: event %s is missing", resource, id)
		}
	}
	if total != len(events) {
		return fmt.Errorf("%s: %d events are counted, %d listed", resource, total, len(events))
	}
	return nil
}
