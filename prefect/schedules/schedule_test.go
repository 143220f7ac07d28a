package schedules

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

func parse(t testing.TB, raw string) Schedule {
	s, err := Parse(prefect.JSON(raw))
	require.NoError(t, err, raw)
	return s
}

// A rule that began long ago gives the dates that it would give if it were walked along.
func TestRulesJump(t *testing.T) {
	from := time.Date(2026, 5, 17, 13, 2, 3, 0, time.UTC)
	for _, rule := range []string{
		"FREQ=YEARLY", "FREQ=YEARLY;INTERVAL=3", "FREQ=YEARLY;BYDAY=20MO", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "FREQ=YEARLY;INTERVAL=2;BYEASTER=1",
		"FREQ=MONTHLY", "FREQ=MONTHLY;INTERVAL=5", "FREQ=MONTHLY;INTERVAL=2;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "FREQ=MONTHLY;BYMONTHDAY=31",
		"FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU", "FREQ=WEEKLY;INTERVAL=3", "FREQ=DAILY;INTERVAL=7;BYHOUR=3,4", "FREQ=DAILY;BYMONTH=6",
		"FREQ=HOURLY;INTERVAL=5", "FREQ=HOURLY;BYDAY=SA;BYHOUR=1,2", "FREQ=HOURLY;INTERVAL=7;BYHOUR=9", "FREQ=MINUTELY;INTERVAL=90", "FREQ=MINUTELY;INTERVAL=7;BYDAY=MO",
	} {
		for _, start := range []string{"20191231T103000", "20240229T233015"} {
			r, err := ParseRRule("DTSTART:"+start+"\nRRULE:"+rule, time.UTC)
			require.NoError(t, err)
			jumped, err := Dates(r, 20, from, time.Time{})
			require.NoError(t, err)
			slow := iterate(r.include[0])
			for i, date := range jumped {
				wall, ok := slow()
				for ok && wall.Before(from) {
					wall, ok = slow()
				}
				require.True(t, ok)
				require.Equal(t, wall, date.UTC(), "%s from %s, date %d", rule, start, i)
			}
			require.Len(t, jumped, 20)
		}
	}
}

// Rules and lines that never recur end soon, as do those of nonsense.
func TestWhatNeverRecurs(t *testing.T) {
	now := time.Date(2026, 5, 17, 13, 2, 3, 0, time.UTC)
	for _, raw := range []string{
		`{"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}`,
		`{"rrule": "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"}`,
		`{"cron": "0 0 30 2 *", "timezone": "UTC"}`,
		`{"cron": "0 0 1 1 * 0 1999", "timezone": "UTC"}`,
	} {
		began := time.Now()
		dates, _ := Dates(parse(t, raw), 1, now, time.Time{})
		require.Empty(t, dates, raw)
		require.Less(t, time.Since(began), 10*time.Second, raw)
	}
}

func TestWhatIsRefused(t *testing.T) {
	for raw, text := range map[string]string{
		`{}`:                                   "needs an interval",
		`{"interval": 0}`:                      "interval must be positive",
		`{"interval": 60, "timezone": "Mars"}`: "Invalid timezone",
		`{"cron": "* * * *"}`:                  "Invalid cron",
		`{"cron": "60 * * * *"}`:               "is no minute",
		`{"cron": "R * * * *"}`:                "Random and Hashed",
		`{"cron": "* * * * 5#6"}`:              "not understood",
		`{"cron": "*/0 * * * *"}`:              "step",
		`{"rrule": "FREQ=FORTNIGHTLY"}`:        "undefined frequency",
		`{"rrule": ""}`:                        "empty",
		`{"rrule": "FREQ=SECONDLY;INTERVAL=2;BYSECOND=1"}`:              "never recurs",
		`{"rrule": "FREQ=MINUTELY;INTERVAL=60;BYMINUTE=30"}`:            "never recurs",
		`{"rrule": "FREQ=HOURLY;INTERVAL=24;BYHOUR=5;BYMINUTE=10"}`:     "never recurs",
		`{"rrule": "FREQ=HOURLY;INTERVAL=24;BYHOUR=5"}`:                 "never recurs",
		`{"rrule": "FREQ=MINUTELY;INTERVAL=120;BYHOUR=1,3;BYMINUTE=0"}`: "never recurs",
		`{"rrule": "DTSTART:tomorrow"}`:                                 "is no date",
		`{"rrule": "SUMMARY:lunch"}`:                                    "unsupported property",
	} {
		_, err := Parse(prefect.JSON(raw))
		require.ErrorContains(t, err, text, raw)
	}
}

func FuzzCron(f *testing.F) {
	for _, line := range []string{"*/5 1-3,7 L * fri-mon", "0 0 29 2 5#3 30 2030", "@yearly", "? ? ? ? ?"} {
		f.Add(line)
	}
	zone, err := Zone("America/New_York")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, line string) {
		c, err := ParseCron(line, zone, true)
		if err != nil {
			return
		}
		start := time.Date(2026, 3, 8, 6, 0, 0, 0, time.UTC)
		dates, _ := Dates(c, 3, start, time.Time{})
		for _, date := range dates {
			require.False(t, date.Before(start))
		}
	})
}

func FuzzRRule(f *testing.F) {
	for _, rule := range []string{"FREQ=DAILY", "DTSTART:20260101T083000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR\nEXDATE:20260116T083000", "RDATE:20260201T090000"} {
		f.Add(rule)
	}
	f.Fuzz(func(t *testing.T, rule string) {
		r, err := ParseRRule(rule, time.UTC)
		if err != nil {
			return
		}
		start := time.Date(2026, 3, 8, 6, 0, 0, 0, time.UTC)
		dates, _ := Dates(r, 3, start, time.Time{})
		for _, date := range dates {
			require.False(t, date.Before(start))
		}
	})
}

var benchmarked = map[string]string{
	"interval":    `{"interval": 3600, "anchor_date": "2000-01-01T00:00:00Z", "timezone": "Europe/Berlin"}`,
	"days":        `{"interval": 86400, "anchor_date": "2020-01-01T09:00:00Z", "timezone": "Europe/Berlin"}`,
	"cron":        `{"cron": "15 3 * * 1-5", "timezone": "America/New_York"}`,
	"rrule":       `{"rrule": "FREQ=DAILY", "timezone": "America/New_York"}`,
	"old minutes": `{"rrule": "DTSTART:20000101T000000\nRRULE:FREQ=MINUTELY", "timezone": "America/New_York"}`,
	"old seconds": `{"rrule": "DTSTART:20000101T000000\nRRULE:FREQ=SECONDLY;INTERVAL=10", "timezone": "UTC"}`,
	"old months":  `{"rrule": "DTSTART:20000131T000000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR", "timezone": "UTC"}`,
}

// BenchmarkNext finds the next date of a schedule.
func BenchmarkNext(b *testing.B) {
	now := time.Date(2026, 5, 17, 13, 2, 3, 0, time.UTC)
	for name, raw := range benchmarked {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				dates, err := Dates(parse(b, raw), 1, now, time.Time{})
				if err != nil || len(dates) != 1 {
					b.Fatal(dates, err)
				}
			}
		})
	}
}

// BenchmarkTenThousand finds the next date of as many schedules, of all kinds.
func BenchmarkTenThousand(b *testing.B) {
	now := time.Date(2026, 5, 17, 13, 2, 3, 0, time.UTC)
	var raws []string
	for i := range 10_000 {
		switch i % 3 {
		case 0:
			raws = append(raws, fmt.Sprintf(`{"interval": %d, "anchor_date": "2020-01-01T00:00:00Z", "timezone": "UTC"}`, 60+i))
		case 1:
			raws = append(raws, fmt.Sprintf(`{"cron": "%d %d * * *", "timezone": "Europe/Berlin"}`, i%60, i%24))
		default:
			raws = append(raws, fmt.Sprintf(`{"rrule": "DTSTART:20000101T000000\nRRULE:FREQ=MINUTELY;INTERVAL=%d", "timezone": "UTC"}`, 1+i%90))
		}
	}
	for b.Loop() {
		for _, raw := range raws {
			if _, err := Dates(parse(b, raw), 1, now, time.Time{}); err != nil {
				b.Fatal(err)
			}
		}
	}
}
