package prefect

// Start is when the run started or, if it has not, is expected to: the time by
// which runs are listed.
func (r *FlowRun) Start() Time {
	if r.StartTime != 0 {
		return r.StartTime
	}
	return r.ExpectedStartTime
}

// Compute fills in the estimates, which change with time.
func (r *FlowRun) Compute(now Time) {
	r.EstimatedRunTime = runTime(now, r.TotalRunTime, r.StateType, r.StateTimestamp)
	r.EstimatedStartTimeDelta = lateness(now, r.ExpectedStartTime, r.StartTime, r.StateType)
}

// Compute fills in the estimates, which change with time.
func (r *TaskRun) Compute(now Time) {
	r.EstimatedRunTime = r.runTime(now)
	r.EstimatedStartTimeDelta = lateness(now, r.ExpectedStartTime, r.StartTime, r.StateType)
}

func (r *TaskRun) runTime(now Time) Duration {
	return runTime(now, r.TotalRunTime, r.StateType, r.StateTimestamp)
}

// runTime adds to the time of the runs before that of the current one.
func runTime(now Time, total Duration, state StateType, since Time) Duration {
	if state == Running && since != 0 {
		total += now.Sub(since)
	}
	return total
}

// lateness is by how much a run started, or is going to start, after the time for
// which it was meant.
func lateness(now, expected, start Time, state StateType) Duration {
	switch {
	case expected == 0:
		return 0
	case start != 0:
		return max(0, start.Sub(expected))
	case state.IsTerminal():
		return 0
	}
	return max(0, now.Sub(expected))
}
