package prefect

import (
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Time is an instant in UTC with the precision of the API, counted in
// microseconds since the year 1 (the earliest instant Python knows). The zero
// Time stands for null.
type Time int64

// unixOffset is the microseconds from the year 1 to the Unix epoch.
const unixOffset = 62135596800 * 1_000_000

// TimeOf cuts t to microseconds.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMicro() + unixOffset)
}

// Go returns the instant as a time.Time in UTC.
func (t Time) Go() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(t) - unixOffset).UTC()
}

// IsNull reports whether the Time is unset.
func (t Time) IsNull() bool { return t == 0 }

// Add moves the instant.
func (t Time) Add(d Duration) Time { return t + Time(d) }

// Sub is the time from u to t.
func (t Time) Sub(u Time) Duration { return Duration(t - u) }

// String prints the API's form: RFC 3339 with Z, the fraction with six digits,
// or without one when it is zero.
func (t Time) String() string { return string(t.append(nil, "Z")) }

// ISO prints the form that Python's isoformat gives: +00:00 instead of Z.
func (t Time) ISO() string { return string(t.append(nil, "+00:00")) }

func (t Time) append(b []byte, zone string) []byte {
	g := t.Go()
	b = g.Truncate(time.Second).AppendFormat(b, time.RFC3339) // the form that is quick
	b = b[:len(b)-len("Z")]
	if us := g.Nanosecond() / 1000; us != 0 {
		b = append(b, '.')
		for unit := 100_000; unit > 0; unit /= 10 {
			b = append(b, byte('0'+us/unit%10))
		}
	}
	return append(b, zone...)
}

// MarshalJSONTo prints the instant or null.
func (t Time) MarshalJSONTo(enc *jsontext.Encoder) error {
	if t == 0 {
		return enc.WriteToken(jsontext.Null)
	}
	var buf [40]byte
	b := append(buf[:0], '"')
	b = append(t.append(b, "Z"), '"')
	return enc.WriteValue(b)
}

// UnmarshalJSONFrom reads RFC 3339 or null; requests are read by the HTTP layer,
// which accepts more forms.
func (t *Time) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() == 'n' {
		*t = 0
		return nil
	}
	g, err := time.Parse(time.RFC3339Nano, token.String())
	if err != nil {
		return err
	}
	*t = TimeOf(g)
	return nil
}

// Duration is a span in microseconds. The API prints it as float seconds.
type Duration int64

// Common spans.
const (
	Microsecond Duration = 1
	Millisecond          = 1000 * Microsecond
	Second               = 1000 * Millisecond
	Minute               = 60 * Second
	Hour                 = 60 * Minute
	Day                  = 24 * Hour
)

// SecondsOf converts float seconds, rounded to the microsecond.
func SecondsOf(s float64) Duration { return Duration(math.Round(s * 1e6)) }

// Seconds is the span as the API prints it.
func (d Duration) Seconds() float64 { return float64(d) / 1e6 }

// MarshalJSONTo prints float seconds; a whole number keeps its point (0.0).
func (d Duration) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteValue(AppendFloat(make([]byte, 0, 24), d.Seconds()))
}

// UnmarshalJSONFrom reads seconds.
func (d *Duration) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	f, err := token.Float()
	*d = SecondsOf(f)
	return err
}

// Float is a number that always prints with a fraction or an exponent, as
// Python prints a float.
type Float float64

// MarshalJSONTo prints the number with a fraction.
func (f Float) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteValue(AppendFloat(make([]byte, 0, 24), float64(f)))
}

// AppendFloat appends f as Python's repr prints it.
func AppendFloat(b []byte, f float64) []byte {
	n := len(b)
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'f', -1, 64)
	for _, c := range b[n:] {
		if c == '.' {
			return b
		}
	}
	return append(b, ".0"...)
}
