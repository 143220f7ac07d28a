package schema

import (
	"math"
	"strconv"

	"prefectd/prefect"
)

// maxDays is less than the reference allows, but all that a Duration can hold.
const (
	maxDays     = 100_000_000
	tooManyDays = "durations may not exceed 100,000,000 days"
)

// parseDuration reads seconds, or a text: ISO 8601 (P1DT2H), or days and a time
// (1 day, 01:02:03.5).
func parseDuration(raw []byte) (prefect.Duration, *fault) {
	switch c := raw[0]; {
	case c == 't':
		return prefect.Second, nil
	case c == 'f':
		return 0, nil
	case isNumber(raw):
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || math.Abs(f) > maxDays*86400 {
			return 0, badDuration(tooManyDays)
		}
		return prefect.SecondsOf(f), nil
	case !isString(raw):
		return 0, timeDeltaType
	}
	s, _ := text(raw)
	r := reader{s}
	sign := prefect.Duration(1)
	if r.one("-") {
		sign = -1
	} else {
		r.one("+")
	}
	var d prefect.Duration
	var reason string
	switch {
	case r.one("P"):
		d, reason = r.isoDuration()
	default:
		d, reason = r.daysAndTime()
	}
	if reason != "" {
		return 0, badDuration(reason)
	}
	return sign * d, nil
}

func badDuration(reason string) *fault {
	return parsing("time_delta_parsing", "Input should be a valid timedelta, ", reason)
}

// The units of a duration before and after its T.
var (
	dateUnits = map[byte]prefect.Duration{'Y': 365 * prefect.Day, 'M': 30 * prefect.Day, 'W': 7 * prefect.Day, 'D': prefect.Day}
	timeUnits = map[byte]prefect.Duration{'H': prefect.Hour, 'M': prefect.Minute, 'S': prefect.Second}
)

// isoDuration reads what follows the P; reason says what is wrong.
func (r *reader) isoDuration() (d prefect.Duration, reason string) {
	if len(r.s) < 2 {
		return 0, "input is too short"
	}
	units, part, fractional := dateUnits, "date", false
	for r.s != "" {
		if part == "date" && r.one("T") {
			units, part = timeUnits, "time"
			continue
		}
		n, micro, reason := r.quantity()
		switch {
		case reason != "":
			return 0, reason
		case fractional:
			return 0, "unexpected fraction in duration"
		case r.s == "" || units[r.s[0]] == 0:
			return 0, "quantity invalid in " + part + " part of duration"
		}
		fractional = micro >= 0
		unit := units[r.s[0]]
		r.s = r.s[1:]
		d += prefect.Duration(n) * unit
		if fractional {
			d += prefect.Duration(micro) * (unit / prefect.Second)
		}
		if d > maxDays*prefect.Day {
			return 0, tooManyDays
		}
	}
	return d, ""
}

// quantity reads a number and perhaps a fraction in millionths, -1 for none.
func (r *reader) quantity() (n, micro int, reason string) {
	if n, reason = r.number(); reason != "" {
		return 0, 0, reason
	}
	if !r.one(".,") {
		return n, -1, ""
	}
	micro, ok := r.fraction()
	if !ok {
		return 0, 0, "invalid digit in duration"
	}
	return n, micro, ""
}

// number reads digits.
func (r *reader) number() (n int, reason string) {
	i := 0
	for ; i < len(r.s) && isDigit(r.s[i]); i++ {
		if n = n*10 + int(r.s[i]-'0'); n > math.MaxUint32 {
			return 0, "a numeric value in the duration is too large"
		}
	}
	if i == 0 {
		return 0, "invalid digit in duration"
	}
	r.s = r.s[i:]
	return n, ""
}

// daysAndTime reads days, a time, or days and a time.
func (r *reader) daysAndTime() (d prefect.Duration, reason string) {
	const wrongDay = `"day" identifier in duration not correctly formatted`
	if r.s == "" {
		return 0, "input is too short"
	}
	n, reason := r.number()
	switch {
	case reason != "":
		return 0, reason
	case r.one(":"):
		return r.minutes(n)
	}
	r.one(" ")
	if !r.one("dD") {
		return 0, wrongDay
	}
	if r.one("aA") {
		if !r.one("yY") {
			return 0, wrongDay
		}
		r.one("sS")
	}
	if n > maxDays {
		return 0, tooManyDays
	}
	d = prefect.Duration(n) * prefect.Day
	r.one(",")
	if r.s == "" {
		return d, ""
	}
	if !r.one(" ") {
		return 0, wrongDay
	}
	hours, reason := r.number()
	switch {
	case reason != "":
		return 0, reason
	case !r.one(":"):
		return 0, "invalid time separator, expected `:`"
	}
	rest, reason := r.minutes(hours)
	return d + rest, reason
}

// minutes reads what follows the hours of a time.
func (r *reader) minutes(hours int) (d prefect.Duration, reason string) {
	d = prefect.Duration(hours) * prefect.Hour
	for _, part := range []struct {
		name string
		unit prefect.Duration
	}{{"minute", prefect.Minute}, {"second", prefect.Second}} {
		if part.name == "second" && !r.one(":") {
			break
		}
		n, ok := r.digits(2)
		switch {
		case !ok:
			return 0, "invalid character in " + part.name
		case n > 59:
			return 0, part.name + " value is outside expected range of 0-59"
		}
		d += prefect.Duration(n) * part.unit
	}
	if r.one(".,") {
		micro, ok := r.fraction()
		if !ok {
			return 0, "second fraction value is more than 6 digits long"
		}
		d += prefect.Duration(micro)
	}
	if r.s != "" {
		return 0, "unexpected extra characters at the end of the input"
	}
	return d, ""
}
