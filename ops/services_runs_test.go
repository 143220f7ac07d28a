package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// round makes a round of a service in every group that it has, and answers how
// much was done.
func (c *testCluster) round(name string) (acted int) {
	for _, group := range c.layout.All() {
		for _, s := range ServicesOf(group, c.settings) {
			if s.Name == name {
				n, err := s.Round(c.t.Context(), c, group)
				require.NoError(c.t, err)
				acted += n
			}
		}
	}
	require.NoError(c.t, c.Settle(c.t.Context(), 0))
	return acted
}

// scheduled is a proposal for a time.
func scheduled(name string, when prefect.Time) *prefect.StateCreate {
	s := stateCreate(prefect.Scheduled, name)
	s.Details.ScheduledTime = when
	return s
}

func TestLateRuns(t *testing.T) {
	c := newTestCluster(t, 2)
	when := c.now.Add(prefect.Hour)
	var due []*prefect.FlowRun
	for range 300 { // more than a page
		due = append(due, c.newFlowRun(prefect.FlowRunCreate{State: scheduled("", when), IdempotencyKey: new(c.NewID().String())}))
	}
	later := c.newFlowRun(prefect.FlowRunCreate{State: scheduled("", when.Add(prefect.Hour))})
	retried := c.newFlowRun(prefect.FlowRunCreate{State: scheduled("AwaitingRetry", when)})
	started := c.newFlowRun(prefect.FlowRunCreate{State: scheduled("", when)})
	c.setFlowRun(started.ID, stateCreate(prefect.Pending, ""))

	c.advance(when.Add(14 * prefect.Second).Sub(c.now))
	require.Zero(t, c.round("late_runs"))
	c.advance(prefect.Second)
	require.Equal(t, len(due), c.round("late_runs"))
	require.Zero(t, c.round("late_runs"))
	for _, run := range due {
		now := c.readFlowRun(run.ID)
		require.Equal(t, "Late", now.State.Name)
		require.Nil(t, now.State.Message)
		require.Equal(t, when, now.State.Details.ScheduledTime)
		require.Equal(t, when, now.NextScheduledStartTime)
	}
	for _, run := range []*prefect.FlowRun{later, retried} {
		require.Equal(t, run.StateID, c.readFlowRun(run.ID).StateID)
	}
	require.Equal(t, "Pending", c.readFlowRun(started.ID).State.Name)
	events := c.eventsOf(due[0].ID)
	require.Equal(t, "prefect.flow-run.Late", events[len(events)-1].Event)
}

func TestPauseExpirations(t *testing.T) {
	c := newTestCluster(t, 2)
	pause := func(timeout prefect.Duration) *prefect.FlowRun {
		run := c.runningFlowRun(prefect.FlowRunPolicy{})
		s := stateCreate(prefect.Paused, "")
		if timeout > 0 {
			s.Details.PauseTimeout = c.now.Add(timeout)
		}
		c.setFlowRun(run.ID, s).accepted(t, "Paused")
		return run
	}
	short, long, forever, resumed := pause(prefect.Minute), pause(prefect.Hour), pause(0), pause(prefect.Minute)
	c.setFlowRun(resumed.ID, stateCreate(prefect.Running, "")).accepted(t, "Running")
	require.Zero(t, c.round("pause_expirations"))
	c.advance(2 * prefect.Minute)
	require.Equal(t, 1, c.round("pause_expirations"))
	require.Zero(t, c.round("pause_expirations"))
	given := c.readFlowRun(short.ID).State
	require.Equal(t, "Failed", given.Name)
	require.Equal(t, "The flow was paused and never resumed.", *given.Message)
	require.Equal(t, "Paused", c.readFlowRun(long.ID).State.Name)
	require.Equal(t, "Paused", c.readFlowRun(forever.ID).State.Name)
	require.Equal(t, "Running", c.readFlowRun(resumed.ID).State.Name)
}

func TestCancellingTimesOut(t *testing.T) {
	c := newTestCluster(t, 2)
	run, other := c.runningFlowRun(prefect.FlowRunPolicy{}), c.runningFlowRun(prefect.FlowRunPolicy{})
	c.setFlowRun(run.ID, stateCreate(prefect.Cancelling, "")).accepted(t, "Cancelling")
	c.advance(299 * prefect.Second)
	require.Zero(t, c.round("cancellation_cleanup"))
	c.setFlowRun(other.ID, stateCreate(prefect.Cancelling, "")).accepted(t, "Cancelling")
	c.advance(2 * prefect.Second)
	require.Equal(t, 1, c.round("cancellation_cleanup"))
	given := c.readFlowRun(run.ID).State
	require.Equal(t, "Cancelled", given.Name)
	require.Equal(t, "Flow run cancellation timed out; marked this flow run as Cancelled.", *given.Message)
	require.Equal(t, "Cancelling", c.readFlowRun(other.ID).State.Name)
}

// A wait that ended between the look and the operation is left alone.
func TestWaitsThatEndedAreLeftAlone(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.newFlowRun(prefect.FlowRunCreate{State: scheduled("", c.now)})
	c.advance(prefect.Minute)
	acted := false
	c.gate = func(group int, op Operation) error {
		if _, ok := op.(*EndWait); ok && !acted {
			acted = true
			c.setFlowRun(run.ID, stateCreate(prefect.Running, ""))
		}
		return nil
	}
	require.Zero(t, c.round("late_runs"))
	require.True(t, acted)
	require.Equal(t, "Running", c.readFlowRun(run.ID).State.Name)
}

// notes counts the cancelled runs that the service is to look below.
func (c *testCluster) notes() (n int) {
	for _, group := range c.layout.RunGroups() {
		n += view(c, group, func(tx *store.Tx) int { return store.CancelledRuns.Count(tx, store.Range{}) })
	}
	return n
}

func TestTaskRunsOfACancelledFlowRun(t *testing.T) {
	c := newTestCluster(t, 2)
	run, alone := c.runningFlowRun(prefect.FlowRunPolicy{}), c.runningFlowRun(prefect.FlowRunPolicy{})
	var tasks []*prefect.TaskRun
	for range 250 { // more than a page
		tasks = append(tasks, c.newTaskRun(prefect.TaskRunCreate{FlowRunID: run.ID}))
	}
	c.setTaskRun(tasks[0].ID, stateCreate(prefect.Running, ""))
	c.setTaskRun(tasks[0].ID, stateCreate(prefect.Completed, ""))
	require.Zero(t, c.round("cancellation_cleanup"))
	for _, r := range []*prefect.FlowRun{run, alone} {
		c.forceFlowRun(r.ID, stateCreate(prefect.Cancelled, "")).accepted(t, "Cancelled")
	}
	require.Equal(t, 1, c.notes(), "nothing is below the other one")
	require.Equal(t, len(tasks)-1, c.round("cancellation_cleanup"))
	require.Equal(t, "Completed", c.readTaskRun(tasks[0].ID).State.Name)
	for _, task := range tasks[1:] {
		now := c.readTaskRun(task.ID)
		require.Equal(t, "Cancelled", now.State.Name)
		require.Equal(t, "The parent flow run was cancelled.", *now.State.Message)
	}
	require.Zero(t, c.notes())
	require.Zero(t, c.round("cancellation_cleanup"))

	t.Run("comes alive again", func(t *testing.T) {
		c.forceTaskRun(tasks[0].ID, stateCreate(prefect.Running, ""))
		require.Equal(t, 1, c.round("cancellation_cleanup"))
		require.Equal(t, "Cancelled", c.readTaskRun(tasks[0].ID).State.Name)
		require.Zero(t, c.notes())
	})
	t.Run("is heard of late", func(t *testing.T) {
		late := c.NewID()
		require.Empty(t, c.take(report(late, run.ID, "RUNNING", c.Now(), "")).Refused)
		require.Equal(t, 1, c.round("cancellation_cleanup"))
		require.Equal(t, "Cancelled", c.readTaskRun(late).State.Name)
	})
	t.Run("of one that goes on", func(t *testing.T) {
		again := c.runningFlowRun(prefect.FlowRunPolicy{})
		task := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: again.ID})
		c.forceFlowRun(again.ID, stateCreate(prefect.Cancelled, ""))
		c.forceFlowRun(again.ID, stateCreate(prefect.Running, ""))
		require.Zero(t, c.round("cancellation_cleanup"))
		require.Equal(t, "Pending", c.readTaskRun(task.ID).State.Name)
		require.Zero(t, c.notes())
	})
}

// Subflow runs follow their parent, in whichever group they are; one of a deployment
// is told to end, once.
func TestSubflowsOfACancelledFlowRun(t *testing.T) {
	for name, key := range map[string]*string{"beside it": nil, "anywhere": new("key")} {
		t.Run(name, func(t *testing.T) {
			c := newTestCluster(t, 4)
			var children, deployed, grandchildren, ended []prefect.ID
			for range 6 {
				parent := c.runningFlowRun(prefect.FlowRunPolicy{})
				child := func(of prefect.ID, s prefect.StateType) prefect.ID {
					task := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: of})
					return c.newFlowRun(prefect.FlowRunCreate{ParentTaskRunID: task.ID, IdempotencyKey: key, State: stateCreate(s, "")}).ID
				}
				children = append(children, child(parent.ID, prefect.Running))
				grandchildren = append(grandchildren, child(children[len(children)-1], prefect.Running))
				ended = append(ended, child(parent.ID, prefect.Completed))
				of := child(parent.ID, prefect.Running)
				c.put(c.layout.Of(of), func(tx *store.Tx) {
					run := flowRun(tx, of)
					run.DeploymentID = of
					store.FlowRuns.Put(tx, run)
				})
				deployed = append(deployed, of)
				c.forceFlowRun(parent.ID, stateCreate(prefect.Cancelled, ""))
			}
			for rounds := 0; c.round("cancellation_cleanup") > 0; rounds++ {
				require.Less(t, rounds, 10, "it comes to an end")
			}
			expect := func(name string, runs []prefect.ID) {
				for _, id := range runs {
					run := c.readFlowRun(id)
					require.Equal(t, name, run.State.Name)
					if name != "Completed" {
						require.Equal(t, "The parent flow run was cancelled.", *run.State.Message)
					}
				}
			}
			expect("Cancelled", children)
			expect("Cancelled", grandchildren)
			expect("Completed", ended)
			expect("Cancelling", deployed)
			require.Zero(t, c.notes())
		})
	}
}

// What a round costs that finds nothing to do does not depend on how many runs there are.
func TestRoundsWithNothingDueLookAtNothing(t *testing.T) {
	c := newTestCluster(t, 1)
	for i := range 200 {
		run := c.runningFlowRun(prefect.FlowRunPolicy{})
		c.newTaskRun(prefect.TaskRunCreate{FlowRunID: run.ID})
		s := []*prefect.StateCreate{
			scheduled("Late", c.now), scheduled("", c.now.Add(prefect.Hour)), stateCreate(prefect.Paused, ""),
			stateCreate(prefect.Cancelled, ""), stateCreate(prefect.Cancelling, ""), stateCreate(prefect.Completed, ""),
		}[i%6]
		c.forceFlowRun(run.ID, s)
	}
	for c.round("cancellation_cleanup") > 0 {
		continue
	}
	for _, q := range []Query{
		&FindDue{Due: store.DueStart, Until: c.now, Limit: 10}, &FindDue{Due: store.DueResume, Until: c.now, Limit: 10},
		&FindDue{Due: store.DueCancel, Until: c.now.Add(-prefect.Minute), Limit: 10}, &FindCancelled{Limit: 10},
		&FindOldFlowRuns{Until: c.now.Add(-prefect.Day), Limit: 10}, &FindOldEvents{Until: c.now.Add(-prefect.Day), Limit: 10},
	} {
		view(c, 1, func(tx *store.Tx) any {
			_, err := q.Read(tx, c.now)
			require.NoError(t, err)
			require.LessOrEqual(t, tx.Visited(), 2, "%T", q)
			return nil
		})
	}
}

func TestServicesCanBeSwitchedOff(t *testing.T) {
	s := DefaultSettings()
	names := func(group int) (names []string) {
		for _, v := range ServicesOf(group, s) {
			require.Positive(t, v.Every(s))
			names = append(names, v.Name)
		}
		return names
	}
	require.Subset(t, names(1), []string{"late_runs", "pause_expirations", "cancellation_cleanup"})
	s.LateRuns.Enabled, s.PauseExpirations.Enabled, s.CancellationCleanup.Enabled = false, false, false
	for _, name := range []string{"late_runs", "pause_expirations", "cancellation_cleanup"} {
		require.NotContains(t, names(1), name)
	}
}
