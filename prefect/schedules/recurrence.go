package schedules

import (
	"slices"
	"time"
)

// The frequencies of rules, in the order of dateutil.
const (
	yearly = iota
	monthly
	weekly
	daily
	hourly
	minutely
	secondly
)

// unitSeconds are the lengths of the frequencies that have a fixed one.
var unitSeconds = [...]int64{weekly: daysOfWeek * secondsOfDay, daily: secondsOfDay, hourly: 3600, minutely: 60, secondly: 1}

// noCount is the count of a rule without one.
const noCount = -1

// rule is one recurrence rule. Its dates are those of periods: the period of the start,
// and every interval-th after it. Of each period come the days that match (of a part of
// a day that day, if it does), each with the same times.
type rule struct {
	freq      int
	interval  int64
	start     int64 // wall time
	implicit  bool  // start is the default
	count     int64
	until     int64
	untilZone bool // until was given with a zone
	weekStart int  // 0 is Monday
	positions []int

	months           ruleSet
	monthDays        ruleSet
	backMonthDays    uint64 // counted from the end: 1 is the last day
	yearDays, weeks  []int
	weekdays         ruleSet
	nth              []nthWeekday
	easter           []int
	hours            ruleSet // also of a frequency below the day
	minutes, seconds ruleSet

	times []int64 // within the day, or within the period where that is shorter
	plain bool    // every period has just one date
}

// ruleSet are the values of a BY part.
type ruleSet struct {
	given  bool
	values uint64
}

func (s ruleSet) has(value int) bool { return !s.given || s.values>>value&1 != 0 }

// nthWeekday is 2MO or -1FR: a weekday of the month or year.
type nthWeekday struct{ weekday, n int }

// matches reports whether a day is one of the rule's.
func (r *rule) matches(day int64) bool {
	weekday := int(day % daysOfWeek)
	if !r.weekdays.has(weekday) {
		return false
	}
	year, month, mday := dateOf(day)
	if !r.months.has(int(month)) {
		return false
	}
	if r.monthDays.given && r.monthDays.values>>mday&1 == 0 && r.backMonthDays>>(monthDays(year, month)-mday+1)&1 == 0 {
		return false
	}
	if len(r.nth) > 0 && !r.matchesNth(weekday, day, year, month, mday) {
		return false
	}
	if r.yearDays == nil && r.weeks == nil && r.easter == nil {
		return true
	}
	return r.matchesYear(day, year)
}

func (r *rule) matchesNth(weekday int, day int64, year int, month time.Month, mday int) bool {
	before, behind := mday-1, monthDays(year, month)-mday // other days of the month or year
	if r.freq == yearly && !r.months.given {
		first := dayOf(year, time.January, 1)
		before, behind = int(day-first), int(dayOf(year+1, time.January, 1)-day)-1
	}
	n, fromEnd := before/daysOfWeek+1, -(behind/daysOfWeek + 1)
	return slices.ContainsFunc(r.nth, func(w nthWeekday) bool {
		return w.weekday == weekday && (w.n == n || w.n == fromEnd)
	})
}

// matchesYear looks at what is counted over the year.
func (r *rule) matchesYear(day int64, year int) bool {
	first, next := dayOf(year, time.January, 1), dayOf(year+1, time.January, 1)
	place := int(day - first)
	if r.yearDays != nil && !slices.Contains(r.yearDays, place+1) && !slices.Contains(r.yearDays, int(day-next)) {
		return false
	}
	if r.easter != nil && !slices.Contains(r.easter, int(day-easter(year))) {
		return false
	}
	return r.weeks == nil || r.matchesWeek(day, year, first, next)
}

// matchesWeek looks at the number of the week. Weeks start at the rule's weekStart and
// belong to the year that has most of their days. At both ends of the year it asks
// what dateutil asks: the first days, if they are of last year's last week, match -1
// and the number of that week as dateutil reckons it; the last days, if they are of
// next year's first week, match 1 alone.
func (r *rule) matchesWeek(day int64, year int, first, next int64) bool {
	one, following := r.firstWeek(first), r.firstWeek(next)
	switch {
	case day < one:
		return slices.Contains(r.weeks, -1) || slices.Contains(r.weeks, r.lastWeeks(year, int(next-first), int(one-first)))
	case day >= following:
		return slices.Contains(r.weeks, 1)
	}
	n, weeks := int(day-one)/daysOfWeek+1, int(following-one)/daysOfWeek
	return slices.Contains(r.weeks, n) || slices.Contains(r.weeks, n-weeks-1)
}

// firstWeek is when week 1 of the year that starts on a day starts.
func (r *rule) firstWeek(first int64) int64 {
	ahead := int64((daysOfWeek + r.weekStart - int(first%daysOfWeek)) % daysOfWeek) // to the first week start
	if ahead >= 4 {
		ahead -= daysOfWeek
	}
	return first + ahead
}

// lastWeeks is how many weeks the year before had. Where it did not start within a
// week of the year before it, dateutil takes this year's length for last year's.
func (r *rule) lastWeeks(year, length, ahead int) int {
	last := dayOf(year-1, time.January, 1)
	weekday := int(last % daysOfWeek)
	if (daysOfWeek-weekday+r.weekStart)%daysOfWeek < 4 {
		return 52 + (length-ahead)%daysOfWeek/4
	}
	lastLength := int(dayOf(year, time.January, 1) - last)
	return 52 + (lastLength+(weekday-r.weekStart+daysOfWeek)%daysOfWeek)%daysOfWeek/4
}

// easter is the day of Easter Sunday in the Gregorian calendar (Meeus, Jones, Butcher).
func easter(year int) int64 {
	a, b, c := year%19, year/100, year%100
	h := (19*a + b - b/4 - (b-(b+8)/25+1)/3 + 15) % 30
	l := (32 + 2*(b%4) + 2*(c/4) - h - c%4) % 7
	m := (a + 11*h + 22*l) / 451
	n := h + l - 7*m + 114
	return dayOf(year, time.Month(n/31), n%31+1)
}

// nextDay is the next day that can match behind one that doesn't.
func (r *rule) nextDay(day int64) int64 {
	if !r.months.given {
		return day + 1
	}
	if year, month, _ := dateOf(day); !r.months.has(int(month)) {
		return dayOf(year, month+1, 1)
	}
	return day + 1
}

// ruleWalk goes from date to date of a rule, period by period. It can start at any
// period, unless the dates before have to be counted.
type ruleWalk struct {
	*rule
	work   int     // that is left: days and periods to look at
	last   int64   // no date behind it is asked for
	period int64   // the next one to look at
	left   int64   // of count
	dates  []int64 // of the period before
	read   int     // how many of them have been
	days   []int64 // of that period
}

func (w *ruleWalk) next() (int64, bool) {
	for {
		for w.read == len(w.dates) {
			if w.work <= 0 || !w.fill() {
				return 0, false
			}
		}
		date := w.dates[w.read]
		w.read++
		switch {
		case date > w.last || w.left == 0:
			return 0, false
		case date < w.start:
			continue
		}
		if w.left > 0 {
			w.left--
		}
		return date, true
	}
}

// seek jumps to the period that holds a wall time.
func (w *ruleWalk) seek(wall int64) {
	if wall < w.start || w.count != noCount && !w.plain {
		return
	}
	year, month, _ := dateOf(wall / secondsOfDay)
	firstYear, firstMonth, _ := dateOf(w.start / secondsOfDay)
	var periods int64
	switch w.freq {
	case yearly:
		periods = int64(year - firstYear)
	case monthly:
		periods = int64((year-firstYear)*12 + int(month-firstMonth))
	default:
		periods = (wall - w.base()) / unitSeconds[w.freq]
	}
	if period := periods / w.interval; period > w.period {
		if w.left > 0 {
			w.left -= min(w.left, period-w.period+int64(len(w.dates)-w.read))
		}
		w.period, w.dates, w.read = period, w.dates[:0], 0
	}
}

// base is where the period of the start starts, for a frequency of fixed length.
func (r *rule) base() int64 {
	if r.freq == weekly {
		day := r.start / secondsOfDay
		return (day - (day+daysOfWeek-int64(r.weekStart))%daysOfWeek) * secondsOfDay
	}
	return r.start - r.start%unitSeconds[r.freq]
}

// fill takes the dates of the next period. It reports whether there is one.
func (w *ruleWalk) fill() bool {
	w.work--
	w.dates, w.read = w.dates[:0], 0
	if w.freq >= daily {
		at := w.base() + w.period*w.interval*unitSeconds[w.freq]
		if at > w.last {
			return false
		}
		if skipTo := w.misses(at); skipTo > at {
			step := w.interval * unitSeconds[w.freq]
			w.period = (skipTo - w.base() + step - 1) / step
			return true
		}
		w.period++
		w.days = append(w.days[:0], at)
	} else {
		first, end := w.bounds(w.period)
		if first*secondsOfDay > w.last {
			return false
		}
		w.period++
		w.days = w.days[:0]
		for day := first; day < end; {
			w.work--
			if w.matches(day) {
				w.days = append(w.days, day*secondsOfDay)
				day++
			} else {
				day = w.nextDay(day)
			}
		}
	}
	w.dates = w.take(w.dates)
	return true
}

// bounds are the first day of a period of weeks, months or years, and the day after.
func (w *ruleWalk) bounds(period int64) (first, end int64) {
	year, month, _ := dateOf(w.start / secondsOfDay)
	n := min(period*w.interval, 1<<20) // leads out of the calendar
	switch w.freq {
	case yearly:
		return dayOf(year+int(n), time.January, 1), dayOf(year+int(n)+1, time.January, 1)
	case monthly:
		return dayOf(year, month+time.Month(n), 1), dayOf(year, month+time.Month(n)+1, 1)
	}
	first = w.base()/secondsOfDay + n*daysOfWeek
	return max(first, w.start/secondsOfDay), first + daysOfWeek
}

// misses is where to go on from a day or a shorter period that doesn't match; when it
// does, at itself or before.
func (w *ruleWalk) misses(at int64) int64 {
	day := at / secondsOfDay
	if !w.matches(day) {
		return w.nextDay(day) * secondsOfDay
	}
	if w.freq >= hourly && !w.hours.has(int(at%secondsOfDay/3600)) {
		return (at/3600 + 1) * 3600
	}
	if w.freq >= minutely && !w.minutes.has(int(at%3600/60)) {
		return (at/60 + 1) * 60
	}
	if w.freq >= secondly && !w.seconds.has(int(at%60)) {
		return at + 1
	}
	return at
}

// take combines the days of a period with the times, and picks the positions.
func (w *ruleWalk) take(dates []int64) []int64 {
	if len(w.positions) == 0 {
		for _, day := range w.days {
			for _, t := range w.times {
				dates = append(dates, day+t)
			}
		}
		return dates
	}
	times := len(w.times)
	for _, position := range w.positions {
		if position > 0 {
			position--
		} else {
			position += len(w.days) * times
		}
		if 0 <= position && position < len(w.days)*times {
			dates = append(dates, w.days[position/times]+w.times[position%times])
		}
	}
	slices.Sort(dates)
	return slices.Compact(dates)
}
