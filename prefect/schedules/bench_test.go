package schedules_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/prefect/schedules"
)

var benched = []struct {
	name   string
	fields map[string]any
}{
	{"interval/hour", map[string]any{"interval": 3600, "anchor_date": "2020-01-01T00:00:00Z", "timezone": "America/New_York"}},
	{"interval/day", map[string]any{"interval": 86400, "anchor_date": "2020-01-01T09:00:00Z", "timezone": "America/New_York"}},
	{"cron/minutes", map[string]any{"cron": "*/5 * * * *", "timezone": "America/New_York"}},
	{"cron/weekday", map[string]any{"cron": "0 9 1 * MON", "timezone": "Europe/London"}},
	{"rrule/secondly", map[string]any{"rrule": "DTSTART:20000101T000000\nRRULE:FREQ=SECONDLY;INTERVAL=7", "timezone": "America/New_York"}},
	{"rrule/minutely", map[string]any{"rrule": "DTSTART:20000101T000000\nRRULE:FREQ=MINUTELY;BYHOUR=9,17", "timezone": "Europe/London"}},
	{"rrule/daily", map[string]any{"rrule": "DTSTART:20000101T000000\nRRULE:FREQ=DAILY", "timezone": "UTC"}},
	{"rrule/count", map[string]any{"rrule": "DTSTART:20000101T000000\nRRULE:FREQ=MINUTELY;COUNT=90000000", "timezone": "UTC"}},
	{"rrule/monthly", map[string]any{"rrule": "DTSTART:20000101T000000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR", "timezone": "Asia/Tokyo"}},
	{"rrule/set", map[string]any{"rrule": "DTSTART:20000101T083000\nRRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY;BYDAY=SA,SU", "timezone": "Asia/Tokyo"}},
}

// BenchmarkNext computes the next date of a schedule.
func BenchmarkNext(b *testing.B) {
	now := instant(b, "2026-11-24T10:17:23Z")
	for _, c := range benched {
		b.Run(c.name, func(b *testing.B) {
			s, err := schedules.Parse(spec(b, c.fields))
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if dates, err := s.Dates(1, now, 0); err != nil || len(dates) != 1 {
					b.Fatal(dates, err)
				}
			}
		})
	}
}

// BenchmarkTenThousand reads ten thousand schedules of all kinds as they are stored,
// and computes the next date of each.
func BenchmarkTenThousand(b *testing.B) {
	now := instant(b, "2026-11-24T10:17:23Z")
	stored := make([]prefect.JSON, 10_000)
	for i := range stored {
		switch i % 4 {
		case 0:
			stored[i] = spec(b, map[string]any{"cron": fmt.Sprintf("%d %d * * *", i%60, i%24), "timezone": "America/New_York"})
		default:
			stored[i] = spec(b, benched[i%len(benched)].fields)
		}
	}
	for b.Loop() {
		for _, text := range stored {
			s, err := schedules.Parse(text)
			if err != nil {
				b.Fatal(err)
			}
			if dates, err := s.Dates(1, now, 0); err != nil || len(dates) != 1 {
				b.Fatal(dates, err)
			}
		}
	}
}
