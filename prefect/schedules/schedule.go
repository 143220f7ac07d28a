package schedules

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"prefectd/prefect"
)

// Schedule says when runs are due.
type Schedule interface {
	dates(start time.Time, yield func(time.Time) bool) error
	// Kind is the name of its class in the reference.
	Kind() string
}

// Kind is the name of its class in the reference.
func (*Interval) Kind() string { return "IntervalSchedule" }

// Kind is the name of its class in the reference.
func (*Cron) Kind() string { return "CronSchedule" }

// maxCandidates bounds the dates of a schedule that are looked at, and those that are
// given when an end but no number is (reference/scheduling.md).
const (
	maxCandidates = 1002
	maxDates      = 1000
)

// form is a schedule as it is stored, in the form that the API prints it in.
type form struct {
	Interval   *float64     `json:"interval"`
	AnchorDate prefect.Time `json:"anchor_date"`
	Cron       *string      `json:"cron"`
	DayOr      *bool        `json:"day_or"`
	RRule      *string      `json:"rrule"`
	Timezone   *string      `json:"timezone"`
}

// Parse reads a schedule in the form that the API prints it in.
func Parse(raw prefect.JSON) (Schedule, error) {
	var f form
	if err := prefect.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("schedule: %w", err)
	}
	zone := time.UTC
	if f.Timezone != nil {
		var err error
		if zone, err = Zone(*f.Timezone); err != nil {
			return nil, err
		}
	}
	switch {
	case f.Interval != nil:
		return NewInterval(*f.Interval, f.AnchorDate.Go(), zone)
	case f.Cron != nil:
		return ParseCron(*f.Cron, zone, f.DayOr == nil || *f.DayOr)
	}
	if f.RRule != nil {
		return ParseRRule(*f.RRule, zone)
	}
	return nil, errors.New("a schedule needs an interval, a cron line or a recurrence rule")
}

// NewInterval makes a schedule at intervals of so many seconds.
func NewInterval(seconds float64, anchor time.Time, zone *time.Location) (*Interval, error) {
	length := time.Duration(seconds * float64(time.Second))
	if length <= 0 {
		return nil, errors.New("interval must be positive")
	}
	return &Interval{length, anchor, zone}, nil
}

// Dates are the first n dates from start to end, both included. Without n it is one, or
// with an end up to a thousand; without an end (zero) there is none.
func Dates(s Schedule, n int, start, end time.Time) ([]time.Time, error) {
	if n == 0 {
		if n = 1; !end.IsZero() {
			n = maxDates
		}
	}
	var dates []time.Time
	err := s.dates(start, func(date time.Time) bool {
		if !end.IsZero() && date.After(end) {
			return false
		}
		if !slices.ContainsFunc(dates, date.Equal) {
			dates = append(dates, date)
		}
		return len(dates) < n
	})
	slices.SortFunc(dates, time.Time.Compare)
	return dates, err
}
