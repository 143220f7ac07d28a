package schedules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"prefectd/prefect"
)

// Cron is a schedule of cron fields: minute, hour, day of the month, month, day of the
// week, then perhaps second and year.
//
// The dialect is that of Python's croniter, which no library for Go speaks: robfig/cron
// has neither L and # nor years nor days and weekdays that must both match, gronx puts
// the seconds first and has no ranges that wrap around (FRI-MON), and both decide
// differently when clocks change.
type Cron struct {
	Cron     string
	Timezone *string
	DayOr    bool // a date needs the day or the weekday, not both, when both are restricted
	fields   *cronFields
	zone     *time.Location
}

// NewCron checks the fields of a cron schedule. A null zone is UTC.
func NewCron(cron string, timezone *string, dayOr bool) (*Cron, error) {
	fields, err := parseCron(cron)
	switch {
	case errors.Is(err, errRandom):
		return nil, &Invalid{"cron", fmt.Sprintf(`Random and Hashed expressions are unsupported, received: "%s"`, cron)}
	case err != nil:
		return nil, &Invalid{"cron", fmt.Sprintf(`Invalid cron string: "%s"`, cron)}
	}
	zone, err := fieldZone(timezone, "")
	if err != nil {
		return nil, err
	}
	return &Cron{cron, timezone, dayOr, fields, zone}, nil
}

// Kind implements Schedule.
func (*Cron) Kind() string { return "CronSchedule" }

// JSON implements Schedule.
func (c *Cron) JSON() prefect.JSON {
	return printed(struct {
		Cron     string  `json:"cron"`
		Timezone *string `json:"timezone"`
		DayOr    bool    `json:"day_or"`
	}{c.Cron, c.Timezone, c.DayOr})
}

// Dates implements Schedule.
func (c *Cron) Dates(n int, start, end prefect.Time) ([]Date, error) {
	n = limit(n, end)
	first, last := ceilSeconds(start), int64(lastDate)
	if !end.IsNull() {
		last = floorSeconds(end)
	}
	clock := newClock(c.zone)
	walk := c.walk(clock, floorSeconds(start), first-floorSeconds(start))
	dates := make([]int64, 0, min(n, 128))
	var err error
	for range maxDates + 2 {
		var date int64
		if date, err = walk.next(last); err != nil || date > last {
			break
		}
		if at, found := slices.BinarySearch(dates, date); date >= first && !found {
			dates = slices.Insert(dates, at, date)
		}
		if len(dates) >= n {
			break
		}
	}
	return datesOf(dates, c.zone), err
}

// cronWalk goes from match to match. Where the start is right behind a gap, times that
// were skipped have been put there: the walk merges them with those of the clock.
type cronWalk struct {
	cron    *Cron
	clock   *clock
	wall    int64 // where the search goes on
	skipped int64 // where the search among skipped times goes on
	gapEnd  int64 // where these end; no later than skipped without any
}

// walk starts at an instant, or the second behind it.
func (c *Cron) walk(clock *clock, start, behind int64) *cronWalk {
	w := &cronWalk{cron: c, clock: clock, wall: clock.wall(start) + behind}
	gap := clock.offset - clock.before
	switch since := start - clock.start; {
	case since < -gap: // in the second pass of a repeated time
		w.wall = clock.start + clock.before
	case since < gap:
		w.skipped, w.gapEnd = w.wall-gap, clock.start+clock.offset
	}
	return w
}

// next is the next instant; if it is behind last, it may be any that is.
func (w *cronWalk) next(last int64) (int64, error) {
	wall, ok := w.cron.next(w.wall, w.clock.limit(last))
	if w.skipped < w.gapEnd {
		if s, found := w.cron.next(w.skipped, w.gapEnd); found && s < w.gapEnd {
			if date := w.clock.instant(s, forward); !ok || date <= w.clock.instant(wall, forward) {
				w.skipped = s + 1
				return date, nil
			}
		}
		w.skipped = w.gapEnd
	}
	if !ok {
		return 0, ErrNoDate
	}
	w.wall = wall + 1
	return w.clock.instant(wall, forward), nil
}

// next is the first wall time from wall on that matches. It may be any behind last.
func (c *Cron) next(wall, last int64) (int64, bool) {
	f := c.fields
	if !c.DayOr || f.days.any || f.weekdays.any {
		return f.next(wall, last, true, true)
	}
	byDay, ok := f.next(wall, last, true, false)
	if !ok {
		return 0, false
	}
	byWeekday, ok := f.next(wall, last, false, true)
	return min(byDay, byWeekday), ok
}

// cronFields are the values that match.
type cronFields struct {
	minutes, hours, days, months, weekdays, seconds cronSet
	lastDay                                         bool         // L: the last day of the month
	nth                                             [7]uint8     // for each weekday: bits 1 to 5 which of the month, bit 0 the last
	isNth                                           bool         // nth counts instead of weekdays
	hasSeconds                                      bool         // or they are 0
	years                                           map[int]bool // nil for any
	lastYear                                        int          // that matches
}

// maxYears is how far apart two matches may be.
const maxYears = 50

// next is the first wall time from wall on that matches, whichever of days and
// weekdays are looked at. The steps are those of croniter, which moves on in the
// largest unit that doesn't match; see stepDay for what comes of it.
func (f *cronFields) next(wall, last int64, days, weekdays bool) (int64, bool) {
	if !f.hasSeconds {
		wall = (wall + 59) / 60 * 60
	}
	year, month, mday := dateOf(wall / secondsOfDay)
	for started := year; year-started <= maxYears && wall <= lastDate; year, month, mday = dateOf(wall / secondsOfDay) {
		day := wall / secondsOfDay
		if wall > last {
			return wall, true
		}
		if f.years != nil && !f.years[year] {
			if year > f.lastYear {
				return 0, false
			}
			wall = dayOf(year+1, time.January, 1) * secondsOfDay
			continue
		}
		if !f.months.has(int(month)) {
			wall = dayOf(year, month+1, 1) * secondsOfDay
			continue
		}
		step := 0
		if days {
			step = f.stepDay(mday, monthDays(year, month))
		}
		if step == 0 && f.isNth {
			step = f.stepNth(day, mday, monthDays(year, month))
		} else if step == 0 && weekdays {
			step = f.weekdays.step(int(day+1)%daysOfWeek, daysOfWeek)
		}
		if step != 0 {
			wall = (day + int64(step)) * secondsOfDay
			continue
		}
		if step := f.hours.step(int(wall%secondsOfDay)/3600, 24); step != 0 {
			wall = (wall/3600 + int64(step)) * 3600
			continue
		}
		if step := f.minutes.step(int(wall%3600)/60, 60); step != 0 {
			wall = (wall/60 + int64(step)) * 60
			continue
		}
		if step := f.seconds.step(int(wall%60), 60); step != 0 && f.hasSeconds {
			wall += int64(step)
			continue
		}
		return wall, true
	}
	return 0, false
}

// stepDay is how many days there are to one that matches. It is told a day that the
// month doesn't have as if it had it, as in the reference: from February 2, the days
// 1,30 lead to March 2, so that March 1 is passed over.
func (f *cronFields) stepDay(mday, length int) int {
	if f.days.any || f.lastDay && mday == length {
		return 0
	}
	if f.lastDay && f.days.values>>mday == 0 {
		return length - mday
	}
	return f.days.step(mday, length)
}

// stepNth is how many days there are to a weekday that is the right one of its month,
// or else to the next month.
func (f *cronFields) stepNth(day int64, mday, length int) int {
	best := length + 1
	firstWeekday := int(day+1+int64(daysOfWeek*5)-int64(mday-1)) % daysOfWeek // Sunday is 0
	for weekday, which := range f.nth {
		if which == 0 {
			continue
		}
		first := 1 + (weekday-firstWeekday+daysOfWeek)%daysOfWeek
		for nth := 1; nth <= 5; nth++ {
			candidate := first + (nth-1)*daysOfWeek
			wanted := which>>nth&1 != 0 || which&1 != 0 && candidate+daysOfWeek > length
			if wanted && candidate >= mday && candidate <= length {
				best = min(best, candidate)
			}
		}
	}
	return best - mday
}

// limit is a wall time behind which no instant up to last is.
func (c *clock) limit(last int64) int64 {
	return min(last, lastDate) + 2*secondsOfDay
}

var errRandom = errors.New("a random field")

// isRandom reports whether a field stands for a random value.
func isRandom(field string) bool {
	rest, ok := strings.CutPrefix(field, "r")
	return ok && (rest == "" || rest[0] == '(' || rest[0] == '/')
}
