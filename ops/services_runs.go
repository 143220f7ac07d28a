package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// Rounds says whether a service runs, and how long it rests after each round.
type Rounds struct {
	Enabled bool             // PREFECT_SERVER_SERVICES_<name>_ENABLED
	Every   prefect.Duration // PREFECT_SERVER_SERVICES_<name>_LOOP_SECONDS
}

// LateRuns are the settings of the service that marks runs which nobody picks up.
type LateRuns struct {
	Rounds
	After prefect.Duration // PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS
}

// CancellationCleanup are those of the service that sees cancellations through.
type CancellationCleanup struct {
	Rounds
	Timeout prefect.Duration // PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS
}

// round is what a service does once.
type round = func(ctx context.Context, b Backend, group int) (acted int, err error)

// The services that keep runs from staying as they are for ever.
var (
	lateRuns            = serviceOf("late_runs", func(s *Settings) *Rounds { return &s.LateRuns.Rounds }, endWaits(store.DueStart))
	pauseExpirations    = serviceOf("pause_expirations", func(s *Settings) *Rounds { return &s.PauseExpirations }, endWaits(store.DueResume))
	cancellationCleanup = serviceOf("cancellation_cleanup", func(s *Settings) *Rounds { return &s.CancellationCleanup.Rounds }, cleanUpCancellations)
)

func serviceOf(name string, rounds func(*Settings) *Rounds, act round) Service {
	return Service{
		Name:    name,
		Enabled: func(s *Settings) bool { return rounds(s).Enabled },
		Every:   func(s *Settings) prefect.Duration { return rounds(s).Every },
		Round:   act,
	}
}
