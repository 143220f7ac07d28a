package ops

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

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

// truncate leaves the middle out of a text that is too long.
func truncate(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	r := []rune(s)
	if len(r) <= maxMessage {
		return s
	}
	const half = maxMessage / 2
	short := string(r[:half]) + fmt.Sprintf("...%d additional characters...", len(r)-2*half) + string(r[len(r)-half:])
	if utf8.RuneCountInString(short) >= len(r) {
		return s
	}
	return short
}

// tight is how close the states of a run are for their events to be a chain: of
// others the order is plain from their times.
const tight = 5 * prefect.Minute

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
	}{pair{typeOf(t.initial), typeOf(t.proposed)}, eventStateOf(t.initial), eventStateOf(t.proposed)})
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
	if t.initial != nil && max(s.Timestamp.Sub(t.initial.Timestamp), t.initial.Timestamp.Sub(s.Timestamp)) < tight {
		e.Follows = t.initial.ID
	}
	t.c.Emit(e)
	return nil
}

// related lists the resources around a flow run: its flow and deployment, where it waits for a
// worker, the task run that it runs as, the tags of all of them, and what made it.
func (t *transition) related() []prefect.Resource {
	tags := slices.Clone(t.flowRun.Tags)
	var list []prefect.Resource
	add := func(kind string, id prefect.ID, name string, its []string) {
		list = append(list, withRole(resource(kind, id, name), kind))
		tags = append(tags, its...)
	}
	if flow := t.around.Flow; flow != nil {
		add("flow", flow.ID, flow.Name, flow.Tags)
	}
	if d := t.around.Deployment; d != nil {
		add("deployment", d.ID, d.Name, d.Tags)
	}
	if queue := t.around.Queue; queue != nil {
		add("work-queue", queue.ID, queue.Name, nil)
		add("work-pool", queue.PoolID, queue.PoolName, nil)
		list[len(list)-1]["prefect.work-pool.type"] = queue.PoolType
	}
	if parent := t.parent(); parent != nil {
		add("task-run", parent.ID, parent.Name, parent.Tags)
	}
	slices.Sort(tags)
	for _, tag := range slices.Compact(tags) {
		list = append(list, prefect.Resource{
			"prefect.resource.id":   "prefect.tag." + tag,
			"prefect.resource.role": "tag",
		})
	}
	return append(list, creator(t.flowRun.CreatedBy)...)
}

// parent is the task run that a flow run runs as, nil if there is none.
func (t *transition) parent() *TaskRunRef {
	if t.around.Parent != nil {
		return t.around.Parent
	}
	return refOfTaskRun(taskRun(t.c.Tx, t.flowRun.ParentTaskRunID))
}

// creator is the deployment or automation that made a flow run.
func creator(by *prefect.CreatedBy) []prefect.Resource {
	if by == nil {
		return nil
	}
	kind := map[string]string{"DEPLOYMENT": "deployment", "AUTOMATION": "automation"}[text(by.Type)]
	if kind == "" {
		return nil
	}
	r := inRole(kind, by.ID, "creator")
	if name := text(by.DisplayValue); name != "" {
		r["prefect.resource.name"] = name
	}
	return []prefect.Resource{r}
}
