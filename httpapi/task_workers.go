package httpapi

import (
	"time"

	"prefectd/ops"
	"prefectd/prefect"
)

func taskWorkerRoutes() []route {
	return []route{
		{Method: "POST", Path: "/task_workers/filter", Kind: read, Handle: filterTaskWorkers, Doc: "The task workers that are connected."},
	}
}

func filterTaskWorkers(c *call) error {
	var body prefect.TaskWorkersRead
	if err := c.decode(&body); err != nil {
		return err
	}
	connected, err := c.backend.TaskWorkers(c.ctx)
	if err != nil {
		return err
	}
	return c.reply(200, ops.FindTaskWorkers(connected, body.Filter, c.backend.Now()))
}

func taskWorkerChannels() []channel {
	return []channel{
		{Path: "/task_runs/subscriptions/scheduled", Handle: sendScheduledTasks, Doc: "Hands deferred task runs to the workers of their tasks, one at a time."},
	}
}

// closeViolation closes a websocket whose client does not keep to the protocol of
// task workers.
const closeViolation = 4001

// subscription is the first message of a task worker.
type subscription struct {
	Type     string   `json:"type"`
	Keys     []string `json:"keys"`
	ClientID string   `json:"client_id"`
}

func (s *socket) receiveSubscription() (sub subscription, err error) {
	first, err := s.receive()
	if err != nil {
		return sub, err
	}
	expected := func(what string) error {
		return closing(closeViolation, "Protocol violation: expected "+what)
	}
	err = prefect.Unmarshal(first, &sub)
	switch {
	case sub.Type != "subscribe":
		return sub, expected("'subscribe' message")
	case len(sub.Keys) == 0:
		return sub, expected("'keys' in subscribe message")
	case sub.ClientID == "" || err != nil:
		return sub, expected("'client_id' in subscribe message")
	}
	return sub, nil
}

// Waits of a task worker's websocket.
const (
	// lookAgain is how often it looks for what nobody told of: task runs whose
	// worker is gone with its node.
	lookAgain = 10 * time.Second
	// holdOn is how often a claim is renewed while the worker has not answered.
	holdOn = time.Duration(ops.TaskClaim) * time.Microsecond / 3
)

// sendScheduledTasks gives a task worker one task run after another, the next
// when it has taken the one before. One that it does not take is another's.
func sendScheduledTasks(s *socket) error {
	sub, err := s.receiveSubscription()
	if err != nil {
		return err
	}
	defer s.backend.Streams().Workers.Join(sub.ClientID, sub.Keys)()
	answers, why := s.answers()
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		queued := s.backend.Streams().NextQueued()
		task, err := ops.NextTask(s.ctx, s.backend, sub.Keys)
		if err != nil {
			return err
		}
		if task != nil {
			if more, err := s.handOver(task, answers, why); !more || err != nil {
				return err
			}
			continue
		}
		select {
		case <-queued:
		case <-again.C:
		case answer, ok := <-answers:
			if !ok {
				return *why
			}
			if answer == "quit" {
				return nil
			}
		}
	}
}

// answers are the types of what the client says; why tells, when there are no
// more, what receive failed with.
func (s *socket) answers() (types <-chan string, why *error) {
	said, why := make(chan string), new(error)
	s.others.Go(func() {
		defer close(said)
		for {
			message, err := s.receive()
			if err != nil {
				*why = err
				return
			}
			var answer struct {
				Type string `json:"type"`
			}
			if prefect.Unmarshal(message, &answer) != nil {
				answer.Type = "" // no answer that is known
			}
			select {
			case said <- answer.Type:
			case <-s.finished:
				*why = errBroken
				return
			}
		}
	})
	return said, why
}

// handOver sends a task run and waits for the worker to take it; more says
// whether it wants another.
func (s *socket) handOver(task *ops.ClaimedTask, answers <-chan string, why *error) (more bool, err error) {
	if err := s.send(task.TaskRun); err != nil {
		return false, s.settle(task, ops.TaskLost, err)
	}
	hold := time.NewTicker(holdOn)
	defer hold.Stop()
	for {
		select {
		case <-hold.C:
			if err := task.Settle(s.ctx, ops.TaskHeld); err != nil {
				return false, err
			}
		case answer, ok := <-answers:
			switch {
			case !ok:
				return false, s.settle(task, ops.TaskLost, *why)
			case answer == "ack":
				return true, s.settle(task, ops.TaskTaken, nil)
			case answer == "quit":
				return false, s.settle(task, ops.TaskLost, nil)
			}
			return false, s.settle(task, ops.TaskLost, s.drop("a task worker answered neither ack nor quit"))
		}
	}
}

// settle follows a worker's answer before the conversation goes on, or ends with
// an error.
func (s *socket) settle(task *ops.ClaimedTask, answer ops.TaskAnswer, end error) error {
	if err := task.Settle(s.ctx, answer); err != nil {
		return err
	}
	return end
}
