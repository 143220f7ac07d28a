package ops

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// eventsOf reads the events of a flow run in their order.
func (c *testCluster) eventsOf(run prefect.ID) (events []*prefect.Event) {
	all, err := Ask[[]*prefect.Event](c.t.Context(), c, c.layout.Of(run), &ReadStream{Limit: 1000})
	require.NoError(c.t, err)
	for _, e := range all {
		if e.Resource.ID() == "prefect.flow-run."+run.String() {
			events = append(events, e)
		}
	}
	return events
}

func TestStateEvents(t *testing.T) {
	c := newTestCluster(t, 2)
	flow := c.newFlow("b", "of the flow")
	run := c.newFlowRun(prefect.FlowRunCreate{FlowID: flow.ID, Name: new("run"), Tags: []string{"of the run", "b"}})
	running := stateCreate(prefect.Running, "")
	running.Message = new("going")
	second := c.setFlowRun(run.ID, running).State

	related := []prefect.Resource{
		{"prefect.resource.id": "prefect.flow." + flow.ID.String(), "prefect.resource.name": flow.Name, "prefect.resource.role": "flow"},
		{"prefect.resource.id": "prefect.tag.b", "prefect.resource.role": "tag"},
		{"prefect.resource.id": "prefect.tag.of the flow", "prefect.resource.role": "tag"},
		{"prefect.resource.id": "prefect.tag.of the run", "prefect.resource.role": "tag"},
	}
	resource := func(count string, s *prefect.State) prefect.Resource {
		return prefect.Resource{
			"prefect.resource.id": "prefect.flow-run." + run.ID.String(), "prefect.resource.name": "run",
			"prefect.run-count": count, "prefect.state-message": text(s.Message), "prefect.state-name": s.Name,
			"prefect.state-timestamp": s.Timestamp.ISO(), "prefect.state-type": s.Type.String(),
		}
	}
	events := c.eventsOf(run.ID)
	require.Len(t, events, 2)
	require.Equal(t, &prefect.Event{
		ID: run.State.ID, Occurred: run.State.Timestamp, Event: "prefect.flow-run.Pending", Resource: resource("0", run.State), Related: related,
		Payload:  prefect.JSON(`{"intended":{"from":null,"to":"PENDING"},"initial_state":null,"validated_state":{"type":"PENDING","name":"Pending"}}`),
		Received: events[0].Received, Sequence: events[0].Sequence,
	}, events[0])
	require.Equal(t, &prefect.Event{
		ID: second.ID, Occurred: second.Timestamp, Event: "prefect.flow-run.Running", Resource: resource("1", second), Related: related,
		Payload:  prefect.JSON(`{"intended":{"from":"PENDING","to":"RUNNING"},"initial_state":{"type":"PENDING","name":"Pending"},"validated_state":{"type":"RUNNING","name":"Running","message":"going"}}`),
		Follows:  run.State.ID,
		Received: events[1].Received, Sequence: events[1].Sequence,
	}, events[1])
}

// What is told as intended is what became of it.
func TestEventOfAReplacedState(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.newFlowRun(prefect.FlowRunCreate{State: stateCreate(prefect.Scheduled, "")})
	c.setFlowRun(run.ID, stateCreate(prefect.Cancelling, "")).replaced(t, "Cancelled", "Scheduled flow run has no infrastructure to terminate.")
	events := c.eventsOf(run.ID)
	require.Len(t, events, 2)
	require.Equal(t, "prefect.flow-run.Cancelled", events[1].Event)
	require.Contains(t, string(events[1].Payload), `"intended":{"from":"SCHEDULED","to":"CANCELLED"}`)
}

func TestEventOfAPause(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.runningFlowRun(prefect.FlowRunPolicy{})
	c.setFlowRun(run.ID, c.paused("", "k"))
	c.setFlowRun(run.ID, stateCreate(prefect.Pending, "")) // refused: no event
	events := c.eventsOf(run.ID)
	require.Len(t, events, 2)
	require.Contains(t, string(events[1].Payload), `"validated_state":{"type":"PAUSED","name":"Paused","pause_reschedule":"false"}`)
}

func TestOnlyCloseEventsAreAChain(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.newFlowRun(prefect.FlowRunCreate{})
	c.advance(5*prefect.Minute - 100*prefect.Millisecond)
	second := c.setFlowRun(run.ID, stateCreate(prefect.Running, "")).State
	c.advance(5 * prefect.Minute)
	c.setFlowRun(run.ID, stateCreate(prefect.Completed, ""))
	events := c.eventsOf(run.ID)
	require.Equal(t, run.State.ID, events[1].Follows)
	require.Equal(t, second.ID, events[1].ID)
	require.Equal(t, prefect.NoID, events[2].Follows)
}

func TestCreatorOfARun(t *testing.T) {
	id := prefect.ID{1}
	for kind, want := range map[string]string{"DEPLOYMENT": "prefect.deployment." + id.String(), "AUTOMATION": "prefect.automation." + id.String(), "SCHEDULE": ""} {
		list := creator(&prefect.CreatedBy{ID: id, Type: &kind, DisplayValue: new("its name")})
		if want == "" {
			require.Empty(t, list)
			continue
		}
		require.Equal(t, []prefect.Resource{{"prefect.resource.id": want, "prefect.resource.role": "creator", "prefect.resource.name": "its name"}}, list)
	}
	require.Empty(t, creator(nil))
}

func TestLongMessagesAreCut(t *testing.T) {
	fits := strings.Repeat("é", maxMessage)
	require.Equal(t, fits, truncate(fits))
	require.Equal(t, fits+"é", truncate(fits+"é"), "the remark would be longer than what it replaces")
	cut := truncate(fits + strings.Repeat("x", 1000))
	require.Equal(t, strings.Repeat("é", 50_000)+"...1000 additional characters..."+strings.Repeat("é", 49_000)+strings.Repeat("x", 1000), cut)
}

// Names of the flow come from what is remembered of a run, for a while.
func TestSurroundingsAreRemembered(t *testing.T) {
	c := newTestCluster(t, 1)
	flow := c.newFlow("old")
	run := c.newFlowRun(prefect.FlowRunCreate{FlowID: flow.ID})
	must[any](c, Coordination, &UpdateFlow{ID: flow.ID, Update: prefect.FlowUpdate{Tags: prefect.Opt[[]string]{Set: true, Value: []string{"new"}}}})
	tagOf := func(name string) string {
		c.setFlowRun(run.ID, stateCreate(prefect.Running, name))
		events := c.eventsOf(run.ID)
		related := events[len(events)-1].Related
		return strings.TrimPrefix(related[len(related)-1].ID(), "prefect.tag.")
	}
	require.Equal(t, "old", tagOf("1"))
	c.advance(knownFor)
	require.Equal(t, "new", tagOf("2"))

	var k Known
	for i := range 2 * knownRuns {
		k.put(prefect.ID{byte(i), byte(i >> 8)}, Surroundings{}, c.now)
		require.LessOrEqual(t, len(k.runs), knownRuns)
	}
}

// An event is where its state is.
func TestEventsAreInTheGroupOfTheRun(t *testing.T) {
	c := newTestCluster(t, 4)
	for range 8 {
		run := c.newFlowRun(prefect.FlowRunCreate{})
		require.True(t, view(c, c.layout.Of(run.ID), func(tx *store.Tx) bool { return store.EventsByID.Has(tx, key(run.StateID)) }))
	}
}
