package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

// newLimited makes a deployment of which one run goes on at a time.
func (c *testCluster) newLimited(options *prefect.ConcurrencyOptions) *prefect.Deployment {
	one := 1
	body := prefect.DeploymentCreate{Name: "limited", FlowID: c.newFlow().ID}
	body.ConcurrencyLimit = prefect.Opt[*int]{Set: true, Value: &one}
	body.ConcurrencyOptions = prefect.Opt[*prefect.ConcurrencyOptions]{Set: true, Value: options}
	made, err := NewDeployment(c.t.Context(), c, &CreateDeployment{Body: body})
	require.NoError(c.t, err)
	return made.Object
}

// waitingRun makes a run of a deployment that waits to be picked up.
func (c *testCluster) waitingRun(d *prefect.Deployment) *prefect.FlowRun {
	return c.newFlowRun(prefect.FlowRunCreate{FlowID: d.FlowID, DeploymentID: d.ID, State: stateCreate(prefect.Scheduled, "")})
}

// renewing is a client that renews its leases.
var renewing = ClientInfo{PrefectVersion: "3.9.1"}

func (c *testCluster) becomes(run *prefect.FlowRun, kind prefect.StateType) *Orchestration {
	return c.proposeForFlowRun(SetFlowRunState{RunID: run.ID, State: *stateCreate(kind, ""), Client: renewing})
}

func (c *testCluster) expireLeases() {
	_, err := repossessor.Round(c.t.Context(), c, Coordination)
	require.NoError(c.t, err)
}

func TestSlotsOfADeployment(t *testing.T) {
	c := newTestCluster(t, 3)
	d := c.newLimited(nil)
	taken := func() int { return takenOf(t, c, nameOfOwnLimit(d)) }
	first, second := c.waitingRun(d), c.waitingRun(d)

	o := c.becomes(first, prefect.Pending)
	o.accepted(t, "Pending")
	lease := o.State.Details.DeploymentLeaseID
	require.False(t, lease.IsNull())
	require.Equal(t, 1, taken())
	o = c.becomes(second, prefect.Pending)
	o.replaced(t, "AwaitingConcurrencySlot", "Deployment concurrency limit reached.")
	require.InDelta(t, int64(c.Now().Add(30*prefect.Second)), int64(o.State.Details.ScheduledTime), float64(prefect.Second))
	require.True(t, o.State.Details.DeploymentLeaseID.IsNull())

	o = c.becomes(first, prefect.Running)
	o.accepted(t, "Running")
	require.Equal(t, lease, o.State.Details.DeploymentLeaseID)
	require.Equal(t, 1, taken())
	c.becomes(first, prefect.Completed).accepted(t, "Completed")
	require.Zero(t, taken(), "it is free when the answer is there")
	c.becomes(second, prefect.Pending).accepted(t, "Pending")
	require.Equal(t, 1, taken())

	require.NoError(t, RemoveFlowRun(t.Context(), c, second.ID))
	require.Zero(t, taken(), "a run that is deleted has none")
}

func TestRunsThatFindTheLimitFullAreCancelled(t *testing.T) {
	c := newTestCluster(t, 2)
	grace := 60
	d := c.newLimited(&prefect.ConcurrencyOptions{CollisionStrategy: prefect.CancelNew, GracePeriodSeconds: &grace})
	first, second, late := c.waitingRun(d), c.waitingRun(d), c.waitingRun(d)
	c.becomes(first, prefect.Pending).accepted(t, "Pending")
	c.becomes(second, prefect.Pending).replaced(t, "Cancelled", "Deployment concurrency limit reached.")
	c.advance(20 * prefect.Second)
	for group := range c.layout.RunGroups() {
		_, err := lateRuns.Round(t.Context(), c, group+1)
		require.NoError(t, err)
	}
	require.Equal(t, prefect.Cancelled, c.readFlowRun(late.ID).StateType)

	// The slot of a run that nobody hears of is the next one's after the grace period.
	c.advance(41 * prefect.Second)
	c.expireLeases()
	third := c.waitingRun(d)
	c.becomes(third, prefect.Pending).accepted(t, "Pending")
	c.becomes(first, prefect.Running).replaced(t, "Cancelled", "Deployment concurrency limit reached after lease expiry.")
	c.becomes(third, prefect.Failed).accepted(t, "Failed")

	fourth := c.waitingRun(d)
	o := c.becomes(fourth, prefect.Pending)
	lease := o.State.Details.DeploymentLeaseID
	c.advance(61 * prefect.Second)
	c.expireLeases()
	o = c.becomes(fourth, prefect.Running)
	o.accepted(t, "Running")
	require.NotEqual(t, lease, o.State.Details.DeploymentLeaseID, "there was another one")
	require.Equal(t, 1, takenOf(t, c, nameOfOwnLimit(d)))
}

// A client that renews nothing keeps its slot as long as its run goes on.
func TestSlotsOfOldClients(t *testing.T) {
	c := newTestCluster(t, 2)
	d := c.newLimited(nil)
	run := c.waitingRun(d)
	c.setFlowRun(run.ID, stateCreate(prefect.Pending, "")).accepted(t, "Pending")
	c.setFlowRun(run.ID, stateCreate(prefect.Running, "")).accepted(t, "Running")
	c.advance(prefect.Day)
	c.expireLeases()
	require.Equal(t, 1, takenOf(t, c, nameOfOwnLimit(d)))
	c.setFlowRun(run.ID, stateCreate(prefect.Crashed, "")).accepted(t, "Crashed")
	require.Zero(t, takenOf(t, c, nameOfOwnLimit(d)))
}

// While a run waits for its next try in the same process, it keeps its slot; once it is
// rescheduled it has to take another.
func TestSlotsOfRetries(t *testing.T) {
	c := newTestCluster(t, 2)
	d := c.newLimited(nil)
	run := c.newFlowRun(prefect.FlowRunCreate{FlowID: d.FlowID, DeploymentID: d.ID, State: stateCreate(prefect.Scheduled, ""),
		EmpiricalPolicy: prefect.FlowRunPolicy{Retries: new(1)}})
	c.becomes(run, prefect.Pending).accepted(t, "Pending")
	c.becomes(run, prefect.Running).accepted(t, "Running")
	c.becomes(run, prefect.Failed).replaced(t, "AwaitingRetry", "Retrying")
	require.Equal(t, 1, takenOf(t, c, nameOfOwnLimit(d)))
	c.becomes(run, prefect.Running).accepted(t, "Running")
	c.becomes(run, prefect.Scheduled).accepted(t, "Scheduled")
	require.Zero(t, takenOf(t, c, nameOfOwnLimit(d)))
	c.becomes(run, prefect.Pending).accepted(t, "Pending")
	require.Equal(t, 1, takenOf(t, c, nameOfOwnLimit(d)))
}

// A proposal that another rule refuses takes no slot.
func TestSlotsThatAreNotNeeded(t *testing.T) {
	c := newTestCluster(t, 2)
	d := c.newLimited(nil)
	run := c.waitingRun(d)
	c.becomes(run, prefect.Pending).accepted(t, "Pending")
	c.becomes(run, prefect.Pending)
	require.Equal(t, 1, takenOf(t, c, nameOfOwnLimit(d)))
	c.becomes(run, prefect.Cancelled).accepted(t, "Cancelled")
	require.Zero(t, takenOf(t, c, nameOfOwnLimit(d)))

	zero := 0
	must[any](c, Coordination, &UpdateLimit{LimitKey{Name: nameOfOwnLimit(d)}, prefect.ConcurrencyLimitUpdate{Limit: prefect.Opt[*int]{Set: true, Value: &zero}}})
	other := c.waitingRun(d)
	c.becomes(other, prefect.Pending).refused(t, aborted, "The deployment concurrency limit is 0. The flow will deadlock if submitted again.")
	c.becomes(c.waitingRun(&prefect.Deployment{ID: c.NewID(), FlowID: d.FlowID}), prefect.Pending).refused(t, aborted, "Deployment not found.")
}

func TestVersionsOfClients(t *testing.T) {
	for version, renews := range map[string]bool{"": false, "3.4.10": false, "3.4.11": true, "3.4.11rc1": true, "3.9.1.dev3": true, "2.20.4": false, "nonsense": false} {
		require.Equal(t, renews, ClientInfo{PrefectVersion: version}.renewsLeases(), version)
	}
}
