package schedules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"prefectd/prefect"
)

// RRule is a schedule of RFC 5545 recurrence rules, with dates that are added and
// rules and dates that are left out.
//
// Times are wall times of the schedule's zone, whatever zone the text gives them. The
// meaning of rules is that of Python's dateutil, with its BYEASTER. rrule-go, a port of
// it, is not used: it walks every date from DTSTART on, so that a rule for every second
// takes longer each day, nothing bounds its search when no date matches, its sets have
// no EXRULE, and it leaves skipped wall times to chance.
type RRule struct {
	RRule    string
	Timezone *string
	set      *recurrences
	broken   error // why there are no dates, though the text could be read
	zone     *time.Location
}

// maxRRule is how many characters a rule may have.
const maxRRule = 6500

// NewRRule checks the fields of a recurrence schedule. A null zone is UTC.
func NewRRule(rrule string, timezone *string) (*RRule, error) {
	set, err := parseRRule(rrule)
	if err != nil {
		return nil, &Invalid{"rrule", fmt.Sprintf(`Invalid RRule string "%s": %s`, rrule, err)}
	}
	if n := utf8.RuneCountInString(rrule); n > maxRRule {
		start := string([]rune(rrule)[:40])
		return nil, &Invalid{"rrule", fmt.Sprintf("Invalid RRule string \"%s...\"\nMax length is %d, got %d", start, maxRRule, n)}
	}
	zone, err := fieldZone(timezone, "timezone")
	if err != nil {
		return nil, err
	}
	return &RRule{rrule, timezone, set, set.broken(), zone}, nil
}

// Kind implements Schedule.
func (*RRule) Kind() string { return "RRuleSchedule" }

// JSON implements Schedule.
func (r *RRule) JSON() prefect.JSON {
	return printed(struct {
		RRule    string  `json:"rrule"`
		Timezone *string `json:"timezone"`
	}{r.RRule, r.Timezone})
}

// Dates implements Schedule. A rule whose UNTIL has a zone while it has no DTSTART is
// an error here and not before, as in the reference.
func (r *RRule) Dates(n int, start, end prefect.Time) ([]Date, error) {
	if r.broken != nil {
		return nil, r.broken
	}
	n = limit(n, end)
	clock := newClock(r.zone)
	first, last := ceilSeconds(start), int64(lastDate)
	if !end.IsNull() {
		last = floorSeconds(end)
	}
	walk := r.set.walk(clock.wall(first), clock.limit(last))
	dates := make([]int64, 0, min(n, 128))
	for candidates := 0; candidates < maxDates+2 && len(dates) < n; {
		wall, ok := walk.next()
		if !ok {
			break
		}
		date := clock.instant(wall, back)
		if date > last {
			return datesOf(dates, r.zone), nil
		}
		if date < first {
			continue
		}
		candidates++
		if at, found := slices.BinarySearch(dates, date); !found {
			dates = slices.Insert(dates, at, date)
		}
	}
	if len(dates) < n && walk.tired() {
		return datesOf(dates, r.zone), ErrNoDate
	}
	return datesOf(dates, r.zone), nil
}

// defaultStart is the DTSTART of a rule that has none.
var defaultStart = dayOf(2020, time.January, 1) * secondsOfDay

// NormalizeRRule gives a rule a DTSTART if it has none: the default one or, for a rule
// that recurs every few minutes or seconds, the last date of the same rule before now.
// A text that is no rule, or that cannot be followed, is answered as it is.
func NormalizeRRule(rrule string, timezone *string, now prefect.Time) string {
	if strings.Contains(strings.ToUpper(rrule), "DTSTART") {
		return rrule
	}
	set, err := parseRRule(rrule)
	if err != nil || set.broken() != nil {
		return rrule
	}
	start := defaultStart
	zone, err := fieldZone(timezone, "timezone")
	if err != nil {
		zone = time.UTC
	}
	wall := newClock(zone).wall(floorSeconds(now))
	if set.single && set.rules[0].freq >= minutely && set.rules[0].count == noCount && wall > start {
		period := set.rules[0].interval * unitSeconds[set.rules[0].freq]
		start += (wall - start) / period * period
	}
	return "DTSTART:" + time.Unix(start-epoch, 0).UTC().Format("20060102T150405") + "\n" + rrule
}

// recurrences is what a text says: dates of rules and single ones, without those that
// are left out.
type recurrences struct {
	rules, exRules []*rule
	dates, exDates []int64 // in order
	single         bool    // the text is one rule and nothing else
}

var errUntil = errors.New("RRULE UNTIL values must be specified in UTC when DTSTART is timezone-aware")

// broken reports a rule that can be read but not followed, because its UNTIL has a
// zone and the DTSTART that it is given has none.
func (s *recurrences) broken() error {
	for _, r := range slices.Concat(s.rules, s.exRules) {
		if r.implicit && r.untilZone {
			return errUntil
		}
	}
	return nil
}

// setWalk goes from date to date of recurrences, by wall time and without duplicates.
type setWalk struct {
	sources, excluded []*source
	rules             []*ruleWalk
	work              int // that is left for dates that are excluded
	last              int64
	started           bool
}

// maxWork is how many days or periods a search may look at, shared by the rules. It
// suffices for any day that the calendar has, which is no more than 400 years away.
const maxWork = 1 << 18

// dateWork is what each date adds to it, so that a rule with a date now and then, say
// on a day of every fourth year, does not tire of having many.
const dateWork = 2000

// walk starts at the first date from wall on. None is behind until.
func (s *recurrences) walk(wall, until int64) *setWalk {
	w := &setWalk{work: maxWork}
	share := maxWork / max(len(s.rules)+len(s.exRules), 1)
	add := func(to *[]*source, dates []int64, rules []*rule) {
		if len(dates) > 0 {
			*to = append(*to, newSource(&dateList{dates: dates}))
		}
		for _, r := range rules {
			walk := &ruleWalk{rule: r, work: share, last: min(until, r.until), left: r.count}
			w.rules = append(w.rules, walk)
			*to = append(*to, newSource(walk))
		}
	}
	add(&w.sources, s.dates, s.rules)
	add(&w.excluded, s.exDates, s.exRules)
	for _, from := range w.sources {
		from.advance(wall)
	}
	return w
}

// next is the next wall time.
func (w *setWalk) next() (int64, bool) {
	for w.work > 0 {
		var least *source
		for _, s := range w.sources {
			if s.ok && (least == nil || s.date < least.date) {
				least = s
			}
		}
		if least == nil {
			return 0, false
		}
		date := least.date
		least.step()
		w.work--
		if w.started && date == w.last {
			continue
		}
		w.started, w.last = true, date
		if w.excludes(date) {
			continue
		}
		for _, r := range w.rules {
			r.work += dateWork
		}
		return date, true
	}
	return 0, false
}

// tired reports whether the search was given up before it came to an end.
func (w *setWalk) tired() bool {
	return w.work <= 0 || slices.ContainsFunc(w.rules, func(r *ruleWalk) bool { return r.work <= 0 })
}

func (w *setWalk) excludes(date int64) bool {
	for _, s := range w.excluded {
		s.advance(date)
		if s.ok && s.date == date {
			return true
		}
	}
	return false
}

// source is a sequence of wall times, looked at by its head.
type source struct {
	from interface {
		next() (int64, bool)
		seek(wall int64) // may pass over dates before wall
	}
	date int64
	ok   bool
}

func newSource(from interface {
	next() (int64, bool)
	seek(wall int64)
}) *source {
	return &source{from: from, date: never, ok: true}
}

func (s *source) step() { s.date, s.ok = s.from.next() }

// advance moves to the first date from wall on.
func (s *source) advance(wall int64) {
	if s.ok && s.date < wall {
		s.from.seek(wall)
	}
	for s.ok && s.date < wall {
		s.step()
	}
}

// dateList are single dates in order.
type dateList struct{ dates []int64 }

func (l *dateList) next() (int64, bool) {
	if len(l.dates) == 0 {
		return 0, false
	}
	date := l.dates[0]
	l.dates = l.dates[1:]
	return date, true
}

func (l *dateList) seek(wall int64) {
	at, _ := slices.BinarySearch(l.dates, wall)
	l.dates = l.dates[at:]
}
