package ops

import "prefectd/prefect"

// The rules about what is not there yet: concurrency limits. They stand in their
// places in the policies and say which transitions they guard; without a limit
// they have little to do.

// The concurrency limit of a flow run's deployment: a slot is taken before the run
// becomes pending and kept by a lease until it has ended.
var (
	secureFlowSlots = rule{
		name: "SecureFlowConcurrencySlots",
		from: anyState &^ states(prefect.Pending, prefect.Running, prefect.Cancelling), to: states(prefect.Pending),
	}
	validateSlotAtRunning = rule{
		name: "ValidateDeploymentConcurrencyAtRunning",
		from: states(prefect.Pending), to: states(prefect.Running),
		before: func(t *transition) {
			t.proposed.Details.DeploymentLeaseID = t.initial.Details.DeploymentLeaseID
		},
	}
	dropLeaseOfOldClients = rule{
		name: "RemoveDeploymentConcurrencyLeaseForOldClientVersions",
		from: states(prefect.Pending), to: states(prefect.Running, prefect.Cancelling),
	}
	enforceSlotsOnLate = rule{
		name: "EnforceDeploymentConcurrencyOnLate",
		from: states(prefect.Scheduled), to: states(prefect.Scheduled),
	}
	releaseFlowSlots = rule{name: "ReleaseFlowConcurrencySlots", always: true}
)
