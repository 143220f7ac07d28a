package node

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"prefectd/prefect"
)

// The forms of a duration: ISO 8601 without years and months, and a time of day.
var (
	isoForm   = regexp.MustCompile(`^P(?:([\d.]+)W)?(?:([\d.]+)D)?(?:T(?:([\d.]+)H)?(?:([\d.]+)M)?(?:([\d.]+)S)?)?$`)
	clockForm = regexp.MustCompile(`^()()(\d+):(\d+)(?::([\d.]+))?$`)
)

var durationUnits = []prefect.Duration{7 * prefect.Day, prefect.Day, prefect.Hour, prefect.Minute, prefect.Second}

// parseDuration reads a duration in any of the forms that operators write:
// seconds, HH:MM:SS, or ISO 8601.
func parseDuration(s string) (prefect.Duration, error) {
	if seconds, err := strconv.ParseFloat(s, 64); err == nil && seconds >= 0 && seconds < 1e10 {
		return prefect.SecondsOf(seconds), nil
	}
	parts := isoForm.FindStringSubmatch(s)
	if parts == nil || strings.HasSuffix(s, "P") || strings.HasSuffix(s, "T") {
		parts = clockForm.FindStringSubmatch(s)
	}
	if parts == nil {
		return 0, fmt.Errorf("%q is no duration: write seconds (90), a time (00:01:30) or ISO 8601 (PT1M30S)", s)
	}
	var d prefect.Duration
	for i, part := range parts[1:] {
		if part == "" {
			continue
		}
		n, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is no duration: %q is no number", s, part)
		}
		d += prefect.Duration(n * float64(durationUnits[i]))
	}
	return d, nil
}

// formatDuration writes a duration as ISO 8601, as the settings document has it.
func formatDuration(d prefect.Duration) string {
	if d == 0 {
		return "PT0S"
	}
	var b strings.Builder
	b.WriteByte('P')
	if days := d / prefect.Day; days > 0 {
		fmt.Fprintf(&b, "%dD", days)
		d %= prefect.Day
	}
	if d > 0 {
		b.WriteByte('T')
	}
	if hours := d / prefect.Hour; hours > 0 {
		fmt.Fprintf(&b, "%dH", hours)
		d %= prefect.Hour
	}
	if minutes := d / prefect.Minute; minutes > 0 {
		fmt.Fprintf(&b, "%dM", minutes)
		d %= prefect.Minute
	}
	if d > 0 {
		b.WriteString(strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "S")
	}
	return b.String()
}
