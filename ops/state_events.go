package ops

import (
	"slices"
	"strconv"

	"prefectd/prefect"
)

// emitFlowRunState tells of every state that a flow run enters.
var emitFlowRunState = rule{
	name: "InstrumentFlowRunStateTransitions", always: true,
	after: func(t *transition) {
		if t.proposed != nil {
			t.fail(t.emitState())
		}
	},
}

// eventState is a state as an event tells it. The order of the fields, here and in
// the payload, is the one that rows of events are best compressed with.
type eventState struct {
	Type            string `json:"type"`
	Name            string `json:"name"`
	Message         string `json:"message,omitzero"`
	PauseReschedule string `json:"pause_reschedule,omitzero"`
}

func eventStateOf(s *prefect.State) *eventState {
	if s == nil {
		return nil
	}
	e := &eventState{Name: s.Name, Type: s.Type.String(), Message: truncate(text(s.Message))}
	if s.Type == prefect.Paused {
		e.PauseReschedule = strconv.FormatBool(s.Details.PauseReschedule)
	}
	return e
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// maxMessage bounds a state's message in an event, in characters.
const maxMessage = 100_000

func truncate(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	if r := []rune(s); len(r) > maxMessage {
		return string(r[:maxMessage])
	}
	return s
}

// emitState emits prefect.flow-run.<name of the state>.
func (t *transition) emitState() error {
	type pair struct {
		From prefect.StateType `json:"from"`
		To   prefect.StateType `json:"to"`
	}
	payload, err := prefect.Marshal(struct {
		Intended  pair        `json:"intended"`
		Initial   *eventState `json:"initial_state"`
		Validated *eventState `json:"validated_state"`
	}{pair{t.from, t.to}, eventStateOf(t.initial), eventStateOf(t.proposed)})
	if err != nil {
		return err
	}
	s, run := t.proposed, t.flowRun
	e := &prefect.Event{
		ID: s.ID, Occurred: s.Timestamp, Event: "prefect.flow-run." + s.Name,
		Resource: prefect.Resource{
			"prefect.resource.id":     "prefect.flow-run." + run.ID.String(),
			"prefect.resource.name":   run.Name,
			"prefect.run-count":       strconv.Itoa(run.RunCount),
			"prefect.state-message":   truncate(text(s.Message)),
			"prefect.state-name":      s.Name,
			"prefect.state-timestamp": s.Timestamp.ISO(),
			"prefect.state-type":      s.Type.String(),
		},
		Related: t.related(),
		Payload: payload,
	}
	if t.initial != nil {
		e.Follows = t.initial.ID
	}
	t.c.Emit(e)
	return nil
}

// related lists the resources around a flow run: its flow, the task run that it
// runs as, and the tags of all of them.
func (t *transition) related() []prefect.Resource {
	tags := slices.Clone(t.flowRun.Tags)
	var list []prefect.Resource
	add := func(role, kind string, id prefect.ID, name string) {
		list = append(list, prefect.Resource{
			"prefect.resource.id":   "prefect." + kind + "." + id.String(),
			"prefect.resource.name": name,
			"prefect.resource.role": role,
		})
	}
	if t.flow != nil {
		add("flow", "flow", t.flow.ID, t.flow.Name)
		tags = append(tags, t.flow.Tags...)
	}
	if parent := taskRun(t.c.Tx, t.flowRun.ParentTaskRunID); parent != nil {
		add("task-run", "task-run", parent.ID, parent.Name)
		tags = append(tags, parent.Tags...)
	}
	slices.Sort(tags)
	for _, tag := range slices.Compact(tags) {
		list = append(list, prefect.Resource{
			"prefect.resource.id":   "prefect.tag." + tag,
			"prefect.resource.role": "tag",
		})
	}
	return list
}
