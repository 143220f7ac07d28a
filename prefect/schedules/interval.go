package schedules

import "time"

// Interval is a schedule at equal distances from an anchor.
type Interval struct {
	length time.Duration
	anchor time.Time
	zone   *time.Location
}

const day = 24 * time.Hour

// dates yields the dates from an instant on, until it is told to stop. Whole days are days
// of the calendar, the rest is time that passes.
func (i *Interval) dates(start time.Time, yield func(time.Time) bool) error {
	days, rest := int(i.length/day), i.length%day
	if days == 0 || i.zone == time.UTC {
		return i.elapsed(start, yield)
	}
	date := i.anchor.In(i.zone)
	switch steps := floor(start.Sub(i.anchor), i.length); {
	case rest != 0: // the first by time that passes, those after it by the calendar
		date = i.anchor.Add(steps * i.length).In(i.zone)
	case steps < 0:
		date = in(i.zone, wallOf(i.anchor, i.zone).AddDate(0, 0, days*int(steps)), forward)
	}
	if rest == 0 {
		date = hurry(date, start, time.Duration(days)*day)
	}
	for found := 0; found < maxCandidates; {
		if !date.Before(start) {
			if found++; !yield(date) {
				return nil
			}
		}
		// A date that falls into a gap of the clocks moves forward, and so do all after it.
		date = in(i.zone, wallOf(date, i.zone).AddDate(0, 0, days), forward).Add(rest)
	}
	return nil
}

// hurry goes on from a date in steps of days to shortly before an instant. Between changes
// of the clocks all days are alike.
func hurry(date, until time.Time, step time.Duration) time.Time {
	for {
		_, change := date.ZoneBounds()
		if change.IsZero() || change.After(until) {
			change = until
		}
		steps := change.Sub(date)/step - 1
		if steps > 0 {
			date = date.Add(steps * step)
		}
		if !change.Before(until) {
			return date
		}
		for !date.After(change) { // by the calendar over the change
			date = in(date.Location(), wallOf(date, date.Location()).AddDate(0, 0, int(step/day)), forward)
		}
	}
}

// floor is how often a step fits into a distance, rounded down.
func floor(distance, step time.Duration) time.Duration {
	n := distance / step
	if distance%step < 0 {
		n--
	}
	return n
}

func (i *Interval) elapsed(start time.Time, yield func(time.Time) bool) error {
	date := i.anchor.Add(floor(start.Sub(i.anchor), i.length) * i.length)
	if date.Before(start) {
		date = date.Add(i.length)
	}
	for range maxCandidates {
		if !yield(date.In(i.zone)) {
			return nil
		}
		date = date.Add(i.length)
	}
	return nil
}
