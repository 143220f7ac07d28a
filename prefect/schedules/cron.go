package schedules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Cron is a schedule in the dialect of croniter: five fields, then seconds, then years;
// names, aliases, ranges that wrap, L and # of days. None of the cron packages for Go
// knows it (most have seconds first, and no ranges like FRI-MON), and what they do about
// clocks that change differs.
type Cron struct {
	line   string
	zone   *time.Location
	either bool // a day of the month or of the week will do, if both are limited

	seconds, minutes, hours, months, years set
	days                                   set // of the month; 0 is the last
	weekdays                               set // 0 is Sunday
	nth                                    [7]set
	anyDay, anyWeekday                     bool
	barren                                 bool // the last day of the month and the nth weekday do not go together there
}

// set is numbers up to 63, or years since 1970 up to 2099; nil is all of them.
type set []bool

func (s set) has(n int) bool { return s == nil || n >= 0 && n < len(s) && s[n] }

// next is the first number in the set from n on.
func (s set) next(n, last int) (int, bool) {
	for ; n <= last; n++ {
		if s.has(n) {
			return n, true
		}
	}
	return 0, false
}

var cronAliases = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// field is one of a cron line.
type field struct {
	name     string
	min, max int
	names    string // three letters each, from min on
}

var cronFields = []field{
	{"minute", 0, 59, ""},
	{"hour", 0, 23, ""},
	{"day", 1, 31, ""},
	{"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
	{"weekday", 0, 7, "sunmontuewedthufrisat"},
	{"second", 0, 59, ""},
	{"year", 1970, 2099, ""},
}

// ParseCron reads a cron line. With either, a day has to fit the day of the month or that
// of the week when both are limited; else both.
func ParseCron(line string, zone *time.Location, either bool) (*Cron, error) {
	text := strings.ToLower(strings.TrimSpace(line))
	if alias, ok := cronAliases[text]; ok {
		text = alias
	}
	parts := strings.Fields(text)
	if len(parts) < 5 || len(parts) > len(cronFields) {
		return nil, fmt.Errorf("Invalid cron: %q", line)
	}
	for _, p := range parts {
		if p == "r" || p == "h" {
			return nil, errors.New("Random and Hashed expressions are unsupported")
		}
	}
	c := &Cron{line: line, zone: zone, either: either, seconds: only(0)}
	for i, p := range parts {
		if err := c.parse(&cronFields[i], p); err != nil {
			return nil, fmt.Errorf("Invalid cron: %q: %w", line, err)
		}
	}
	if c.days != nil && c.days[0] {
		c.barren = slices.ContainsFunc(c.nth[:], func(s set) bool { return s != nil })
	}
	return c, nil
}

func only(n int) set {
	s := make(set, n+1)
	s[n] = true
	return s
}

func (c *Cron) parse(f *field, text string) error {
	if text == "?" && (f.name == "day" || f.name == "weekday") {
		text = "*"
	}
	chosen := make(set, f.max+1)
	for item := range strings.SplitSeq(text, ",") {
		special, err := c.parseSpecial(f, item, chosen)
		if err == nil && !special {
			err = f.choose(chosen, item)
		}
		if err != nil {
			return err
		}
	}
	if f.name == "weekday" {
		chosen[0] = chosen[0] || chosen[7]
		chosen = chosen[:7]
	}
	all := !slices.Contains(chosen[f.min:], false)
	if all {
		chosen = nil
	}
	switch f.name {
	case "minute":
		c.minutes = chosen
	case "hour":
		c.hours = chosen
	case "day":
		c.days, c.anyDay = chosen, all
	case "month":
		c.months = chosen
	case "weekday":
		c.weekdays, c.anyWeekday = chosen, all
	case "second":
		c.seconds = chosen
	case "year":
		c.years = chosen
	}
	return nil
}

// parseSpecial reads what only days have: l, l5, 5#2.
func (c *Cron) parseSpecial(f *field, item string, chosen set) (special bool, err error) {
	switch f.name {
	case "day":
		if item == "l" {
			chosen[0] = true
			return true, nil
		}
	case "weekday":
		if day, ok := strings.CutPrefix(item, "l"); ok && day != "" {
			n, err := f.number(day)
			if err != nil {
				return true, err
			}
			c.choose(n%7, lastOfMonth)
			return true, nil
		}
		if day, count, ok := strings.Cut(item, "#"); ok {
			n, err := f.number(day)
			which, bad := strconv.Atoi(count)
			if err != nil || bad != nil || which < 1 || which > 5 {
				return true, fmt.Errorf("%q is not understood", item)
			}
			c.choose(n%7, which)
			return true, nil
		}
	}
	return false, nil
}

// lastOfMonth stands for the last weekday of its kind in a month.
const lastOfMonth = 6

func (c *Cron) choose(weekday, which int) {
	if c.nth[weekday] == nil {
		c.nth[weekday] = make(set, lastOfMonth+1)
	}
	c.nth[weekday][which] = true
}

// choose adds what a part between commas says: *, a number, a range, each with a step.
func (f *field) choose(chosen set, item string) error {
	span, stepText, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		var err error
		if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
			return fmt.Errorf("step %q is not understood", stepText)
		}
	}
	low, high := f.min, f.max
	if f.name == "weekday" {
		high = 6
	}
	var err error
	switch from, to, ranged := strings.Cut(span, "-"); {
	case span == "*":
	case ranged:
		if low, err = f.number(from); err != nil {
			return err
		}
		if high, err = f.number(to); err != nil {
			return err
		}
	default:
		if low, err = f.number(span); err != nil {
			return err
		}
		if !stepped {
			high = low
		}
	}
	last := f.max
	if f.name == "weekday" {
		last = 6
		if low == 7 && high != 7 {
			low = 0
		}
	}
	if low <= high {
		for n := low; n <= high; n += step {
			chosen[n] = true
		}
		return nil
	}
	for n := low; n <= last+1+high-f.min; n += step { // over the end
		if n <= last {
			chosen[n] = true
		} else {
			chosen[n-last-1+f.min] = true
		}
	}
	return nil
}

func (f *field) number(text string) (int, error) {
	if f.names != "" && len(text) >= 3 {
		if at := strings.Index(f.names, text); at >= 0 && at%3 == 0 && len(text) == 3 {
			return f.min + at/3, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.min || n > f.max {
		return 0, fmt.Errorf("%q is no %s", text, f.name)
	}
	return n, nil
}

// never is how far ahead a date is looked for.
const never = 50 * 366

// errNever is a cron line without dates.
var errNever = errors.New("failed to find next date")

// after is the first wall time behind one.
func (c *Cron) after(wall time.Time) (time.Time, error) {
	if c.barren {
		return time.Time{}, errNever
	}
	t := wall.Truncate(time.Second).Add(time.Second)
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	for range never {
		date := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		if !c.years.has(date.Year()) && date.Year() > cronFields[6].max {
			break
		}
		if c.onDay(date) {
			if h, m, s, ok := c.onDayAfter(hour, minute, second); ok {
				return date.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second), nil
			}
		}
		day, hour, minute, second = day+1, 0, 0, 0
	}
	return time.Time{}, errNever
}

// onDayAfter is the first time of a day that is not before one.
func (c *Cron) onDayAfter(hour, minute, second int) (h, m, s int, ok bool) {
	for h = hour; ; h++ {
		if h, ok = c.hours.next(h, 23); !ok {
			return 0, 0, 0, false
		}
		if h > hour {
			minute, second = 0, 0
		}
		for m = minute; ; m++ {
			if m, ok = c.minutes.next(m, 59); !ok {
				break
			}
			if m > minute || h > hour {
				second = 0
			}
			if s, ok = c.seconds.next(second, 59); ok {
				return h, m, s, true
			}
		}
	}
}

func (c *Cron) onDay(date time.Time) bool {
	if !c.years.has(date.Year()) || !c.months.has(int(date.Month())) {
		return false
	}
	byDay, byWeekday := c.fitsDay(date), c.fitsWeekday(date)
	switch {
	case c.anyDay:
		return byWeekday
	case c.anyWeekday:
		return byDay
	case c.either:
		return byDay || byWeekday
	}
	return byDay && byWeekday
}

func (c *Cron) fitsDay(date time.Time) bool {
	if c.days.has(date.Day()) {
		return true
	}
	return c.days[0] && date.AddDate(0, 0, 1).Day() == 1
}

func (c *Cron) fitsWeekday(date time.Time) bool {
	weekday := int(date.Weekday())
	if c.weekdays.has(weekday) {
		return true
	}
	nth := c.nth[weekday]
	return nth != nil && (nth[(date.Day()-1)/7+1] || nth[lastOfMonth] && date.AddDate(0, 0, 7).Month() != date.Month())
}

// dates yields the dates from an instant on, until it is told to stop.
func (c *Cron) dates(start time.Time, yield func(time.Time) bool) error {
	wall := wallOf(start.Add(-time.Second), c.zone)
	if wall.Nanosecond() > 0 {
		wall = wall.Truncate(time.Second).Add(time.Second)
	}
	wall = wall.Add(-skipped(start, c.zone))
	for range maxCandidates {
		next, err := c.after(wall)
		if err != nil {
			return err
		}
		wall = next
		date := in(c.zone, next, forward)
		if date.Before(start) {
			continue // in the second pass of an hour that clocks show twice
		}
		if !yield(date) {
			return nil
		}
	}
	return nil
}
