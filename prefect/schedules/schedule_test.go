package schedules_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/prefect/schedules"
)

// spec encodes a schedule as the API prints it.
func spec(t testing.TB, fields map[string]any) prefect.JSON {
	text, err := json.Marshal(fields)
	require.NoError(t, err)
	return prefect.JSON(text)
}

func rrule(t testing.TB, text, zone string) schedules.Schedule {
	s, err := schedules.NewRRule(text, &zone)
	require.NoError(t, err)
	return s
}

func texts(dates []schedules.Date) (out []string) {
	for _, d := range dates {
		out = append(out, d.String())
	}
	return out
}

func TestWhatIsRefused(t *testing.T) {
	zone, none := "America/New_York", "Mars/Phobos"
	long := "RDATE:20260101T000000" + strings.Repeat(",20260101T000000", 410)
	rule := func(text string) error { _, err := schedules.NewRRule(text, &zone); return err }
	cron := func(text string) error { _, err := schedules.NewCron(text, &zone, true); return err }
	interval := func(d prefect.Duration, zone *string) error { _, err := schedules.NewInterval(d, 1, zone); return err }
	for name, c := range map[string]struct {
		err         error
		field, text string
	}{
		"no interval":       {interval(0, &zone), "interval", "interval must be positive"},
		"negative interval": {interval(-1, &zone), "interval", "interval must be positive"},
		"zone":              {interval(1, &none), "", `Invalid timezone: "Mars/Phobos" (specify in IANA tzdata format, for example, America/New_York)`},
		"cron":              {cron("0 0 15W * *"), "cron", `Invalid cron string: "0 0 15W * *"`},
		"hashed cron":       {cron("H * * * *"), "cron", `Invalid cron string: "H * * * *"`},
		"random cron":       {cron("0 r * * *"), "cron", `Random and Hashed expressions are unsupported, received: "0 r * * *"`},
		"empty rule":        {rule(" "), "rrule", `Invalid RRule string " ": empty string`},
		"words":             {rule("bad rrule string"), "rrule", `Invalid RRule string "bad rrule string": not enough values to unpack (expected 2, got 1)`},
		"frequency":         {rule("FREQ=BAD"), "rrule", `Invalid RRule string "FREQ=BAD": invalid 'FREQ': BAD`},
		"part":              {rule("X=1"), "rrule", `Invalid RRule string "X=1": unknown parameter 'X'`},
		"hour":              {rule("FREQ=DAILY;BYHOUR=25"), "rrule", `Invalid RRule string "FREQ=DAILY;BYHOUR=25": hour must be in 0..23`},
		"until":             {rule("FREQ=DAILY;UNTIL=banana"), "rrule", `Invalid RRule string "FREQ=DAILY;UNTIL=banana": invalid 'UNTIL': BANANA`},
		"property":          {rule("FOO:1"), "rrule", `Invalid RRule string "FOO:1": unsupported property: FOO`},
		"standstill":        {rule("FREQ=DAILY;INTERVAL=0"), "rrule", `Invalid RRule string "FREQ=DAILY;INTERVAL=0": invalid 'INTERVAL': 0`},
		"month":             {rule("DTSTART:20201301T000000\nRRULE:FREQ=DAILY"), "rrule", "Invalid RRule string \"DTSTART:20201301T000000\nRRULE:FREQ=DAILY\": month must be in 1..12: 20201301T000000"},
		"length":            {rule(long), "rrule", "Invalid RRule string \"" + long[:40] + "...\"\nMax length is 6500, got 6581"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, &schedules.Invalid{Field: c.field, Text: c.text}, c.err)
		})
	}
}

func TestWhatIsNoSchedule(t *testing.T) {
	for _, text := range []string{``, `null`, `{}`, `[]`, `{"interval":"x"}`, `{"interval":-1e300}`, `{"cron":5}`,
		`{"interval":1,"anchor_date":"soon"}`, `{"cron":"0 0 * * *","timezone":"right/UTC"}`, `{"cron":"0 0 * * *","timezone":"Local"}`} {
		_, err := schedules.Parse(prefect.JSON(text))
		require.Error(t, err, text)
	}
	s, err := schedules.Parse(prefect.JSON(`{"interval":1e300,"anchor_date":"2026-01-01T00:00:00Z"}`))
	require.NoError(t, err)
	dates, err := s.Dates(3, instant(t, "2026-01-01T00:00:00Z"), 0)
	require.NoError(t, err)
	require.Equal(t, []string{"2026-01-01 00:00:00+00:00"}, texts(dates), "the next is behind the calendar")
}

func TestPrintedAsParsed(t *testing.T) {
	for text, kind := range map[string]string{
		`{"interval":3600.0,"anchor_date":"2026-01-01T00:00:00Z","timezone":"UTC"}`:             "IntervalSchedule",
		`{"cron":"0 9 * * *","timezone":null,"day_or":true}`:                                    "CronSchedule",
		`{"rrule":"DTSTART:20200101T000000\nFREQ=DAILY","timezone":"Europe/London"}`:            "RRuleSchedule",
		`{"interval":0.25,"anchor_date":"2026-01-01T00:00:00.500000Z","timezone":"Asia/Tokyo"}`: "IntervalSchedule",
	} {
		s, err := schedules.Parse(prefect.JSON(text))
		require.NoError(t, err)
		require.Equal(t, kind, s.Kind())
		require.Equal(t, text, string(s.JSON()))
	}
}

func TestDatesPrintTheirZone(t *testing.T) {
	zone := "America/New_York"
	s, err := schedules.NewInterval(prefect.SecondsOf(0.5), instant(t, "2026-11-23T03:04:00Z"), &zone)
	require.NoError(t, err)
	dates, err := s.Dates(2, instant(t, "2026-11-23T03:04:00Z"), 0)
	require.NoError(t, err)
	require.Equal(t, []string{"2026-11-22 22:04:00-05:00", "2026-11-22 22:04:00.500000-05:00"}, texts(dates))
	require.Equal(t, "2026-11-22T22:04:00-05:00", dates[0].RFC3339())
}

func TestNormalizedRules(t *testing.T) {
	now := instant(t, "2026-11-22T22:01:30Z")
	zone, unknown := "America/New_York", "Mars/Phobos"
	for _, c := range []struct {
		rule string
		zone *string
		want string
	}{
		{"FREQ=MINUTELY;INTERVAL=7", nil, "DTSTART:20261122T215700\nFREQ=MINUTELY;INTERVAL=7"},
		{"FREQ=MINUTELY;INTERVAL=60", &zone, "DTSTART:20261122T170000\nFREQ=MINUTELY;INTERVAL=60"},
		{"FREQ=MINUTELY;INTERVAL=60", &unknown, "DTSTART:20261122T220000\nFREQ=MINUTELY;INTERVAL=60"},
		{"FREQ=SECONDLY", nil, "DTSTART:20261122T220130\nFREQ=SECONDLY"},
		{"FREQ=SECONDLY;COUNT=5", nil, "DTSTART:20200101T000000\nFREQ=SECONDLY;COUNT=5"},
		{"FREQ=HOURLY", nil, "DTSTART:20200101T000000\nFREQ=HOURLY"},
		{"RRULE:FREQ=SECONDLY\nEXDATE:20261122T220130", nil, "DTSTART:20200101T000000\nRRULE:FREQ=SECONDLY\nEXDATE:20261122T220130"},
		{"DTSTART:20260101T000000\nFREQ=SECONDLY", nil, "DTSTART:20260101T000000\nFREQ=SECONDLY"},
		{"FREQ=DAILY;UNTIL=20260118T000000Z", nil, "FREQ=DAILY;UNTIL=20260118T000000Z"},
		{"nonsense", nil, "nonsense"},
	} {
		require.Equal(t, c.want, schedules.NormalizeRRule(c.rule, c.zone, now))
	}
	before := instant(t, "2019-01-01T00:00:00Z")
	require.Equal(t, "DTSTART:20200101T000000\nFREQ=SECONDLY", schedules.NormalizeRRule("FREQ=SECONDLY", nil, before))
}

// What a walk from the start finds, a jump has to find, too.
func TestRulesJumpToWhereAWalkLeads(t *testing.T) {
	for _, rule := range []string{
		"FREQ=SECONDLY;INTERVAL=7", "FREQ=SECONDLY;INTERVAL=13;BYMINUTE=45;BYDAY=MO",
		"FREQ=MINUTELY;INTERVAL=17;BYHOUR=2,3", "FREQ=HOURLY;INTERVAL=5;BYMONTH=3,11", "FREQ=DAILY;INTERVAL=3",
		"FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU;BYSETPOS=1", "FREQ=MONTHLY;INTERVAL=5;BYDAY=-1FR",
		"FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO", "FREQ=SECONDLY;INTERVAL=3600;COUNT=2000", "FREQ=WEEKLY;COUNT=9",
	} {
		t.Run(rule, func(t *testing.T) {
			s := rrule(t, "DTSTART:20260107T023000\nRRULE:"+rule, "America/New_York")
			all, err := s.Dates(1000, instant(t, "2026-01-01T00:00:00Z"), 0)
			require.NoError(t, err)
			for i := 0; i < len(all); i += 1 + len(all)/50 {
				rest, err := s.Dates(1000-i, all[i].Time, 0)
				require.NoError(t, err)
				require.Equal(t, texts(all[i:]), texts(rest))
			}
		})
	}
}

// The last day of a leap year is where the standard library takes a zone's span to be
// over before it starts.
func TestTheLastDayOfALeapYear(t *testing.T) {
	zone := "America/New_York"
	for _, year := range []int{2028, 2096} {
		anchor := prefect.TimeOf(time.Date(year, time.June, 1, 12, 0, 0, 0, time.UTC))
		s, err := schedules.NewInterval(prefect.Day, anchor, &zone)
		require.NoError(t, err)
		dates, err := s.Dates(2, prefect.TimeOf(time.Date(year, time.December, 31, 0, 0, 0, 0, time.UTC)), 0)
		require.NoError(t, err)
		require.Equal(t, []string{fmt.Sprintf("%d-12-31 08:00:00-05:00", year), fmt.Sprintf("%d-01-01 08:00:00-05:00", year+1)}, texts(dates))
	}
}

func TestSearchesEnd(t *testing.T) {
	now, soon := instant(t, "2026-11-24T00:00:00Z"), instant(t, "2027-03-04T00:00:00Z")
	for name, c := range map[string]struct {
		fields map[string]any
		n      int
		err    error
		first  string
	}{
		"a day that isn't":         {map[string]any{"cron": "0 0 30 2 *"}, 3, schedules.ErrNoDate, ""},
		"rules without a day":      {map[string]any{"rrule": "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"}, 3, schedules.ErrNoDate, ""},
		"times that aren't met":    {map[string]any{"rrule": "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=9"}, 3, schedules.ErrNoDate, ""},
		"everything left out":      {map[string]any{"rrule": "RRULE:FREQ=SECONDLY\nEXRULE:FREQ=SECONDLY"}, 3, schedules.ErrNoDate, ""},
		"one rule never, one does": {map[string]any{"rrule": "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30\nRRULE:FREQ=DAILY"}, 3, nil, "2026-11-24 00:00:00+00:00"},
		"rare":                     {map[string]any{"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=TU"}, 1, nil, "2028-02-29 00:00:00+00:00"},
		"a long count":             {map[string]any{"rrule": "FREQ=SECONDLY;COUNT=9000000000"}, 3, nil, "2026-11-24 00:00:00+00:00"},
		"a count that is over":     {map[string]any{"rrule": "FREQ=HOURLY;COUNT=9;BYMINUTE=5"}, 3, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := schedules.Parse(spec(t, c.fields))
			require.NoError(t, err)
			dates, err := s.Dates(c.n, now, 0)
			require.ErrorIs(t, err, c.err)
			if c.first == "" {
				require.Empty(t, dates)
			} else {
				require.Equal(t, c.first, dates[0].String())
			}
			_, err = s.Dates(c.n, now, soon)
			if name != "everything left out" {
				require.NoError(t, err, "there is an end")
			}
		})
	}
}
