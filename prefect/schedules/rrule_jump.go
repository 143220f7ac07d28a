package schedules

import (
	"slices"
	"time"

	"github.com/teambition/rrule-go"
)

// Rules go on from their start, which may be years ago: to walk from there to now takes
// seconds for a rule that recurs each minute. Unless it counts, a rule can begin at any
// later period that keeps its step.

// along yields the wall times of a rule, at least those from an instant on.
func along(o rrule.ROption, from time.Time) func() (time.Time, bool) {
	if o.Freq >= rrule.HOURLY && o.Count == 0 {
		return byDays(o, from)
	}
	jump(&o, from)
	return iterate(o)
}

func iterate(o rrule.ROption) func() (time.Time, bool) {
	rule, err := rrule.NewRRule(o)
	if err != nil { // it was made once before
		return func() (time.Time, bool) { return time.Time{}, false }
	}
	if o.Count > 0 {
		return bounded(rule.Iterator())
	}
	return rule.Iterator()
}

// maxCounted is how many of the recurrences that a rule counts are walked over.
const maxCounted = 1_000_000

func bounded(next rrule.Next) func() (time.Time, bool) {
	n := 0
	return func() (time.Time, bool) {
		if n++; n > maxCounted {
			return time.Time{}, false
		}
		return next()
	}
}

// jump moves the start of a rule forward to shortly before an instant.
func jump(o *rrule.ROption, to time.Time) {
	step := max(o.Interval, 1)
	if o.Count > 0 || !o.Dtstart.Before(to) {
		return
	}
	switch o.Freq {
	case rrule.YEARLY:
		// Two periods before: sets of positions count from the beginning of a period.
		years := floorTo(to.Year()-o.Dtstart.Year()-2*step, step)
		if years > 0 {
			settle(o)
			o.Dtstart = atMonth(o.Dtstart, o.Dtstart.Year()+years, time.January)
		}
	case rrule.MONTHLY:
		months := floorTo(12*(to.Year()-o.Dtstart.Year())+int(to.Month()-o.Dtstart.Month())-2*step, step)
		if months > 0 {
			settle(o)
			o.Dtstart = atMonth(o.Dtstart, o.Dtstart.Year(), o.Dtstart.Month()+time.Month(months))
		}
	default:
		unit := time.Duration(step) * units[o.Freq]
		steps := to.Sub(o.Dtstart)/unit - 2
		if steps > 0 {
			o.Dtstart = o.Dtstart.Add(steps * unit)
		}
	}
}

var units = map[rrule.Frequency]time.Duration{
	rrule.WEEKLY: 7 * day, rrule.DAILY: day, rrule.HOURLY: time.Hour, rrule.MINUTELY: time.Minute, rrule.SECONDLY: time.Second,
}

func floorTo(n, step int) int { return n / step * step }

// settle says of a rule what follows from its start, which is about to change.
func settle(o *rrule.ROption) {
	if hasDays(o) {
		return
	}
	if o.Freq == rrule.YEARLY && len(o.Bymonth) == 0 {
		o.Bymonth = []int{int(o.Dtstart.Month())}
	}
	o.Bymonthday = []int{o.Dtstart.Day()}
}

func hasDays(o *rrule.ROption) bool {
	return len(o.Byweekno)+len(o.Byyearday)+len(o.Bymonthday)+len(o.Byweekday)+len(o.Byeaster) > 0
}

func atMonth(start time.Time, year int, month time.Month) time.Time {
	h, m, s := start.Clock()
	return time.Date(year, month, 1, h, m, s, 0, time.UTC)
}

// How far ahead a day is looked for on which a rule that recurs within days can do so, and
// how many such days it may let pass: rules can be made that never recur, and the library
// would look for centuries.
const manyYears = 30

var idleDays = map[rrule.Frequency]int{rrule.HOURLY: 2000, rrule.MINUTELY: 60, rrule.SECONDLY: 8}

// byDays yields the wall times of a rule that recurs within days, day by day.
func byDays(o rrule.ROption, from time.Time) func() (time.Time, bool) {
	if from.Before(o.Dtstart) {
		from = o.Dtstart
	}
	first := from.Truncate(day)
	days := rrule.ROption{
		Freq: rrule.DAILY, Dtstart: first, Until: first.AddDate(manyYears, 0, 0), Wkst: o.Wkst, Bymonth: o.Bymonth,
		Bymonthday: o.Bymonthday, Byyearday: o.Byyearday, Byweekno: o.Byweekno, Byweekday: o.Byweekday, Byeaster: o.Byeaster,
	}
	nextDay := iterate(days)
	within := o
	within.Bymonth, within.Bymonthday, within.Byyearday, within.Byweekno, within.Byweekday, within.Byeaster = nil, nil, nil, nil, nil, nil
	var next func() (time.Time, bool)
	idle := 0
	return func() (time.Time, bool) {
		for {
			if next != nil {
				if wall, ok := next(); ok {
					idle = 0
					return wall, true
				}
			}
			date, ok := nextDay()
			if !ok || idle > idleDays[o.Freq] {
				return time.Time{}, false
			}
			idle++
			next = onDate(within, o.Until, date, from)
		}
	}
}

// onDate yields the wall times of a rule on one day, at least those from an instant on.
func onDate(o rrule.ROption, until, date, from time.Time) func() (time.Time, bool) {
	if from.Before(date) {
		from = date
	}
	jump(&o, from)
	o.Until = date.Add(day - time.Second)
	if !until.IsZero() && until.Before(o.Until) {
		o.Until = until
	}
	all := iterate(o)
	return func() (time.Time, bool) {
		for {
			wall, ok := all()
			if !ok || !wall.Before(date) {
				return wall, ok
			}
		}
	}
}

// feasible reports whether the times of day that a rule allows can be among those that its
// interval comes to. The library would look for one for ever.
func feasible(o *rrule.ROption) bool {
	if o.Freq < rrule.HOURLY {
		return true
	}
	const inDay = int(day / time.Second)
	step := gcd(max(o.Interval, 1)*int(units[o.Freq]/time.Second), inDay)
	h, m, s := o.Dtstart.Clock()
	// By-times smaller than the frequency add times, the others leave some out.
	var minutes, seconds []int
	if o.Freq >= rrule.MINUTELY {
		minutes = o.Byminute
	}
	if o.Freq >= rrule.SECONDLY {
		seconds = o.Bysecond
	}
	for at := (3600*h + 60*m + s) % step; at < inDay; at += step {
		if allows(o.Byhour, at/3600) && allows(minutes, at/60%60) && allows(seconds, at%60) {
			return true
		}
	}
	return false
}

func allows(list []int, n int) bool { return len(list) == 0 || slices.Contains(list, n) }

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
