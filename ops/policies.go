package ops

// The policies: which rules guard a transition, in their order.
var (
	coreFlowPolicy = []rule{
		preserveLease,
		preventDuplicateTransitions,
		handleFlowTerminalStates,
		enforceCancellingToCancelled,
		bypassCancellingWithoutInfrastructure,
		preventPending,
		validateSlotAtRunning,
		secureFlowSlots,
		dropLeaseOfOldClients,
		onlyScheduledIsLate,
		handlePausing,
		handleResuming,
		copyScheduledTime,
		waitForScheduledTime,
		retryFailedFlows,
		emitFlowRunState,
		releaseFlowSlots,
	}
	minimalFlowPolicy = []rule{
		preserveLease,
		preventResultLoss,
		bypassCancellingWithoutInfrastructure,
		emitFlowRunState,
		releaseFlowSlots,
	}
	markLatePolicy = []rule{
		onlyScheduledIsLate,
		enforceSlotsOnLate,
		emitFlowRunState,
	}
	coreTaskPolicy = []rule{
		retrieveCached,
		handleTaskTerminalStates,
		preventTasksOfStoppedFlows,
		secureTaskSlots,
		copyScheduledTime,
		waitForScheduledTime,
		retryFailedTasks,
		renameReruns,
		trackFlowRunCount,
		insertCached,
		releaseTaskSlots,
	}
	backgroundTaskPolicy = []rule{
		preventPending,
		retrieveCached,
		handleTaskTerminalStates,
		copyScheduledTime,
		copyTaskParameters,
		waitForScheduledTime,
		retryFailedTasks,
		renameReruns,
		trackFlowRunCount,
		insertCached,
		releaseTaskSlots,
		enqueueScheduled,
	}
	minimalTaskPolicy = []rule{
		releaseTaskSlots,
	}
)
