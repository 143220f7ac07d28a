package schedules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

// RRule is a schedule by the recurrence rules of RFC 5545. The zone of the schedule stands
// in place of any that its text names. Rules are those of the Python package dateutil,
// which the library follows, and recur by wall time.
type RRule struct {
	zone    *time.Location
	include []rrule.ROption
	exclude []rrule.ROption
	extra   []time.Time // beside the rules
	without []time.Time
	broken  error // that comes up when dates are computed
}

// maxRule is how long a rule may be (reference/scheduling.md).
const maxRule = 6500

// implicitStart is where rules without a start begin.
var implicitStart = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

var errUntil = errors.New("RRULE UNTIL values must be specified in UTC when DTSTART is timezone-aware")

// Kind is the name of its class in the reference.
func (*RRule) Kind() string { return "RRuleSchedule" }

// ParseRRule reads one rule, or a set of rules and dates.
func ParseRRule(text string, zone *time.Location) (*RRule, error) {
	if len(text) > maxRule {
		return nil, fmt.Errorf("Invalid RRule string %q\nMax length is %d, got %d", text, maxRule, len(text))
	}
	r := &RRule{zone: zone}
	if err := r.parse(text); err != nil {
		return nil, fmt.Errorf("Invalid RRule string %q: %w", text, err)
	}
	return r, nil
}

// property is one line of a rule's text.
type property struct {
	name  string
	zoned bool // it names a zone
	value string
}

func properties(text string) (list []property) {
	for line := range strings.FieldsSeq(text) {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			name, value = "RRULE", line
		}
		name, parameters, _ := strings.Cut(strings.ToUpper(name), ";")
		list = append(list, property{name, strings.HasPrefix(parameters, "TZID="), strings.ToUpper(value)})
	}
	return list
}

func (r *RRule) parse(text string) error {
	list := properties(text)
	start, explicit, aware := implicitStart, false, false
	for _, p := range list {
		if p.name == "DTSTART" {
			at, isUTC, err := parseWall(p.value)
			if err != nil {
				return err
			}
			start, explicit, aware = at, true, isUTC || p.zoned
		}
	}
	for _, p := range list {
		var err error
		switch p.name {
		case "DTSTART":
		case "RRULE":
			err = r.addRule(&r.include, p.value, start, explicit, aware)
		case "EXRULE":
			err = r.addRule(&r.exclude, p.value, start, explicit, aware)
		case "RDATE":
			err = addDates(&r.extra, p.value)
		case "EXDATE":
			err = addDates(&r.without, p.value)
		default:
			err = fmt.Errorf("unsupported property: %s", p.name)
		}
		if err != nil {
			return err
		}
	}
	if len(r.include)+len(r.extra) == 0 {
		return errors.New("empty string")
	}
	return nil
}

func (r *RRule) addRule(to *[]rrule.ROption, text string, start time.Time, explicit, aware bool) error {
	option, err := rrule.StrToROption(text)
	if err != nil {
		return err
	}
	option.Dtstart = start
	if until := untilOf(text); until != "" && strings.HasSuffix(until, "Z") != aware {
		if explicit {
			return errUntil
		}
		r.broken = errUntil
	}
	if _, err := rrule.NewRRule(*option); err != nil {
		return err
	}
	if !feasible(option) {
		return errors.New("invalid combination of interval and by-times, which never recurs")
	}
	*to = append(*to, *option)
	return nil
}

func untilOf(rule string) string {
	for part := range strings.SplitSeq(rule, ";") {
		if until, ok := strings.CutPrefix(part, "UNTIL="); ok {
			return until
		}
	}
	return ""
}

func addDates(to *[]time.Time, text string) error {
	for part := range strings.SplitSeq(text, ",") {
		at, _, err := parseWall(part)
		if err != nil {
			return err
		}
		*to = append(*to, at)
	}
	return nil
}

// parseWall reads a date or a time, whose digits count whatever zone they have.
func parseWall(text string) (wall time.Time, isUTC bool, err error) {
	digits, isUTC := strings.CutSuffix(text, "Z")
	for _, layout := range []string{"20060102T150405", "20060102", "20060102T1504"} {
		if wall, err = time.Parse(layout, digits); err == nil {
			return wall, isUTC, nil
		}
	}
	return wall, false, fmt.Errorf("%q is no date", text)
}

// dates yields the dates from an instant on, until it is told to stop.
func (r *RRule) dates(start time.Time, yield func(time.Time) bool) error {
	if r.broken != nil {
		return r.broken
	}
	from := wallOf(start, r.zone)
	included, excluded := r.walks(r.include, from), r.walks(r.exclude, from)
	for _, wall := range slices.SortedFunc(slices.Values(r.extra), time.Time.Compare) {
		if !wall.Before(from) {
			included = append(included, &walk{next: wall, ok: true})
		}
	}
	var last time.Time
	for range maxCandidates {
		wall, ok := earliest(included)
		if !ok {
			return nil
		}
		for _, w := range included {
			w.beyond(wall)
		}
		if excludes(excluded, wall) || slices.ContainsFunc(r.without, wall.Equal) {
			continue
		}
		date := in(r.zone, wall, backward)
		if date.Before(start) || date.Equal(last) {
			continue
		}
		if last = date; !yield(date) {
			return nil
		}
	}
	return nil
}

// walk goes along the wall times of a rule.
type walk struct {
	next time.Time
	ok   bool
	more func() (time.Time, bool) // nil if next is the only one
}

func (r *RRule) walks(options []rrule.ROption, from time.Time) (list []*walk) {
	for i := range options {
		w := &walk{more: along(options[i], from)}
		w.advance()
		for w.ok && w.next.Before(from) {
			w.advance()
		}
		list = append(list, w)
	}
	return list
}

func (w *walk) advance() {
	if w.ok = w.more != nil; w.ok {
		w.next, w.ok = w.more()
	}
}

// beyond leaves a wall time behind.
func (w *walk) beyond(wall time.Time) {
	for w.ok && !w.next.After(wall) {
		w.advance()
	}
}

func earliest(walks []*walk) (wall time.Time, ok bool) {
	for _, w := range walks {
		if w.ok && (!ok || w.next.Before(wall)) {
			wall, ok = w.next, true
		}
	}
	return wall, ok
}

func excludes(walks []*walk, wall time.Time) bool {
	for _, w := range walks {
		for w.ok && w.next.Before(wall) {
			w.advance()
		}
		if w.ok && w.next.Equal(wall) {
			return true
		}
	}
	return false
}
