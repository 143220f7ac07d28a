package schedules

import (
	"time"

	"prefectd/prefect"
)

// Interval is a schedule of equal steps from an anchor, in both directions. Whole days
// of the step are days of the calendar, the rest is elapsed time.
type Interval struct {
	Interval prefect.Duration
	Anchor   prefect.Time
	Timezone string
	zone     *time.Location
}

// NewInterval checks the fields of an interval schedule. The zone is UTC when it is
// null, because an anchor has but an offset.
func NewInterval(interval prefect.Duration, anchor prefect.Time, timezone *string) (*Interval, error) {
	if interval <= 0 {
		return nil, &Invalid{"interval", "interval must be positive"}
	}
	zone, err := fieldZone(timezone, "")
	if err != nil {
		return nil, err
	}
	i := &Interval{interval, anchor, "UTC", zone}
	if timezone != nil {
		i.Timezone = *timezone
	}
	return i, nil
}

// Kind implements Schedule.
func (*Interval) Kind() string { return "IntervalSchedule" }

// JSON implements Schedule.
func (i *Interval) JSON() prefect.JSON {
	return printed(struct {
		Interval   prefect.Duration `json:"interval"`
		AnchorDate prefect.Time     `json:"anchor_date"`
		Timezone   string           `json:"timezone"`
	}{i.Interval, i.Anchor, i.Timezone})
}

// Dates implements Schedule. Its error is always nil.
func (i *Interval) Dates(n int, start, end prefect.Time) ([]Date, error) {
	s := newSteps(i)
	n = min(limit(n, end), maxDates+2)
	dates := make([]Date, 0, min(n, 128))
	for t := s.first(start); len(dates) < n && t <= lastTime; t = s.next(t) {
		if !end.IsNull() && t > end {
			break
		}
		dates = append(dates, Date{t, i.zone})
	}
	return dates, nil
}

// lastTime and maxStep keep the arithmetic within the calendar; a longer step leads
// from any date out of it.
const (
	lastTime = prefect.Time(lastDate+1)*prefect.Time(prefect.Second) - 1
	maxStep  = 4_000_000 * prefect.Day
)

// steps walks from one date of an interval schedule to the next.
type steps struct {
	anchor prefect.Time
	step   prefect.Duration
	days   int64            // of the step
	rest   prefect.Duration // of the step beyond its days
	clock  *clock
	ahead  int64 // how many steps before the anchor the last date was, as a number below zero
}

func newSteps(i *Interval) *steps {
	step := min(i.Interval, maxStep)
	return &steps{
		anchor: i.Anchor,
		step:   step,
		days:   int64(step / prefect.Day),
		rest:   step % prefect.Day,
		clock:  newClock(i.zone),
	}
}

// first is the first date that is not before start.
func (s *steps) first(start prefect.Time) prefect.Time {
	if start >= s.anchor && s.days != 0 && s.rest == 0 {
		return s.seekDays(start)
	}
	k := int64(start.Sub(s.anchor) / s.step)
	t := s.jump(k)
	for t > start { // the clocks changed in between
		k--
		t = s.jump(k)
	}
	if start < s.anchor && s.rest == 0 {
		s.ahead = k
	}
	for t < start {
		t = s.next(t)
	}
	return t
}

// jump is the date k steps from the anchor. Steps of days and more are counted as
// elapsed time, which is where the reference starts such a schedule.
func (s *steps) jump(k int64) prefect.Time {
	if s.rest == 0 {
		return s.addDays(s.anchor, k*s.days)
	}
	return s.anchor.Add(prefect.Duration(k) * s.step)
}

// next is the date after t. Dates before the anchor are reckoned back from it each
// for itself, so that a time that was skipped on one day is right on the next.
func (s *steps) next(t prefect.Time) prefect.Time {
	if s.ahead < 0 {
		s.ahead++
		return s.jump(s.ahead)
	}
	if s.days != 0 {
		t = s.addDays(t, s.days)
	}
	return t.Add(s.rest)
}

// addDays moves an instant by days and keeps its wall time.
func (s *steps) addDays(t prefect.Time, days int64) prefect.Time {
	if days == 0 {
		return t
	}
	seconds := floorSeconds(t)
	fraction := t - prefect.Time(seconds)*prefect.Time(prefect.Second)
	seconds = s.clock.instant(s.clock.wall(seconds)+days*secondsOfDay, forward)
	return prefect.Time(seconds)*prefect.Time(prefect.Second) + fraction
}

// seekDays walks from the anchor to the first date that is not before start. A wall
// time that is skipped on one day is another from there on, so every change of the
// clocks is passed by a single step, but what lies between two is jumped over.
func (s *steps) seekDays(start prefect.Time) prefect.Time {
	t := s.anchor
	for t < start {
		seconds := floorSeconds(t)
		s.clock.at(seconds)
		until := min(floorSeconds(start), s.clock.end)
		k := max(1, (until-seconds)/secondsOfDay/s.days-1)
		t = s.addDays(t, k*s.days)
	}
	return t
}
