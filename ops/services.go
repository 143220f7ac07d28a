package ops

import (
	"context"
	"slices"

	"prefectd/prefect"
)

// Service is work that is done without a request: on the node that leads a group, in
// rounds. A round acts by ordinary operations, which look again whether what it saw
// still holds; so a round that is cut short, or that two leaders begin, does no harm.
type Service struct {
	Name string // that of its settings, and of its metrics
	// Coordination says that it is the coordination group's; else every run group has
	// its own.
	Coordination bool
	Enabled      func(s *Settings) bool
	Every        func(s *Settings) prefect.Duration // from the end of a round to the next
	// Round does what is due by b.Now and answers how much it was.
	Round func(ctx context.Context, b Backend, group int) (acted int, err error)
}

// ServicesOf lists the services of a group that the settings ask for.
func ServicesOf(group int, s *Settings) []Service {
	return slices.DeleteFunc(services(), func(v Service) bool {
		return v.Coordination != (group == Coordination) || !v.Enabled(s)
	})
}

// services lists all of them.
func services() []Service {
	return []Service{
		foreman,
		repossessor,
		lateRuns,
		pauseExpirations,
		cancellationCleanup,
		vacuumEvents,
		vacuumCoordinationEvents,
		vacuumFlowRuns,
		vacuumOrphans,
		cleanupReconciler,
		scheduler,
		triggers,
		proactiveTriggers,
		actions,
	}
}
