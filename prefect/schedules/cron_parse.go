package schedules

import (
	"errors"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// cronSet are the values of a field that match.
type cronSet struct {
	any    bool
	values uint64
}

func (s cronSet) has(value int) bool { return s.any || s.values>>value&1 != 0 }

// step is how far the next value is that matches; behind the greatest one it goes on
// with the least, length further.
func (s cronSet) step(value, length int) int {
	if s.any {
		return 0
	}
	if rest := s.values >> value; rest != 0 {
		return bits.TrailingZeros64(rest)
	}
	return bits.TrailingZeros64(s.values) + length - value
}

// The places of the fields.
const (
	cronMinute = iota
	cronHour
	cronDay
	cronMonth
	cronWeekday
	cronSecond
	cronYear
)

// The values that a field may have.
var cronRanges = [...]struct{ min, max int }{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}, {0, 59}, {1970, 2099}}

var cronAliases = map[string]string{
	"@midnight": "0 0 * * *",
	"@hourly":   "0 * * * *",
	"@daily":    "0 0 * * *",
	"@weekly":   "0 0 * * 0",
	"@monthly":  "0 0 1 * *",
	"@yearly":   "0 0 1 1 *",
	"@annually": "0 0 1 1 *",
}

var cronMonths = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

var cronWeekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

var errCron = errors.New("bad cron expression")

// cronParser reads one field after the other.
type cronParser struct {
	fields []string
	place  int // of the field that is read
	out    cronFields
	values map[int]bool // of the field; a star is cronStar, the last day cronLast
}

const (
	cronStar = -1
	cronLast = -2
)

// parseCron answers errRandom for random fields.
func parseCron(text string) (*cronFields, error) {
	text = strings.ToLower(text)
	if alias, ok := cronAliases[text]; ok {
		text = alias
	}
	p := &cronParser{fields: strings.Fields(text)}
	if len(p.fields) < cronSecond || len(p.fields) > cronYear+1 {
		return nil, errCron
	}
	sets := [...]*cronSet{&p.out.minutes, &p.out.hours, &p.out.days, &p.out.months, &p.out.weekdays, &p.out.seconds, {}}
	random := false
	for place, field := range p.fields {
		if random = random || isRandom(field); isRandom(field) {
			continue
		}
		p.place, p.values = place, map[int]bool{}
		if err := p.field(field); err != nil {
			return nil, err
		}
		*sets[place] = p.set()
		if place == cronDay {
			p.out.lastDay = p.values[cronLast]
		}
		if place == cronWeekday && p.mixesNth() {
			return nil, errCron
		}
	}
	if random {
		return nil, errRandom
	}
	p.out.hasSeconds = len(p.fields) > cronSecond
	return &p.out, nil
}

// mixesNth reports whether weekdays with # and without are mixed.
func (p *cronParser) mixesNth() bool {
	for value := range p.values {
		if value >= 0 && p.out.isNth && p.out.nth[value] == 0 && len(p.values) != daysOfWeek {
			return true
		}
	}
	return false
}

// set is the field that was read. One in which every value is named is a star, except
// that a day beside a restricted weekday stays a restriction, and a weekday beside a
// day.
func (p *cronParser) set() (s cronSet) {
	r := cronRanges[p.place]
	full := len(p.values) == r.max-r.min+1
	if other, ok := map[int]int{cronDay: cronWeekday, cronWeekday: cronDay}[p.place]; ok && !strings.Contains(p.fields[other], "*") {
		full = false
	}
	if s.any = full || p.values[cronStar]; s.any {
		return s
	}
	if p.place == cronYear {
		p.out.years = p.values
		for year := range p.values {
			p.out.lastYear = max(p.out.lastYear, year)
		}
		return s
	}
	for value := range p.values {
		if value >= 0 {
			s.values |= 1 << value
		}
	}
	return s
}

func (p *cronParser) field(field string) error {
	if strings.Contains(field, "?") {
		if field != "?" || p.place != cronDay && p.place != cronWeekday {
			return errCron
		}
		field = "*"
	}
	for item := range strings.SplitSeq(field, ",") {
		if err := p.item(item); err != nil {
			return err
		}
	}
	return nil
}

// item reads one of the things between commas.
func (p *cronParser) item(item string) error {
	which := uint8(0) // of the month
	if p.place == cronWeekday {
		if days, nth, ok := cronNth(item); ok {
			if nth < 1 || nth > 5 {
				return errCron
			}
			item, which = days, 1<<nth
		} else if number, ok := strings.CutPrefix(item, "l"); ok && isDigits(number) {
			item, which = number, 1
		}
	}
	low, high, step, ok := cronSplit(item, cronRanges[p.place].min, cronRanges[p.place].max)
	if !ok {
		return p.value(item, which)
	}
	if p.place == cronDay && high == "l" {
		high = "31"
	}
	values, err := p.span(low, high, step)
	if err != nil {
		return err
	}
	for _, value := range values {
		if err := p.add(value, which); err != nil {
			return err
		}
	}
	return nil
}

// cronNth splits 5#2 and MON-FRI#1.
func cronNth(item string) (days string, nth int, ok bool) {
	days, number, ok := strings.Cut(item, "#")
	if !ok || !isDigits(number) || strings.ContainsAny(days, "*/") {
		return "", 0, false
	}
	if first, last, isRange := strings.Cut(days, "-"); isRange {
		named := slices.Contains(cronWeekdays, first) && slices.Contains(cronWeekdays, last)
		if !named {
			return "", 0, false
		}
	}
	return days, atoi(number), true
}

// cronSplit splits a-b/step, and what is short for it: */step and a/step.
func cronSplit(item string, least, greatest int) (low, high string, step int, ok bool) {
	body, number, hasStep := strings.Cut(item, "/")
	step = 1
	if hasStep {
		if !isDigits(number) {
			return "", "", 0, false
		}
		step = atoi(number)
		if body == "*" {
			body = strconv.Itoa(least) + "-" + strconv.Itoa(greatest)
		} else if !strings.Contains(body, "-") {
			body += "-" + strconv.Itoa(greatest)
		}
	}
	low, high, ok = strings.Cut(body, "-")
	return low, high, step, ok && low != "" && high != "" && !strings.Contains(high, "-")
}

// span is every step-th value from low to high. A span that starts where it ends is
// the whole field; one that ends before it starts wraps around.
func (p *cronParser) span(lowText, highText string, step int) ([]int, error) {
	low, err := p.number(lowText)
	if err != nil {
		return nil, err
	}
	high, err := p.number(highText)
	if err != nil {
		return nil, err
	}
	r := cronRanges[p.place]
	if max(low, high) > r.max || step < 1 {
		return nil, errCron
	}
	if low == high {
		low, high = r.min, r.max
	}
	if low < high {
		return every(step, low, high), nil
	}
	values := every(step, low, r.max)
	greatest := values[len(values)-1]
	unused := r.max - greatest // values that the step goes on over
	from := r.min
	if greatest-r.min+step > r.max-r.min+1 && unused < step {
		from += step - unused
	}
	return append(values, every(step, from, high)...), nil
}

func every(step, low, high int) (values []int) {
	for value := low; value <= high; value += step {
		values = append(values, value)
	}
	return values
}

// value reads a single value.
func (p *cronParser) value(item string, which uint8) error {
	switch {
	case item == "*":
		return p.add(cronStar, which)
	case item == "l" && p.place == cronDay:
		return p.add(cronLast, which)
	}
	value, err := p.number(item)
	if err != nil {
		return err
	}
	return p.add(value, which)
}

func (p *cronParser) add(value int, which uint8) error {
	if r := cronRanges[p.place]; value >= 0 && (value < r.min || value > r.max) {
		return errCron
	}
	p.values[value] = true
	if which != 0 && value >= 0 {
		p.out.nth[value] |= which
		p.out.isNth = true
	}
	return nil
}

// number reads a number or name. Sunday may be 7, but only where there are five
// fields; where there are six, the first day of the month may be 0.
func (p *cronParser) number(text string) (int, error) {
	value := -1
	switch {
	case isDigits(text):
		value = atoi(text)
	case p.place == cronMonth:
		value = slices.Index(cronMonths, text) + 1
		if value == 0 {
			return 0, errCron
		}
	case p.place == cronWeekday:
		value = slices.Index(cronWeekdays, text)
	}
	if value < 0 {
		return 0, errCron
	}
	switch {
	case p.place == cronWeekday && value == 7 && len(p.fields) == cronSecond:
		value = 0
	case p.place == cronDay && value == 0 && len(p.fields) == cronYear:
		value = 1
	}
	return value, nil
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// atoi reads digits; what is too great for any field stays so.
func atoi(digits string) int {
	n := 0
	for _, d := range digits {
		n = min(n*10+int(d-'0'), 1<<30)
	}
	return n
}
