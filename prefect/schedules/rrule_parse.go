package schedules

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	frequencies = []string{"YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"}
	weekdays    = []string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}
)

// stamp is a wall time as a text gives it.
type stamp struct {
	wall int64
	zone bool // the text names a zone, which doesn't matter but for being there
}

// parseRRule reads what dateutil's rrulestr reads; the texts of its errors are those
// of dateutil.
func parseRRule(text string) (*recurrences, error) {
	upper := strings.ToUpper(text)
	lines := strings.Fields(upper)
	if len(lines) == 0 {
		return nil, errors.New("empty string")
	}
	p := &rruleParser{zones: zonesOf(text)}
	if len(lines) == 1 && (!strings.Contains(upper, ":") || strings.HasPrefix(upper, "RRULE:")) {
		p.rules = lines
	} else {
		for _, line := range lines {
			if err := p.line(line); err != nil {
				return nil, err
			}
		}
	}
	return p.finish()
}

// rruleParser collects the properties of a text.
type rruleParser struct {
	zones          map[string]string // by their names in upper case
	start          *stamp
	rules, exRules []string
	dates          []string
	exDates        []stamp
}

var tzid = regexp.MustCompile(`TZID=([^:]+):`)

func zonesOf(text string) map[string]string {
	zones := map[string]string{}
	for _, match := range tzid.FindAllStringSubmatch(text, -1) {
		zones[strings.ToUpper(match[1])] = match[1]
	}
	return zones
}

func (p *rruleParser) line(line string) error {
	property, value, ok := strings.Cut(line, ":")
	if !ok {
		property, value = "RRULE", line
	}
	parameters := strings.Split(property, ";")
	name, parameters := parameters[0], parameters[1:]
	switch name {
	case "RRULE", "EXRULE":
		for _, parameter := range parameters {
			return fmt.Errorf("unsupported %s parm: %s", name, parameter)
		}
		if name == "RRULE" {
			p.rules = append(p.rules, value)
		} else {
			p.exRules = append(p.exRules, value)
		}
	case "RDATE":
		for _, parameter := range parameters {
			if parameter != "VALUE=DATE-TIME" {
				return fmt.Errorf("unsupported RDATE parm: %s", parameter)
			}
		}
		p.dates = append(p.dates, strings.Split(value, ",")...)
	case "EXDATE":
		dates, err := p.stamps(value, parameters)
		if err != nil {
			return err
		}
		p.exDates = append(p.exDates, dates...)
	case "DTSTART":
		dates, err := p.stamps(value, parameters)
		if err != nil {
			return err
		}
		if len(dates) != 1 {
			return fmt.Errorf("Multiple DTSTART values specified:%s", value)
		}
		p.start = &dates[0]
	default:
		return fmt.Errorf("unsupported property: %s", name)
	}
	return nil
}

// stamps reads the dates of DTSTART and EXDATE.
func (p *rruleParser) stamps(value string, parameters []string) ([]stamp, error) {
	zone, typed := false, false
	for _, parameter := range parameters {
		if name, ok := strings.CutPrefix(parameter, "TZID="); ok {
			if name, known := p.zones[name]; known {
				_, zone = loadZone(name)
			}
			continue
		}
		if parameter != "VALUE=DATE-TIME" && parameter != "VALUE=DATE" {
			return nil, fmt.Errorf("unsupported parm: %s", parameter)
		}
		if typed {
			return nil, fmt.Errorf("Duplicate value parameter found in: %s", parameter)
		}
		typed = true
	}
	var dates []stamp
	for text := range strings.SplitSeq(value, ",") {
		date, err := parseStamp(text)
		if err != nil {
			return nil, err
		}
		if zone && date.zone {
			return nil, errors.New("DTSTART/EXDATE specifies multiple timezone")
		}
		date.zone = date.zone || zone
		dates = append(dates, date)
	}
	return dates, nil
}

func (p *rruleParser) finish() (*recurrences, error) {
	s := &recurrences{}
	s.single = len(p.rules) == 1 && len(p.exRules) == 0 && len(p.dates) == 0 && len(p.exDates) == 0
	if len(p.rules) == 0 && len(p.exRules) == 0 && len(p.dates) == 0 && len(p.exDates) == 0 {
		return nil, errors.New("list index out of range")
	}
	for _, text := range p.rules {
		r, err := parseRule(text, p.start)
		if err != nil {
			return nil, err
		}
		s.rules = append(s.rules, r)
	}
	for _, text := range p.dates {
		date, err := parseStamp(text)
		if err != nil {
			return nil, err
		}
		s.dates = append(s.dates, date.wall)
	}
	for _, text := range p.exRules {
		r, err := parseRule(text, p.start)
		if err != nil {
			return nil, err
		}
		s.exRules = append(s.exRules, r)
	}
	for _, date := range p.exDates {
		s.exDates = append(s.exDates, date.wall)
	}
	slices.Sort(s.dates)
	slices.Sort(s.exDates)
	return s, nil
}

// stampForm matches the ISO 8601 forms of a date, perhaps with a time and a zone.
var stampForm = regexp.MustCompile(`^(\d{4})(-?)(\d\d)(-?)(\d\d)(?:T(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?)?)?(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?$`)

func parseStamp(text string) (s stamp, err error) {
	m := stampForm.FindStringSubmatch(text)
	if m == nil || m[2] != m[4] {
		return s, fmt.Errorf("Unknown string format: %s", text)
	}
	year, month, day := atoi(m[1]), time.Month(atoi(m[3])), atoi(m[5])
	hour, minute, second := atoi(m[6]), atoi(m[7]), atoi(m[8])
	problem := ""
	switch {
	case year < 1:
		problem = fmt.Sprintf("year %d is out of range", year)
	case month < time.January || month > time.December:
		problem = "month must be in 1..12"
	case day < 1 || day > monthDays(year, month):
		problem = "day is out of range for month"
	case hour > 23:
		problem = "hour must be in 0..23"
	case minute > 59:
		problem = "minute must be in 0..59"
	case second > 59:
		problem = "second must be in 0..59"
	}
	if problem != "" {
		return s, fmt.Errorf("%s: %s", problem, text)
	}
	return stamp{dayOf(year, month, day)*secondsOfDay + int64(hour*3600+minute*60+second), m[9] != ""}, nil
}

// ruleParts are the parts of a rule as they are written.
type ruleParts struct {
	freq      int
	interval  int64
	count     int64
	until     *stamp
	weekStart int
	lists     map[string][]int
	byDay     []nthWeekday // n is 0 for every one
}

func parseRule(text string, start *stamp) (*rule, error) {
	if property, value, ok := strings.Cut(text, ":"); ok {
		if strings.Contains(value, ":") {
			return nil, errors.New("too many values to unpack (expected 2)")
		}
		if property != "RRULE" {
			return nil, errors.New("unknown parameter name")
		}
		text = value
	}
	parts := &ruleParts{freq: -1, interval: 1, count: noCount, lists: map[string][]int{}}
	for pair := range strings.SplitSeq(text, ";") {
		name, value, ok := strings.Cut(pair, "=")
		switch {
		case !ok:
			return nil, errors.New("not enough values to unpack (expected 2, got 1)")
		case strings.Contains(value, "="):
			return nil, errors.New("too many values to unpack (expected 2)")
		}
		known, valid := parts.read(name, value)
		switch {
		case !known:
			return nil, fmt.Errorf("unknown parameter '%s'", name)
		case !valid:
			return nil, fmt.Errorf("invalid '%s': %s", name, value)
		}
	}
	if parts.freq < 0 {
		return nil, errors.New("missing 1 required positional argument: 'freq'")
	}
	return parts.rule(start)
}

// read takes one part. An interval that isn't positive is refused, though dateutil
// takes it: it recurs for ever at the same date.
func (p *ruleParts) read(name, value string) (known, valid bool) {
	var err error
	switch name {
	case "FREQ":
		p.freq = slices.Index(frequencies, value)
		return true, p.freq >= 0
	case "INTERVAL":
		p.interval, err = strconv.ParseInt(value, 10, 64)
		return true, err == nil && p.interval > 0
	case "COUNT":
		p.count, err = strconv.ParseInt(value, 10, 64)
		p.count = max(p.count, 0)
		return true, err == nil
	case "UNTIL":
		until, err := parseStamp(value)
		p.until = &until
		return true, err == nil
	case "WKST":
		p.weekStart = slices.Index(weekdays, value)
		return true, p.weekStart >= 0
	case "BYDAY", "BYWEEKDAY":
		return true, p.readDays(value)
	case "BYSETPOS", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYEASTER", "BYWEEKNO", "BYHOUR", "BYMINUTE", "BYSECOND":
		p.lists[name] = nil
		for text := range strings.SplitSeq(value, ",") {
			n, err := strconv.Atoi(text)
			if err != nil {
				return true, false
			}
			p.lists[name] = append(p.lists[name], n)
		}
		return true, true
	}
	return false, false
}

// readDays reads MO, +1MO, -1FR and TH(+2).
func (p *ruleParts) readDays(value string) bool {
	p.byDay = nil
	for text := range strings.SplitSeq(value, ",") {
		name := strings.TrimLeft(text, "+-0123456789")
		number := text[:len(text)-len(name)]
		if before, inside, ok := strings.Cut(text, "("); ok && len(inside) > 0 {
			name, number = before, inside[:len(inside)-1]
			if number == "" {
				return false
			}
		}
		day := nthWeekday{weekday: slices.Index(weekdays, name)}
		if number != "" {
			n, err := strconv.Atoi(number)
			if err != nil || n == 0 {
				return false
			}
			day.n = n
		}
		if day.weekday < 0 {
			return false
		}
		p.byDay = append(p.byDay, day)
	}
	return true
}

// rule makes the rule of the parts; what they leave open comes from the start.
func (p *ruleParts) rule(start *stamp) (*rule, error) {
	r := &rule{freq: p.freq, count: p.count, weekStart: p.weekStart, start: defaultStart, implicit: true, until: lastDate}
	r.interval = min(p.interval, lastDate) // a longer one leads out of the calendar, too
	if start != nil {
		r.start, r.implicit = start.wall, false
	}
	if p.until != nil {
		r.until, r.untilZone = p.until.wall, p.until.zone
		if start != nil && start.zone != p.until.zone {
			return nil, errUntil
		}
	}
	r.positions = p.lists["BYSETPOS"]
	for _, position := range r.positions {
		if position == 0 || position < -366 || position > 366 {
			return nil, errors.New("bysetpos must be between 1 and 366, or between -366 and -1")
		}
	}
	r.plain = r.freq >= weekly && len(p.lists) == 0 && p.byDay == nil
	p.setDays(r)
	return r, p.setTimes(r)
}

func (p *ruleParts) setDays(r *rule) {
	r.months = setOf(p.lists["BYMONTH"])
	r.yearDays, r.weeks, r.easter = p.lists["BYYEARDAY"], p.lists["BYWEEKNO"], p.lists["BYEASTER"]
	days := p.lists["BYMONTHDAY"]
	r.monthDays = setOf(days)
	r.monthDays.given = false
	for _, day := range days {
		r.monthDays.given = r.monthDays.given || day != 0
		if -31 <= day && day < 0 {
			r.backMonthDays |= 1 << -day
		}
	}
	for _, day := range p.byDay {
		if day.n == 0 || r.freq > monthly {
			r.weekdays.given = true
			r.weekdays.values |= 1 << day.weekday
		} else {
			r.nth = append(r.nth, day)
		}
	}
	if r.weeks != nil || r.yearDays != nil || days != nil || p.byDay != nil || r.easter != nil {
		return
	}
	_, month, mday := dateOf(r.start / secondsOfDay)
	switch r.freq {
	case yearly:
		if !r.months.given {
			r.months = setOf([]int{int(month)})
		}
		r.monthDays = setOf([]int{mday})
	case monthly:
		r.monthDays = setOf([]int{mday})
	case weekly:
		r.weekdays = setOf([]int{int(r.start / secondsOfDay % daysOfWeek)})
	}
}

// setTimes sets the times of a day. The part that belongs to the frequency itself
// restricts the periods instead.
func (p *ruleParts) setTimes(r *rule) error {
	at := r.start % secondsOfDay
	parts := []struct {
		name, unit string
		freq, base int
		start      int64 // of the part
		seconds    int64 // of the unit
		set        *ruleSet
	}{
		{"BYHOUR", "hour", hourly, 24, at / 3600, 3600, &r.hours},
		{"BYMINUTE", "minute", minutely, 60, at / 60 % 60, 60, &r.minutes},
		{"BYSECOND", "second", secondly, 60, at % 60, 1, &r.seconds},
	}
	r.times = []int64{0}
	for _, part := range parts {
		values, given := p.lists[part.name]
		for _, v := range values {
			if r.freq < hourly && (v < 0 || v >= part.base) {
				return fmt.Errorf("%s must be in 0..%d", part.unit, part.base-1)
			}
		}
		switch {
		case r.freq == part.freq && given:
			values = reachable(values, part.start, gcd(r.interval, int64(part.base)))
			if len(values) == 0 {
				return errors.New("Invalid rrule byxxx generates an empty set.")
			}
		case r.freq < part.freq && !given:
			values = []int{int(part.start)}
		}
		*part.set = setOf(values)
		if r.freq < part.freq {
			r.times = withTimes(r.times, values, part.seconds, part.base)
		}
	}
	return nil
}

// reachable are the values that steps from the start come to.
func reachable(values []int, start, step int64) (reached []int) {
	for _, v := range values {
		if (int64(v)-start)%step == 0 {
			reached = append(reached, v)
		}
	}
	return reached
}

// withTimes adds each of the values, in units of so many seconds, to each time.
func withTimes(times []int64, values []int, seconds int64, base int) (all []int64) {
	values = slices.Clone(values)
	slices.Sort(values)
	values = slices.Compact(values)
	for _, t := range times {
		for _, v := range values {
			if 0 <= v && v < base {
				all = append(all, t+int64(v)*seconds)
			}
		}
	}
	return all
}

func setOf(values []int) ruleSet {
	s := ruleSet{given: len(values) > 0}
	for _, v := range values {
		if 0 <= v && v < 64 {
			s.values |= 1 << v
		}
	}
	return s
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
