package schedules_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/prefect/schedules"
)

// patience is more than a search takes anywhere, and far less than one without bounds.
const patience = 5 * time.Second

// FuzzDates holds that any text is refused or has dates: in order, within the bounds,
// soon.
func FuzzDates(f *testing.F) {
	for _, c := range goldens(f) {
		f.Add(string(c.Spec), int64(instant(f, c.Start)), int64(86400), uint8(c.N))
	}
	f.Fuzz(func(t *testing.T, text string, start, span int64, n uint8) {
		s, err := schedules.Parse(prefect.JSON(text))
		if err != nil {
			return
		}
		began := time.Now()
		from := prefect.Time(max(start, 1) % int64(instant(t, "9999-12-31T00:00:00Z")))
		end := from.Add(prefect.Duration(max(span, 0) % int64(1000*prefect.Day)))
		for _, end := range []prefect.Time{0, end} {
			dates, _ := s.Dates(int(n), from, end)
			require.LessOrEqual(t, len(dates), 1002)
			for i, d := range dates {
				require.GreaterOrEqual(t, d.Time, from)
				require.True(t, end == 0 || d.Time <= end)
				require.True(t, i == 0 || dates[i-1].Time < d.Time)
			}
		}
		require.Less(t, time.Since(began), patience)
	})
}

// FuzzRules holds that any text of a cron or recurrence schedule is read or refused.
func FuzzRules(f *testing.F) {
	f.Add("0 0 L * 5#1", "DTSTART:20260101T000000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR;BYSETPOS=1")
	f.Add("5-2/3 22-2 1,L * l5 */7 2027", "RRULE:FREQ=SECONDLY;COUNT=5\nEXDATE;TZID=Europe/London:20260101")
	f.Fuzz(func(t *testing.T, cron, rule string) {
		began, now := time.Now(), instant(t, "2026-11-24T10:17:23Z")
		if s, err := schedules.NewCron(cron, nil, true); err == nil {
			_, err = s.Dates(10, now, 0)
			require.True(t, err == nil || err == schedules.ErrNoDate)
		}
		text := schedules.NormalizeRRule(rule, nil, now)
		if s, err := schedules.NewRRule(text, nil); err == nil {
			_, _ = s.Dates(10, now, 0)
			require.Equal(t, text, schedules.NormalizeRRule(text, nil, now.Add(prefect.Day)))
		}
		require.Less(t, time.Since(began), patience)
	})
}
