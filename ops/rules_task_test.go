package ops

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// runningTask makes a task run that runs within a flow run that does.
func (c *testCluster) runningTask(policy prefect.TaskRunPolicy) *prefect.TaskRun {
	run := c.runningFlowRun(prefect.FlowRunPolicy{})
	task := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: run.ID, EmpiricalPolicy: policy})
	c.setTaskRun(task.ID, stateCreate(prefect.Running, "")).accepted(c.t, "Running")
	return task
}

func TestRetryDelays(t *testing.T) {
	c := newTestCluster(t, 1)
	task := c.runningTask(prefect.TaskRunPolicy{Retries: new(4), RetryDelay: prefect.JSON(`[1, 10.5, 100]`)})
	for i, delay := range []float64{1, 10.5, 100, 100} {
		o := c.setTaskRun(task.ID, stateCreate(prefect.Failed, ""))
		o.replaced(t, "AwaitingRetry", "Retrying")
		require.Equal(t, prefect.SecondsOf(delay), o.State.Details.ScheduledTime.Sub(o.State.Timestamp))
		require.Equal(t, i+1, c.readTaskRun(task.ID).RunCount)
		c.advance(101 * prefect.Second)
		c.setTaskRun(task.ID, stateCreate(prefect.Running, "")).accepted(t, "Retrying")
	}
	c.setTaskRun(task.ID, stateCreate(prefect.Failed, "")).accepted(t, "Failed")
}

func TestRetryDelayForms(t *testing.T) {
	for text, want := range map[string]float64{"": 0, "null": 0, "5": 5, "2.5": 2.5, "[]": 0, "[3]": 3, "[1,2,3]": 2} {
		require.Equal(t, want, retryDelay(prefect.JSON(text), 2), text)
	}
	require.Equal(t, 3.0, retryDelay(prefect.JSON(`[1,2,3]`), 0), "a run that never ran counts from the end")
}

func TestTasksThatAreNotRetried(t *testing.T) {
	c := newTestCluster(t, 1)
	task := c.runningTask(prefect.TaskRunPolicy{Retries: new(3)})
	failed := stateCreate(prefect.Failed, "")
	failed.Details.Retriable = new(false)
	c.setTaskRun(task.ID, failed).accepted(t, "Failed")
	failed.Details.Retriable = new(true)
	c.setTaskRun(c.runningTask(prefect.TaskRunPolicy{Retries: new(1)}).ID, failed).replaced(t, "AwaitingRetry", "Retrying")
	c.setTaskRun(c.runningTask(prefect.TaskRunPolicy{}).ID, failed).accepted(t, "Failed")
	c.setTaskRun(c.runningTask(prefect.TaskRunPolicy{Retries: new(1)}).ID, stateCreate(prefect.Crashed, "")).accepted(t, "Crashed")
	c.forceTaskRun(c.runningTask(prefect.TaskRunPolicy{Retries: new(1)}).ID, failed).accepted(t, "Failed")
}

func TestJitter(t *testing.T) {
	c := newTestCluster(t, 1)
	factor := prefect.Float(0.5)
	task := c.runningTask(prefect.TaskRunPolicy{Retries: new(200), RetryDelay: prefect.JSON("100"), RetryJitterFactor: &factor})
	low := 100 * math.Log2(math.Exp2(1.5)/(math.Exp2(1.5)-1))
	seen := map[prefect.Duration]bool{}
	for range 100 {
		o := c.setTaskRun(task.ID, stateCreate(prefect.Failed, ""))
		delay := o.State.Details.ScheduledTime.Sub(o.State.Timestamp)
		require.GreaterOrEqual(t, delay.Seconds(), low-1e-5)
		require.LessOrEqual(t, delay.Seconds(), 150.0)
		seen[delay] = true
		c.advance(delay)
		c.setTaskRun(task.ID, stateCreate(prefect.Running, "")).accepted(t, "Retrying")
	}
	require.Greater(t, len(seen), 50)
}

func TestClampedPoisson(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for factor, low := range map[float64]float64{0.1: 9.06, 0.3: 7.51, 1: 4.15, 5: 0.22, 60: 0} {
		const n = 20_000
		sum := 0.0
		for range n {
			wait := clampedPoisson(10, factor, r.Float64())
			require.LessOrEqual(t, wait, 10*(1+factor)+1e-9)
			require.GreaterOrEqual(t, wait, low-0.01)
			sum += wait
		}
		require.InDelta(t, 10, sum/n, 0.7, "factor %v", factor)
	}
}

func TestNamesOfReruns(t *testing.T) {
	c := newTestCluster(t, 1)
	task := c.runningTask(prefect.TaskRunPolicy{})
	c.setTaskRun(task.ID, stateCreate(prefect.Pending, "")).accepted(t, "Pending")
	c.setTaskRun(task.ID, stateCreate(prefect.Running, "Mine")).accepted(t, "Rerunning")
	c.setTaskRun(task.ID, stateCreate(prefect.Scheduled, "AwaitingRetry")).accepted(t, "AwaitingRetry")
	c.setTaskRun(task.ID, stateCreate(prefect.Running, "")).accepted(t, "Retrying")
	require.Equal(t, 3, c.readTaskRun(task.ID).RunCount)

	// Out of a terminal state the count starts anew, and the name stays.
	c.setTaskRun(task.ID, stateCreate(prefect.Failed, ""))
	c.setTaskRun(task.ID, stateCreate(prefect.Running, "Mine")).accepted(t, "Mine")
	require.Equal(t, 1, c.readTaskRun(task.ID).RunCount)
}

// When its flow run is retried, a task that runs again is called Retrying.
func TestTasksOfARetriedFlowRun(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.runningFlowRun(prefect.FlowRunPolicy{Retries: new(1)})
	task := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: run.ID})
	c.setTaskRun(task.ID, stateCreate(prefect.Running, "")).accepted(t, "Running")
	require.Equal(t, 1, c.readTaskRun(task.ID).FlowRunRunCount)
	c.setTaskRun(task.ID, stateCreate(prefect.Failed, "")).accepted(t, "Failed")
	c.setFlowRun(run.ID, stateCreate(prefect.Failed, "")).replaced(t, "AwaitingRetry", "Retrying")

	c.setTaskRun(task.ID, stateCreate(prefect.Running, "")).refused(t, aborted, "The enclosing flow must be running to begin task execution.")
	require.Equal(t, 1, c.readTaskRun(task.ID).RunCount, "what a refused rule changed is as before")

	c.setFlowRun(run.ID, stateCreate(prefect.Running, "")).accepted(t, "Running")
	c.setTaskRun(task.ID, stateCreate(prefect.Running, "")).accepted(t, "Retrying")
	require.Equal(t, 2, c.readTaskRun(task.ID).FlowRunRunCount)
}

func TestTasksOfAPausedFlowRun(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.runningFlowRun(prefect.FlowRunPolicy{})
	task := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: run.ID})
	pause := c.setFlowRun(run.ID, c.paused("", "k")).State
	o := c.setTaskRun(task.ID, stateCreate(prefect.Running, ""))
	o.replaced(t, "NotReady", "The flow is paused, new tasks can execute after resuming flow run: "+run.ID.String()+".")
	require.Equal(t, pause.Details.PauseTimeout, o.State.Details.PauseTimeout)
	require.Nil(t, o.State.Details.PauseKey)
	require.Zero(t, c.readTaskRun(task.ID).RunCount)
}

func TestDeferredTasks(t *testing.T) {
	c := newTestCluster(t, 1)
	parameters := c.NewID()
	planned := stateCreate(prefect.Scheduled, "")
	planned.Details.Deferred, planned.Details.TaskParametersID = new(true), parameters
	task := c.newTaskRun(prefect.TaskRunCreate{State: planned})
	pending := stateCreate(prefect.Pending, "")
	pending.Details.Deferred = new(true)
	o := c.setTaskRun(task.ID, pending)
	o.accepted(t, "Pending")
	require.Equal(t, parameters, o.State.Details.TaskParametersID)
	const picked = "This run is in a PENDING state and cannot transition to a PENDING state."
	c.setTaskRun(task.ID, pending).refused(t, aborted, picked)
	c.forceTaskRun(task.ID, pending).refused(t, aborted, picked)
	pending.Name = new("Submitting")
	c.setTaskRun(task.ID, pending).accepted(t, "Submitting")
	running := stateCreate(prefect.Running, "")
	running.Details.Deferred = new(true)
	o = c.setTaskRun(task.ID, running)
	o.accepted(t, "Running")
	require.Equal(t, parameters, o.State.Details.TaskParametersID)
}

// cached is a proposal with a cache key.
func cached(kind prefect.StateType, cacheKey string) *prefect.StateCreate {
	s := stateCreate(kind, "")
	s.Details.CacheKey = &cacheKey
	return s
}

func TestCache(t *testing.T) {
	for _, groups := range []int{1, 4} { // the entry is elsewhere, mostly
		c := newTestCluster(t, groups)
		for _, cacheKey := range []string{"a", "b", "c", "d", "e"} {
			first := c.runningTask(prefect.TaskRunPolicy{})
			done := cached(prefect.Completed, cacheKey)
			done.Message, done.Data = new("made"), prefect.JSON(`{"storage_key":"`+cacheKey+`"}`)
			kept := c.setTaskRun(first.ID, done)
			kept.accepted(t, "Completed")

			run := c.runningFlowRun(prefect.FlowRunPolicy{})
			second := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: run.ID})
			refresh := cached(prefect.Running, cacheKey)
			refresh.Details.RefreshCache = new(true)
			c.setTaskRun(second.ID, refresh).accepted(t, "Running")

			third := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: run.ID})
			o := c.setTaskRun(third.ID, cached(prefect.Running, cacheKey))
			o.replaced(t, "Cached", "Retrieved state from cache")
			require.Equal(t, prefect.Completed, o.State.Type)
			require.NotEqual(t, kept.State.ID, o.State.ID)
			require.Equal(t, "made", *o.State.Message)
			require.Equal(t, string(done.Data), string(o.State.Data))
			require.Equal(t, third.ID, o.State.Details.TaskRunID)
			require.Equal(t, run.ID, o.State.Details.FlowRunID)
			now := c.readTaskRun(third.ID)
			require.Equal(t, string(done.Data), string(now.State.Data))
			require.Zero(t, now.RunCount)
			require.Equal(t, now.StartTime, now.EndTime)
			require.Equal(t, o.State.Timestamp, now.EndTime)
		}
	}
}

func TestCacheExpires(t *testing.T) {
	c := newTestCluster(t, 2)
	store := func(message string, expiration prefect.Time) {
		done := cached(prefect.Completed, "key")
		done.Message, done.Details.CacheExpiration = &message, expiration
		c.setTaskRun(c.runningTask(prefect.TaskRunPolicy{}).ID, done).accepted(t, "Completed")
	}
	look := func() string {
		run := c.runningFlowRun(prefect.FlowRunPolicy{})
		task := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: run.ID})
		o := c.setTaskRun(task.ID, cached(prefect.Running, "key"))
		if o.Status == accepted {
			return ""
		}
		return *o.State.Message
	}
	require.Empty(t, look())
	store("for an hour", c.now.Add(prefect.Hour))
	require.Equal(t, "for an hour", look())
	store("for a minute", c.now.Add(prefect.Minute))
	require.Equal(t, "for a minute", look(), "the newest counts")
	c.advance(2 * prefect.Minute)
	require.Equal(t, "for an hour", look())
	c.advance(2 * prefect.Hour)
	require.Empty(t, look())
	store("for ever", 0)
	require.Equal(t, "for ever", look())
}

func TestLongCacheKeys(t *testing.T) {
	c := newTestCluster(t, 2)
	c.settings.MaxCacheKeyLength = 20
	fits, long := strings.Repeat("é", 20), strings.Repeat("é", 21)
	c.setTaskRun(c.runningTask(prefect.TaskRunPolicy{}).ID, cached(prefect.Completed, fits)).accepted(t, "Completed")
	o := c.setTaskRun(c.runningTask(prefect.TaskRunPolicy{}).ID, cached(prefect.Completed, long))
	o.replaced(t, "Completed", "Cache key exceeded maximum allowed length of 20 characters.")
	for _, group := range c.layout.RunGroups() {
		entries := view(c, group, func(tx *store.Tx) int { return store.TaskRunCache.Count(tx, store.Range{}) })
		require.LessOrEqual(t, entries, 2)
	}
}
