package ops

// The policies: which rules guard a transition, in their order. Concurrency
// limits are not kept yet, so the rules about them have nothing to do.
var (
	coreFlowPolicy = []rule{
		preserveLease,
		preventDuplicateTransitions,
		handleFlowTerminalStates,
		enforceCancellingToCancelled,
		bypassCancellingWithoutInfrastructure,
		preventPending(true),
		limit("ValidateDeploymentConcurrencyAtRunning"),
		limit("SecureFlowConcurrencySlots"),
		limit("RemoveDeploymentConcurrencyLeaseForOldClientVersions"),
		onlyScheduledIsLate,
		handlePausing,
		handleResuming,
		copyScheduledTime,
		waitForScheduledTime,
		retryFailedFlows,
		emitFlowRunState,
		limit("ReleaseFlowConcurrencySlots"),
	}
	minimalFlowPolicy = []rule{
		preserveLease,
		preventResultLoss,
		bypassCancellingWithoutInfrastructure,
		emitFlowRunState,
		limit("ReleaseFlowConcurrencySlots"),
	}
	coreTaskPolicy = []rule{
		retrieveCached,
		handleTaskTerminalStates,
		preventTasksOfStoppedFlows,
		limit("SecureTaskConcurrencySlots"),
		copyScheduledTime,
		waitForScheduledTime,
		retryFailedTasks,
		renameReruns,
		trackFlowRunCount,
		insertCached,
		limit("ReleaseTaskConcurrencySlots"),
	}
	backgroundTaskPolicy = []rule{
		preventPending(false),
		retrieveCached,
		handleTaskTerminalStates,
		copyScheduledTime,
		copyTaskParameters,
		waitForScheduledTime,
		retryFailedTasks,
		renameReruns,
		trackFlowRunCount,
		insertCached,
		limit("ReleaseTaskConcurrencySlots"),
	}
	minimalTaskPolicy = []rule{
		limit("ReleaseTaskConcurrencySlots"),
	}
)

// limit holds the place of a rule about concurrency limits.
func limit(name string) rule { return rule{name: name} }
