package schema

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"prefectd/prefect"
)

// The last instant that an answer can print; the first is zero, the year 1.
var (
	epoch    = prefect.TimeOf(time.Unix(0, 0))
	lastTime = prefect.TimeOf(time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC))
)

// parseTime reads an instant: a text in one of many forms, or seconds (or, if
// large, milliseconds) since 1970.
func parseTime(raw []byte) (prefect.Time, *fault) {
	switch {
	case isNumber(raw):
		if t, ok := timestamp(string(raw)); ok {
			return t, nil
		}
		return 0, notDatetime
	case !isString(raw):
		return 0, notDatetime
	}
	s, whole := text(raw)
	if t, ok := timeOfText(s); ok && whole {
		return t, nil
	}
	return 0, valueError("Unable to parse string [" + s + "]")
}

func timeOfText(s string) (prefect.Time, bool) {
	switch {
	case s == "now":
		return prefect.TimeOf(time.Now()), true
	case isNumeric(s):
		return timestamp(s)
	}
	if t, ok := isoTime(s); ok {
		return t, true
	}
	return commonTime(s)
}

// isNumeric reports whether s is digits, perhaps with a sign and a point.
func isNumeric(s string) bool {
	if len(s) > 4 && s[4] == '-' { // nearly always
		return false
	}
	if s != "" && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	return whole+fraction != "" && strings.Trim(whole+fraction, "0123456789") == ""
}

// timestamp reads seconds since 1970; beyond twenty billion they are
// milliseconds.
func timestamp(s string) (prefect.Time, bool) {
	const watershed = 20_000_000_000
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n < -watershed || n > watershed {
			return inRange(epoch+prefect.Time(n)*1000, n > -1e15 && n < 1e15)
		}
		return inRange(epoch+prefect.Time(n)*1_000_000, true)
	}
	f, err := strconv.ParseFloat(s, 64)
	if math.Abs(f) > watershed {
		f /= 1000
	}
	return inRange(epoch+prefect.Time(math.Round(f*1e6)), err == nil && math.Abs(f) < 1e12)
}

func inRange(t prefect.Time, ok bool) (prefect.Time, bool) {
	return t, ok && 0 <= t && t <= lastTime
}

// clock is a date and time as it is written, in no zone.
type clock struct {
	year, month, day, hour, minute, second, micro int
}

// at returns the instant at which a clock that is offset seconds ahead of UTC
// shows this time.
func (c clock) at(offset int) (prefect.Time, bool) {
	if c.year < 1 || c.month < 1 || c.month > 12 || c.day < 1 || c.day > daysIn(c.year, c.month) ||
		c.hour > 23 || c.minute > 59 || c.second > 59 {
		return 0, false
	}
	t := time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, c.micro*1000, time.UTC)
	return inRange(epoch+prefect.Time(t.UnixMicro())-prefect.Time(offset)*1_000_000, true)
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month+1), 0, 0, 0, 0, 0, time.UTC).Day()
}

// reader takes a text apart.
type reader struct{ s string }

// digits reads a number of exactly n digits.
func (r *reader) digits(n int) (value int, ok bool) {
	if len(r.s) < n {
		return 0, false
	}
	for i := range n {
		c := r.s[i]
		if !isDigit(c) {
			return 0, false
		}
		value = value*10 + int(c-'0')
	}
	r.s = r.s[n:]
	return value, true
}

// one reads one of the given bytes.
func (r *reader) one(of string) bool {
	if r.s == "" || strings.IndexByte(of, r.s[0]) < 0 {
		return false
	}
	r.s = r.s[1:]
	return true
}

// isoTime reads the forms of ISO 8601 and RFC 3339.
func isoTime(s string) (prefect.Time, bool) {
	r := reader{s}
	var c clock
	extended, ok := r.date(&c)
	if !ok {
		return 0, false
	}
	if r.s == "" {
		return c.at(0)
	}
	separators := "Tt _"
	if !extended {
		separators = "T "
	}
	if !r.one(separators) || !r.time(&c, extended) {
		return 0, false
	}
	offset, ok := r.zone()
	if !ok || r.s != "" {
		return 0, false
	}
	return c.at(offset)
}

// date reads a date by month, week or day of the year; extended is the form with
// dashes.
func (r *reader) date(c *clock) (extended, ok bool) {
	if c.year, ok = r.digits(4); !ok {
		return false, false
	}
	extended = r.one("-")
	if r.one("W") {
		return extended, r.week(c, extended)
	}
	n := 0
	for n < len(r.s) && n < 4 && isDigit(r.s[n]) {
		n++
	}
	if n == 3 {
		ordinal, _ := r.digits(3)
		return extended, c.ordinal(ordinal)
	}
	if c.month, ok = r.digits(2); !ok {
		return extended, false
	}
	if extended && !r.one("-") {
		c.day = 1
		return extended, r.s == ""
	}
	c.day, ok = r.digits(2)
	return extended, ok
}

// week reads a week and perhaps the day in it.
func (r *reader) week(c *clock, extended bool) bool {
	week, ok := r.digits(2)
	weekday := 1
	if ok && r.s != "" && (!extended || r.one("-")) {
		weekday, ok = r.digits(1)
	}
	if !ok || week > 53 || weekday < 1 || weekday > 7 {
		return false
	}
	// The fourth of January is always in the first week.
	fourth := time.Date(c.year, 1, 4, 0, 0, 0, 0, time.UTC)
	monday := fourth.AddDate(0, 0, -(int(fourth.Weekday())+6)%7)
	day := monday.AddDate(0, 0, 7*(week-1)+weekday-1)
	year, month, date := day.Date()
	if isoYear, _ := monday.AddDate(0, 0, 7*(week-1)).ISOWeek(); isoYear > c.year {
		return false
	}
	c.year, c.month, c.day = year, int(month), date
	return true
}

func (c *clock) ordinal(day int) bool {
	if c.year < 1 || day < 1 || day > 365+daysIn(c.year, 2)-28 {
		return false
	}
	date := time.Date(c.year, 1, day, 0, 0, 0, 0, time.UTC)
	c.month, c.day = int(date.Month()), date.Day()
	return true
}

// time reads hours, minutes, seconds and a fraction; all but the hours may be
// missing.
func (r *reader) time(c *clock, extended bool) (ok bool) {
	if c.hour, ok = r.digits(2); !ok {
		return false
	}
	for _, part := range []*int{&c.minute, &c.second} {
		if extended && !r.one(":") || !extended && (r.s == "" || !isDigit(r.s[0])) {
			return true
		}
		if *part, ok = r.digits(2); !ok {
			return false
		}
	}
	if !r.one(".,") {
		return true
	}
	c.micro, ok = r.fraction()
	return ok
}

// fraction reads digits after the point as microseconds.
func (r *reader) fraction() (micro int, ok bool) {
	n := 0
	for ; n < len(r.s) && isDigit(r.s[n]); n++ {
		if n < 6 {
			micro = micro*10 + int(r.s[n]-'0')
		}
	}
	r.s = r.s[n:]
	for i := n; i < 6; i++ {
		micro *= 10
	}
	return micro, n > 0
}

// zone reads an offset in seconds; there may be none.
func (r *reader) zone() (offset int, ok bool) {
	if r.s == "" || r.one("Zz") {
		return 0, true
	}
	sign := -1
	switch minus := "\u2212"; {
	case r.one("+"):
		sign = 1
	case r.one("-"):
	case strings.HasPrefix(r.s, minus):
		r.s = r.s[len(minus):]
	default:
		return 0, false
	}
	hours, ok := r.digits(2)
	minutes := 0
	if ok && r.s != "" {
		r.one(":")
		minutes, ok = r.digits(2)
	}
	return sign * (hours*60 + minutes) * 60, ok && hours <= 24
}

var common = regexp.MustCompile(`^(?:(\d{4})(?:[/:]?(\d{2})[/:]?(\d{2}))?)?( ?(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?(?:[.|,](\d{1,9}))?)?$`)

// commonTime reads a date with slashes or colons, a time of today, or both.
func commonTime(s string) (prefect.Time, bool) {
	m := common.FindStringSubmatch(s)
	if m == nil || s == "" {
		return 0, false
	}
	number := func(i, absent int) int {
		if n, err := strconv.Atoi(m[i]); err == nil {
			return n
		}
		return absent
	}
	year, month, day := time.Now().UTC().Date()
	c := clock{year: year, month: int(month), day: day}
	if m[1] != "" {
		c.year, c.month, c.day = number(1, 0), number(2, 1), number(3, 1)
	}
	c.hour, c.minute, c.second = number(5, 0), number(6, 0), number(7, 0)
	if m[8] != "" {
		fraction := reader{m[8]}
		c.micro, _ = fraction.fraction()
	}
	return c.at(0)
}
