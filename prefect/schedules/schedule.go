// Package schedules computes the dates of interval, cron and rrule schedules in their
// time zones, as the Python server does.
//
// Dates are wall times first: a cron or recurrence rule is about what the clock on the
// wall shows, and what becomes of an hour that a change of the clocks skips or repeats
// is the business of the kind of schedule:
//
//   - an interval of days keeps the wall time; a time that is skipped moves forward and
//     stays moved;
//   - a cron time that is skipped moves forward, a recurrence's moves back;
//   - a time that happens twice is taken once, the first time. Only intervals of elapsed
//     time go on through the repeated hour.
package schedules

import (
	"errors"
	"fmt"
	"math"
	"time"

	"prefectd/prefect"
)

// Schedule is an *Interval, *Cron or *RRule.
type Schedule interface {
	// Kind is the name that the API has for the kind of schedule: IntervalSchedule,
	// CronSchedule or RRuleSchedule.
	Kind() string
	// Dates are those from start to end, both inclusive, in order and without
	// duplicates: at most n of them; when n is 0, one, or up to 1000 when there is an
	// end. A null end is none. Along with ErrNoDate come the dates that were found.
	Dates(n int, start, end prefect.Time) ([]Date, error)
	// JSON prints the schedule as the API does.
	JSON() prefect.JSON
}

// ErrNoDate says that a schedule has no date within the years that are searched,
// though it has neither an end nor a count that is used up: 0 0 30 2 *.
var ErrNoDate = errors.New("failed to find next date")

// Invalid says what is wrong with a field of a schedule; an empty Field stands for the
// schedule as a whole. The text is what the API answers.
type Invalid struct{ Field, Text string }

func (e *Invalid) Error() string { return e.Text }

// In is the field.
func (e *Invalid) In() string { return e.Field }

// Parse reads a schedule as it is stored and as the API prints it.
func Parse(raw prefect.JSON) (Schedule, error) {
	var all struct {
		Interval   *float64     `json:"interval"` // seconds
		AnchorDate prefect.Time `json:"anchor_date"`
		Cron       *string      `json:"cron"`
		DayOr      *bool        `json:"day_or"`
		RRule      *string      `json:"rrule"`
		Timezone   *string      `json:"timezone"`
	}
	if err := prefect.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("schedule: %w", err)
	}
	switch {
	case all.Interval != nil:
		seconds := min(*all.Interval, prefect.Duration(math.MaxInt64/2).Seconds())
		return schedule(NewInterval(prefect.SecondsOf(max(seconds, 0)), all.AnchorDate, all.Timezone))
	case all.Cron != nil:
		return schedule(NewCron(*all.Cron, all.Timezone, all.DayOr == nil || *all.DayOr))
	case all.RRule != nil:
		return schedule(NewRRule(*all.RRule, all.Timezone))
	}
	return nil, errors.New("schedule: neither interval nor cron nor rrule")
}

// schedule keeps a nil pointer from becoming a Schedule that is not nil.
func schedule[S Schedule](s S, err error) (Schedule, error) {
	if err != nil {
		return nil, fmt.Errorf("schedule: %w", err)
	}
	return s, nil
}

// maxDates is how many dates an end asks for; a few more candidates are looked at.
const maxDates = 1000

// limit is how many dates Dates answers.
func limit(n int, end prefect.Time) int {
	switch {
	case n > 0:
		return n
	case end.IsNull():
		return 1
	}
	return maxDates
}

// Date is an instant with the zone that its schedule is in.
type Date struct {
	Time prefect.Time
	Zone *time.Location
}

// String prints the date as keys of runs have it: 2026-11-22 22:04:00-05:00.
func (d Date) String() string { return d.format("2006-01-02 15:04:05", "-07:00") }

// RFC3339 prints the date as the API does, with the offset of its zone or Z.
func (d Date) RFC3339() string { return d.format("2006-01-02T15:04:05", "Z07:00") }

func (d Date) format(layout, offset string) string {
	t := d.Time.Go().In(d.Zone)
	if t.Nanosecond() != 0 {
		layout += ".000000"
	}
	if _, seconds := t.Zone(); seconds%60 != 0 {
		offset += ":05" // local mean time
	}
	return t.Format(layout + offset)
}

// lastDate is the last second that has a date: the calendar ends with the year 9999.
const lastDate = 3652059*secondsOfDay - 1

// datesOf are the instants, in seconds, in their zone.
func datesOf(seconds []int64, zone *time.Location) []Date {
	dates := make([]Date, len(seconds))
	for i, s := range seconds {
		dates[i] = Date{prefect.Time(s) * prefect.Time(prefect.Second), zone}
	}
	return dates
}

// ceilSeconds and floorSeconds turn an instant into whole seconds since the year 1.
func ceilSeconds(t prefect.Time) int64  { return -floorSeconds(-t) }
func floorSeconds(t prefect.Time) int64 { return floorDiv(int64(t), int64(prefect.Second)) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// printed is v as the API prints it.
func printed(v any) prefect.JSON {
	text, err := prefect.Marshal(v)
	if err != nil {
		panic(err) // texts, numbers and booleans can be encoded
	}
	return text
}
