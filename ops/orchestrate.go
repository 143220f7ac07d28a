package ops

import (
	"prefectd/prefect"
	"prefectd/store"
)

// The statuses of an orchestration.
const (
	accepted = "ACCEPT"
	rejected = "REJECT"
	aborted  = "ABORT"
	waiting  = "WAIT"
)

// Orchestration is the outcome of a proposed state.
type Orchestration struct {
	State   *prefect.State       `json:"state"`
	Status  string               `json:"status"`
	Details OrchestrationDetails `json:"details"`
	Created bool                 `json:"-"` // State is new: the proposed one or its replacement
}

// OrchestrationDetails says why a status is not ACCEPT, and for how long to wait.
type OrchestrationDetails struct {
	Type         string  `json:"type"`
	DelaySeconds *int    `json:"delay_seconds,omitzero"`
	Reason       *string `json:"reason,omitzero"`
}

// rule guards the transitions between two sets of state types. Its hooks may
// be nil.
type rule struct {
	name     string
	from, to stateSet
	before   func(t *transition) // may replace or refuse the proposal
	after    func(t *transition) // once the state is written; in reverse order
	cleanup  func(t *transition) // instead of after, when a later rule changed the target type
	always   bool                // runs whatever became of the proposal
}

// stateSet is a set of state types, NoState among them.
type stateSet uint16

func states(types ...prefect.StateType) (set stateSet) {
	for _, t := range types {
		set |= 1 << t
	}
	return set
}

func (s stateSet) has(t prefect.StateType) bool { return s&(1<<t) != 0 }

const anyState stateSet = 1<<(prefect.Cancelling+1) - 1

var terminalStates = states(prefect.Completed, prefect.Failed, prefect.Cancelled, prefect.Crashed)

// transition is one proposed change of a run's state under way. For a flow run
// task is nil; for a task run flowRun is its flow run, or nil.
type transition struct {
	c       *Context
	flowRun *prefect.FlowRun
	task    *prefect.TaskRun
	flow    *FlowRef
	run     progress
	cached  *store.CachedState // what the cache holds for the proposal's key

	initial, proposed *prefect.State
	from, to          prefect.StateType // the intended pair

	status  string
	details OrchestrationDetails

	savedPolicy   prefect.FlowRunPolicy
	savedRunCount int
	touched       bool  // the run changed even if its state does not
	err           error // a hook's failure: nothing stays
}

// orchestrate applies a policy and the transforms, and writes the state that is left.
func (t *transition) orchestrate(policy []rule) (*Orchestration, error) {
	t.from, t.to = typeOf(t.initial), t.proposed.Type
	t.status, t.details = accepted, OrchestrationDetails{Type: "accept_details"}
	type entry struct {
		rule *rule
		own  bool // the rule itself changed the target type
	}
	var entered []entry
	for i := range policy {
		r := &policy[i]
		if !r.always && (!r.from.has(t.from) || !r.to.has(t.to) || typeOf(t.proposed) != t.to) {
			continue
		}
		before := typeOf(t.proposed)
		if r.before != nil {
			r.before(t)
		}
		entered = append(entered, entry{r, typeOf(t.proposed) != before})
	}
	if t.proposed != nil {
		t.transform()
		t.write()
		t.mirror()
	}
	for i := len(entered) - 1; i >= 0; i-- {
		e := entered[i]
		hook := e.rule.after
		if !e.rule.always && !e.own && typeOf(t.proposed) != t.to {
			hook = e.rule.cleanup
		}
		if hook != nil {
			hook(t)
		}
	}
	if t.proposed != nil || t.touched {
		t.put()
	}
	return t.answer(), t.err
}

func (t *transition) answer() *Orchestration {
	o := &Orchestration{State: t.initial, Status: t.status, Details: t.details}
	if t.proposed != nil {
		o.State, o.Created = t.proposed, true
	}
	return o
}

// reject refuses the proposal; s takes its place, or nothing if it is nil.
func (t *transition) reject(s *prefect.State, reason string) {
	t.proposed, t.status = s, rejected
	t.details = OrchestrationDetails{Type: "reject_details", Reason: &reason}
}

// abort tells the client to stop.
func (t *transition) abort(reason string) {
	t.proposed, t.status = nil, aborted
	t.details = OrchestrationDetails{Type: "abort_details", Reason: &reason}
}

// wait tells the client to try again later.
func (t *transition) wait(seconds int, reason string) {
	t.proposed, t.status = nil, waiting
	t.details = OrchestrationDetails{Type: "wait_details", DelaySeconds: &seconds, Reason: &reason}
}

func typeOf(s *prefect.State) prefect.StateType {
	if s == nil {
		return prefect.NoState
	}
	return s.Type
}

// newState is a state of the server's own making.
func (t *transition) newState(kind prefect.StateType, name, message string) *prefect.State {
	no := false
	s := &prefect.State{Type: kind, Name: name, Details: prefect.StateDetails{Deferred: &no}}
	if message != "" {
		s.Message = &message
	}
	return t.c.identify(s, t.run.id)
}

// identify gives a state the id and the time of the server.
func (c *Context) identify(s *prefect.State, run prefect.ID) *prefect.State {
	s.ID, s.Timestamp = c.NewID(run.Slot()), c.Now
	if s.Type == prefect.Scheduled && s.Details.ScheduledTime.IsNull() {
		s.Details.ScheduledTime = c.Now
	}
	return s
}

// propose makes a state of what a client sent.
func (c *Context) propose(create *prefect.StateCreate, run prefect.ID) *prefect.State {
	create.SetDefaults()
	s := &prefect.State{Type: create.Type, Name: *create.Name, Message: create.Message, Data: create.Data, Details: create.Details}
	if s.Details.Deferred == nil {
		s.Details.Deferred = new(bool)
	}
	return c.identify(s, run)
}
