package ops

import (
	"context"
	"errors"
	"fmt"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// Settle delivers what the groups have in their outboxes, until they are empty.
func (c *testCluster) Settle(ctx context.Context, _ int) error {
	for again := true; again; {
		again = false
		for _, from := range c.layout.All() {
			waiting, err := Ask[[]store.Message](ctx, c, from, &Waiting{Limit: 100})
			if err != nil {
				return err
			}
			for _, m := range waiting {
				again = true
				if err := c.deliver(ctx, from, m); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *testCluster) deliver(ctx context.Context, from int, m store.Message) error {
	refusals, err := Do[[]error](ctx, c, m.Group, &Deliver{From: from, Messages: []store.Message{m}})
	if err != nil {
		return err
	}
	if len(refusals) > 0 {
		return errors.Join(refusals...)
	}
	_, err = c.Do(ctx, from, &Delivered{Group: m.Group, Sequence: m.Sequence})
	return err
}

// advance moves the clock.
func (c *testCluster) advance(d prefect.Duration) {
	c.clock.Lock()
	defer c.clock.Unlock()
	c.now = c.now.Add(d)
}

// must runs an operation that is expected to succeed.
func must[A any](c *testCluster, group int, op Operation) A {
	answer, err := Do[A](c.t.Context(), c, group, op)
	require.NoError(c.t, err)
	return answer
}

// newFlow makes a flow of any name.
func (c *testCluster) newFlow(tags ...string) *prefect.Flow {
	name := "flow " + c.NewID().String()
	return must[Upserted[prefect.Flow]](c, Coordination, &CreateFlow{Flow: prefect.FlowCreate{Name: name, Tags: tags}}).Object
}

// newFlowRun makes a flow run of a flow of its own.
func (c *testCluster) newFlowRun(body prefect.FlowRunCreate) *prefect.FlowRun {
	if body.FlowID.IsNull() {
		body.FlowID = c.newFlow().ID
	}
	made, err := NewFlowRun(c.t.Context(), c, body, nil)
	require.NoError(c.t, err)
	return made.Object
}

// runningFlowRun makes a flow run that runs, with a policy.
func (c *testCluster) runningFlowRun(policy prefect.FlowRunPolicy) *prefect.FlowRun {
	return c.newFlowRun(prefect.FlowRunCreate{EmpiricalPolicy: policy, State: stateCreate(prefect.Running, "")})
}

// newTaskRun makes a task run; one without keys gets its own.
func (c *testCluster) newTaskRun(body prefect.TaskRunCreate) *prefect.TaskRun {
	if body.DynamicKey == "" {
		body.TaskKey, body.DynamicKey = "task", c.NewID().String()
	}
	made, err := NewTaskRun(c.t.Context(), c, body)
	require.NoError(c.t, err)
	return made.Object
}

// stateCreate is a proposal; the name may be empty.
func stateCreate(kind prefect.StateType, name string) *prefect.StateCreate {
	s := &prefect.StateCreate{Type: kind}
	if name != "" {
		s.Name = &name
	}
	return s
}

// setFlowRun proposes a state for a flow run, a little later.
func (c *testCluster) setFlowRun(id prefect.ID, s *prefect.StateCreate) *Orchestration {
	return c.proposeForFlowRun(SetFlowRunState{RunID: id, State: *s})
}

// forceFlowRun is setFlowRun with force.
func (c *testCluster) forceFlowRun(id prefect.ID, s *prefect.StateCreate) *Orchestration {
	return c.proposeForFlowRun(SetFlowRunState{RunID: id, State: *s, Force: true})
}

func (c *testCluster) proposeForFlowRun(op SetFlowRunState) *Orchestration {
	c.advance(20 * prefect.Millisecond)
	o, err := ChangeFlowRunState(c.t.Context(), c, op)
	require.NoError(c.t, err)
	return o
}

// setTaskRun proposes a state for a task run, a little later.
func (c *testCluster) setTaskRun(id prefect.ID, s *prefect.StateCreate) *Orchestration {
	return c.proposeForTaskRun(SetTaskRunState{RunID: id, State: *s})
}

// forceTaskRun is setTaskRun with force.
func (c *testCluster) forceTaskRun(id prefect.ID, s *prefect.StateCreate) *Orchestration {
	return c.proposeForTaskRun(SetTaskRunState{RunID: id, State: *s, Force: true})
}

func (c *testCluster) proposeForTaskRun(op SetTaskRunState) *Orchestration {
	c.advance(20 * prefect.Millisecond)
	o, err := ChangeTaskRunState(c.t.Context(), c, op)
	require.NoError(c.t, err)
	return o
}

// readFlowRun reads a flow run with its state.
func (c *testCluster) readFlowRun(id prefect.ID) *prefect.FlowRun {
	return view(c, c.layout.Of(id), func(tx *store.Tx) *prefect.FlowRun {
		run := flowRun(tx, id)
		require.NotNil(c.t, run)
		return completeFlowRun(tx, run, c.now)
	})
}

// readTaskRun reads a task run with its state, wherever it is.
func (c *testCluster) readTaskRun(id prefect.ID) *prefect.TaskRun {
	_, task, err := FindTaskRun(c.t.Context(), c, id)
	require.NoError(c.t, err)
	require.NotNil(c.t, task, fmt.Sprint(id))
	return task
}

// refused checks that a proposal was answered with the run's current state.
func (o *Orchestration) refused(t require.TestingT, status, reason string) {
	require.Equal(t, status, o.Status)
	require.False(t, o.Created)
	require.NotNil(t, o.Details.Reason)
	require.Equal(t, reason, *o.Details.Reason)
}

// replaced checks that another state took the place of the proposal.
func (o *Orchestration) replaced(t require.TestingT, name, reason string) {
	require.Equal(t, rejected, o.Status)
	require.True(t, o.Created)
	require.Equal(t, reason, *o.Details.Reason)
	require.Equal(t, name, o.State.Name)
}

// accepted checks that the proposal was taken, under a name.
func (o *Orchestration) accepted(t require.TestingT, name string) {
	require.Equal(t, accepted, o.Status)
	require.True(t, o.Created)
	require.Equal(t, name, o.State.Name)
}
