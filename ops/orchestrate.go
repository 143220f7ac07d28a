package ops

import (
	"slices"

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

// Outcome is what a client is told of the state that it proposed: the state that
// the run is in now, and what became of the proposal.
type Outcome struct {
	State   *prefect.State       `json:"state"`
	Status  string               `json:"status"`
	Details OrchestrationDetails `json:"details"`
}

// OrchestrationDetails says why a status is not ACCEPT, and for how long to wait.
type OrchestrationDetails struct {
	Type         string  `json:"type"`
	DelaySeconds *int    `json:"delay_seconds,omitzero"`
	Reason       *string `json:"reason,omitzero"`
}

// Orchestration is the outcome of a proposed state, as operations answer it.
type Orchestration struct {
	Outcome
	Created bool // the outcome's state is new: the proposed one or its replacement
}

// rule guards the transitions between two sets of state types. Its hooks may
// be nil.
type rule struct {
	name     string
	from, to stateSet
	before   func(t *transition) // may replace or refuse the proposal
	after    func(t *transition) // once the state is written; in reverse order
	cleanup  func(t *transition) // instead of after, when a later rule changed the target
	always   bool                // a transform: runs whatever became of the proposal
}

// governs reports whether a rule has a say: by the pair of types that was
// intended, and only while the proposal still has the intended type.
func (r *rule) governs(t *transition) bool {
	return r.always || r.from.has(t.from) && r.to.has(t.to) && typeOf(t.proposed) == t.to
}

// leave runs what a rule has to do once the state is written; left is the type of
// the proposal when the rule was through with it.
func (r *rule) leave(t *transition, left prefect.StateType) {
	hook := r.after
	switch {
	case r.always:
	case !r.to.has(left):
		return // it refused what it governs
	case typeOf(t.proposed) != left:
		hook = r.cleanup
	}
	if hook != nil {
		hook(t)
	}
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
	client  ClientInfo
	flowRun *prefect.FlowRun
	task    *prefect.TaskRun
	around  Surroundings
	run     progress
	cached  *store.CachedState // what the cache holds for the proposal's key
	slots   RunSlots           // what the limits on a task run's tags gave

	deploymentSlot DeploymentSlot // what the limit of a flow run's deployment gave

	initial, proposed *prefect.State    // nil for none
	from, to          prefect.StateType // the intended pair

	status  string
	details OrchestrationDetails

	savedPolicy   prefect.FlowRunPolicy
	savedRunCount int
	pauseKey      string
	touched       bool  // the run changed even if its state does not
	err           error // a hook's failure: nothing stays
}

// orchestrate applies a policy and the transforms, and writes the state that is
// left.
func (t *transition) orchestrate(policy []rule) (*Orchestration, error) {
	t.from, t.to = typeOf(t.initial), t.proposed.Type
	t.status, t.details = accepted, OrchestrationDetails{Type: "accept_details"}
	type entry struct {
		rule *rule
		left prefect.StateType
	}
	entered := make([]entry, 0, len(policy))
	for i := range policy {
		r := &policy[i]
		if !r.governs(t) {
			continue
		}
		if r.before != nil {
			r.before(t)
		}
		entered = append(entered, entry{r, typeOf(t.proposed)})
	}
	if t.proposed != nil {
		t.transform()
		t.write()
		t.mirror()
	}
	for _, e := range slices.Backward(entered) {
		e.rule.leave(t, e.left)
	}
	if t.proposed != nil || t.touched {
		t.put()
	}
	return t.answer(), t.err
}

func (t *transition) answer() *Orchestration {
	o := &Orchestration{Outcome: Outcome{State: t.initial, Status: t.status, Details: t.details}}
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

// fail notes the first failure of a transition's hooks.
func (t *transition) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

func typeOf(s *prefect.State) prefect.StateType {
	if s == nil {
		return prefect.NoState
	}
	return s.Type
}
