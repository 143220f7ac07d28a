package ops

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// automate makes an automation of which every triggering is counted.
func (c *testCluster) automate(trigger string, actions ...string) *prefect.Automation {
	var body prefect.AutomationCreate
	body.Name, body.Enabled = "automation", true
	require.NoError(c.t, prefect.Unmarshal(prefect.JSON(trigger), &body.Trigger))
	for _, text := range actions {
		var a prefect.Action
		require.NoError(c.t, prefect.Unmarshal(prefect.JSON(text), &a))
		if a.Source == "" {
			a.Source = selectedSource
		}
		require.NoError(c.t, a.Check())
		body.Actions = append(body.Actions, a)
	}
	made := must[*prefect.Automation](c, Coordination, &CreateAutomation{Body: body})
	c.advance(prefect.Millisecond)
	return made
}

// occur has something happen to a thing, now.
func (c *testCluster) occur(event, thing string) {
	id := c.NewID()
	must[any](c, c.layout.Of(id), &AppendEvents{Events: []prefect.Event{{
		ID: id, Occurred: c.Now(), Event: event, Resource: prefect.Resource{"prefect.resource.id": thing}, Payload: prefect.JSON(`{}`),
	}}})
	c.advance(prefect.Millisecond)
}

// looks has the triggers look at what happened, and answers how often one fired.
func (c *testCluster) looks() int {
	n, err := evaluateEvents(c.t.Context(), c, Coordination)
	require.NoError(c.t, err)
	return n
}

// waits lets time pass and has the Proactive triggers look.
func (c *testCluster) waits(d prefect.Duration) int {
	c.advance(d)
	n, err := evaluateTime(c.t.Context(), c, Coordination)
	require.NoError(c.t, err)
	return n
}

func TestReactiveTriggers(t *testing.T) {
	c := newTestCluster(t, 2)
	c.occur("a.b", "early")
	c.automate(`{"posture":"Reactive","expect":["a.*"],"match":{"prefect.resource.id":"thing.*"},"threshold":1}`)
	require.Zero(t, c.looks(), "what was there before does not count")
	c.occur("a.b", "thing.1")
	c.occur("b.a", "thing.1")
	c.occur("a.b", "other")
	require.Equal(t, 1, c.looks())
	require.Zero(t, c.looks(), "nothing is looked at twice")
	c.occur("a.c", "thing.1")
	require.Equal(t, 1, c.looks(), "it is armed again")
}

func TestThresholds(t *testing.T) {
	c := newTestCluster(t, 2)
	c.automate(`{"posture":"Reactive","expect":["a"],"for_each":["prefect.resource.id"],"threshold":2,"within":60}`)
	c.occur("a", "x")
	c.occur("a", "y")
	require.Zero(t, c.looks(), "each thing is counted for itself")
	c.occur("a", "x")
	require.Equal(t, 1, c.looks())
	c.advance(2 * prefect.Minute)
	c.occur("a", "y")
	require.Zero(t, c.looks(), "the first is too long ago")
	c.occur("a", "y")
	require.Equal(t, 1, c.looks())
}

func TestTriggersThatStartAfterAnEvent(t *testing.T) {
	c := newTestCluster(t, 1)
	c.automate(`{"posture":"Reactive","after":["begin"],"expect":["end"],"for_each":["prefect.resource.id"],"threshold":1,"within":60}`)
	c.occur("end", "x")
	require.Zero(t, c.looks())
	c.occur("begin", "x")
	c.occur("end", "y")
	c.occur("end", "x")
	require.Equal(t, 1, c.looks())
	c.occur("end", "x")
	require.Zero(t, c.looks(), "only once for each beginning")
}

func TestProactiveTriggers(t *testing.T) {
	c := newTestCluster(t, 1)
	c.automate(`{"posture":"Proactive","after":["beat"],"expect":["beat"],"for_each":["prefect.resource.id"],"threshold":1,"within":30}`)
	c.occur("beat", "x")
	for range 5 {
		require.Zero(t, c.waits(20*prefect.Second))
		c.occur("beat", "x")
		require.Zero(t, c.looks())
	}
	require.Zero(t, c.waits(29*prefect.Second))
	require.Equal(t, 1, c.waits(2*prefect.Second), "the beat is missing")
	require.Zero(t, c.waits(prefect.Hour), "which is told once")
	c.occur("beat", "x")
	require.Zero(t, c.looks())
	require.Equal(t, 1, c.waits(31*prefect.Second))

	c = newTestCluster(t, 1)
	c.automate(`{"posture":"Proactive","expect":["beat"],"threshold":1,"within":30}`)
	require.Zero(t, c.waits(0))
	require.Equal(t, 1, c.waits(31*prefect.Second), "no beat at all")
	require.Zero(t, c.waits(0))
	c.occur("beat", "x")
	require.Zero(t, c.looks())
	require.Zero(t, c.waits(31*prefect.Second))
}

func TestCompositeTriggers(t *testing.T) {
	const children = `"triggers":[{"posture":"Reactive","expect":["a"],"threshold":1},{"posture":"Reactive","expect":["b"],"threshold":1},{"posture":"Reactive","expect":["c"],"threshold":1}]`
	for name, test := range map[string]struct {
		trigger string
		events  string
		fires   int
	}{
		"all, in any order":  {`{"type":"compound","require":"all","within":60,` + children + `}`, "cab", 1},
		"all, one missing":   {`{"type":"compound","require":"all","within":60,` + children + `}`, "caa", 0},
		"all, too late":      {`{"type":"compound","require":"all","within":60,` + children + `}`, "ca-b", 0},
		"all, at any time":   {`{"type":"compound","require":"all","within":null,` + children + `}`, "ca-b", 1},
		"two":                {`{"type":"compound","require":2,"within":60,` + children + `}`, "aacc", 1},
		"two, and two again": {`{"type":"compound","require":2,"within":60,` + children + `}`, "abca", 2},
		"any":                {`{"type":"compound","require":"any","within":60,` + children + `}`, "abc", 3},
		"in order":           {`{"type":"sequence","within":60,` + children + `}`, "abc", 1},
		"out of order":       {`{"type":"sequence","within":60,` + children + `}`, "acb", 0},
		"within another":     {`{"type":"compound","require":"all","within":60,"triggers":[{"type":"sequence","within":60,` + children + `},{"posture":"Reactive","expect":["d"],"threshold":1}]}`, "dabc", 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestCluster(t, 2)
			c.automate(test.trigger)
			fired := 0
			for _, event := range test.events {
				if event == '-' {
					c.advance(2 * prefect.Minute)
					continue
				}
				c.occur(string(event), "thing")
				fired += c.looks()
			}
			require.Equal(t, test.fires, fired)
		})
	}
}

func TestAutomationsThatAreSwitchedOff(t *testing.T) {
	c := newTestCluster(t, 1)
	a := c.automate(`{"posture":"Reactive","expect":["a"],"threshold":1}`)
	must[any](c, Coordination, &EnableAutomation{ID: a.ID})
	c.occur("a", "x")
	require.Zero(t, c.looks())
	must[any](c, Coordination, &EnableAutomation{ID: a.ID, Enabled: true})
	c.advance(prefect.Millisecond)
	require.Zero(t, c.looks(), "what happened meanwhile is lost")
	c.occur("a", "x")
	require.Equal(t, 1, c.looks())
}

// forgetful is a cluster in which a leader now and then goes while it evaluates or acts:
// what it did is done again, or nobody learns that it was done.
type forgetful struct {
	*testCluster
	mu     sync.Mutex
	random *rand.Rand
}

// chance is true once in n times.
func (f *forgetful) chance(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.IntN(n) == 0
}

func (f *forgetful) Do(ctx context.Context, group int, op Operation) (any, error) {
	answer, err := any(nil), errGone
	if !f.chance(4) {
		answer, err = f.testCluster.Do(ctx, group, op)
	}
	if err == nil && f.chance(4) {
		return nil, errGone
	}
	return answer, err
}

// Each event runs a deployment once, whatever leaders do.
func TestEachEventActsOnce(t *testing.T) {
	c := newTestCluster(t, 3)
	f := &forgetful{testCluster: c, random: rand.New(rand.NewPCG(3, 5))}
	d := c.newDeployment()
	c.automate(`{"posture":"Reactive","expect":["a"],"threshold":1}`,
		fmt.Sprintf(`{"type":"run-deployment","deployment_id":"%s","parameters":{"who":"{{ event.resource.id }}","b":"{{ 1 + 1 }}"}}`, d.ID))
	want := map[string]int{}
	for i := range 300 {
		c.occur("a", fmt.Sprint("thing.", i))
		want[fmt.Sprintf(`{"a":1,"b":2,"who":"thing.%d"}`, i)] = 1
		_, _ = evaluateEvents(t.Context(), f, Coordination)
		_, _ = doActions(t.Context(), f, Coordination)
	}
	for c.looks() > 0 || view(c, Coordination, func(tx *store.Tx) int { return store.Invocations.Count(tx, store.Range{}) }) > 0 {
		_, err := doActions(t.Context(), c, Coordination)
		require.NoError(t, err)
	}
	got := map[string]int{}
	for _, run := range c.runsOf(d.ID) {
		got[string(run.Parameters)]++
		require.Equal(t, "AUTOMATION", *run.CreatedBy.Type)
	}
	require.Equal(t, want, got)
	outcomes := map[string]int{}
	for e := range sequence(c, Coordination) {
		outcomes[e.Event]++
	}
	for _, what := range []string{"triggered", "action.triggered", "action.executed"} {
		require.Equal(t, 300, outcomes["prefect.automation."+what], what)
	}
}

func TestActions(t *testing.T) {
	c := newTestCluster(t, 2)
	run := c.runningFlowRun(prefect.FlowRunPolicy{})
	d := c.newDeployment()
	state := func() string { return c.readFlowRun(run.ID).State.Name }
	for _, test := range []struct {
		action string
		failed string
		check  func() bool
	}{
		{`{"type":"do-nothing"}`, "", nil},
		{fmt.Sprintf(`{"type":"pause-deployment","deployment_id":"%s"}`, d.ID), "", nil},
		{`{"type":"pause-deployment","source":"inferred"}`, "No deployment could be inferred", nil},
		{fmt.Sprintf(`{"type":"pause-work-pool","work_pool_id":"%s"}`, d.ID), "Work pool not found.", nil},
		{`{"type":"change-flow-run-state","state":"PAUSED","name":"Held","message":"why"}`, "", func() bool { return state() == "Held" }},
		{`{"type":"resume-flow-run"}`, "", func() bool { return state() == "Running" }},
		{`{"type":"cancel-flow-run"}`, "", func() bool { return state() == "Cancelling" }},
		{`{"type":"suspend-flow-run"}`, "Failed to set state: Cannot transition flows that are cancelling to a state other than Cancelled.", nil},
		{`{"type":"delete-flow-run"}`, "", nil},
		{`{"type":"delete-flow-run"}`, "Flow run not found", nil},
	} {
		a := c.automate(`{"posture":"Reactive","expect":["a"],"threshold":1}`, test.action)
		c.occur("a", "prefect.flow-run."+run.ID.String())
		require.Equal(t, 1, c.looks())
		n, err := doActions(t.Context(), c, Coordination)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		var last *prefect.Event
		for e := range sequence(c, Coordination) {
			last = e
		}
		if test.failed == "" {
			require.Equal(t, "prefect.automation.action.executed", last.Event, "%s %s", test.action, last.Payload)
		} else {
			require.Equal(t, "prefect.automation.action.failed", last.Event, test.action)
			require.Contains(t, string(last.Payload), test.failed)
		}
		if test.check != nil {
			require.True(t, test.check(), "%s: %s", test.action, state())
		}
		must[any](c, Coordination, &DeleteAutomation{ID: a.ID})
	}
}

// An automation that would set itself going is refused, and one whose action is not built.
func TestAutomationsThatAreRefused(t *testing.T) {
	c := newTestCluster(t, 1)
	run := fmt.Sprintf(`{"type":"run-deployment","source":"selected","deployment_id":"%s"}`, c.newDeployment().ID)
	for _, test := range []struct{ trigger, action, text string }{
		{`{"posture":"Reactive","expect":["prefect.flow-run.Running"],"threshold":1}`, run, "Running a selected deployment"},
		{`{"posture":"Reactive","expect":["prefect.flow-run.*"],"threshold":1,"match":{"prefect.resource.id":"prefect.flow-run.*"}}`, `{"type":"run-deployment","source":"inferred"}`, "Running an inferred deployment"},
		{`{"posture":"Reactive","expect":["a"],"threshold":1}`, fmt.Sprintf(`{"type":"send-notification","source":"selected","block_document_id":"%s","body":"x"}`, c.NewID()), "not implemented"},
	} {
		var body prefect.AutomationCreate
		body.Enabled = true
		require.NoError(t, prefect.Unmarshal(prefect.JSON(test.trigger), &body.Trigger))
		body.Actions = make([]prefect.Action, 1)
		require.NoError(t, prefect.Unmarshal(prefect.JSON(test.action), &body.Actions[0]))
		_, err := c.Do(t.Context(), Coordination, &CreateAutomation{Body: body})
		require.ErrorContains(t, err, test.text)
	}
}

func BenchmarkTriggers(b *testing.B) {
	c := newTestCluster(b, 1)
	for i := range 100 {
		c.automate(fmt.Sprintf(`{"posture":"Reactive","expect":["a"],"match":{"prefect.resource.id":"thing.%d.*"},"for_each":["prefect.resource.id"],"threshold":3,"within":60}`, i))
	}
	for b.Loop() {
		for i := range 100 {
			c.occur("a", fmt.Sprintf("thing.%d.x", i))
		}
		c.looks()
	}
}
