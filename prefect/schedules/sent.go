package schedules

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"prefectd/prefect"
)

// Sent is a schedule as clients send it: one of three.
type Sent struct {
	_        struct{}      `check:"union"`
	Interval *SentInterval `json:"IntervalSchedule"`
	Cron     *SentCron     `json:"CronSchedule"`
	RRule    *SentRRule    `json:"RRuleSchedule"`
}

// SentInterval is a schedule at intervals. Without an anchor it begins when it is stored.
type SentInterval struct {
	_          struct{}         `check:"closed"`
	Interval   prefect.Duration `json:"interval" check:"required"`
	AnchorDate prefect.Time     `json:"anchor_date" check:"notnull"`
	Timezone   *string          `json:"timezone"`
}

// Check refuses an interval that leads nowhere, and an unknown zone.
func (s *SentInterval) Check() error {
	if s.Interval <= 0 {
		return errors.New("interval must be positive")
	}
	return checkZone(s.Timezone)
}

// SentCron is a cron line.
type SentCron struct {
	_        struct{} `check:"closed"`
	Cron     string   `json:"cron" check:"required"`
	Timezone *string  `json:"timezone"`
	DayOr    bool     `json:"day_or" check:"default=true"`
}

// Check refuses an unknown zone, and what is no cron line.
func (s *SentCron) Check() error {
	if err := checkZone(s.Timezone); err != nil {
		return err
	}
	_, err := ParseCron(s.Cron, time.UTC, s.DayOr)
	return err
}

// SentRRule is a recurrence rule, or a set of them.
type SentRRule struct {
	_        struct{} `check:"closed"`
	RRule    string   `json:"rrule" check:"required"`
	Timezone *string  `json:"timezone" check:"default=UTC"`
}

// Check refuses an unknown zone, and what is no recurrence rule.
func (s *SentRRule) Check() error {
	if err := checkZone(s.Timezone); err != nil {
		return err
	}
	_, err := ParseRRule(s.RRule, time.UTC)
	return err
}

func checkZone(name *string) error {
	if name == nil {
		return nil
	}
	if _, err := Zone(*name); err != nil {
		return fmt.Errorf("Invalid timezone: %q (specify in IANA tzdata format, for example, America/New_York)", *name)
	}
	return nil
}

// JSON prints what was sent, all of its fields and in one form.
func (s *Sent) JSON() (prefect.JSON, error) {
	switch {
	case s.Interval != nil:
		return prefect.Marshal(s.Interval)
	case s.Cron != nil:
		return prefect.Marshal(s.Cron)
	}
	return prefect.Marshal(s.RRule)
}

// Normal fills in what a schedule leaves open, as of now: the form that the API prints.
// It takes what JSON prints.
func Normal(sent prefect.JSON, now prefect.Time) (prefect.JSON, error) {
	var s struct {
		SentInterval
		Cron  *string `json:"cron"`
		RRule *string `json:"rrule"`
	}
	if err := prefect.Unmarshal(sent, &s); err != nil {
		return nil, fmt.Errorf("schedule: %w", err)
	}
	switch {
	case s.RRule != nil:
		return prefect.Marshal(&SentRRule{RRule: withStart(*s.RRule, s.Timezone, now), Timezone: s.Timezone})
	case s.Cron != nil:
		return sent, nil
	}
	utc := "UTC"
	s.AnchorDate, s.Timezone = cmp.Or(s.AnchorDate, now), cmp.Or(s.Timezone, &utc)
	return prefect.Marshal(&s.SentInterval)
}

// Frequencies that have so many dates that a rule without a start must not begin long ago.
var frequent = map[string]time.Duration{"SECONDLY": time.Second, "MINUTELY": time.Minute}

var (
	frequency = regexp.MustCompile(`FREQ=([A-Z]+)`)
	interval  = regexp.MustCompile(`INTERVAL=(\d+)`)
)

// withStart puts a start before a rule that has none: the one that it is understood to
// have, or, if there would be very many dates since then, one of the last of them. A rule
// that does not go together with a start stays as it is.
func withStart(rule string, timezone *string, now prefect.Time) string {
	upper := strings.ToUpper(rule)
	if strings.Contains(upper, "DTSTART") {
		return rule
	}
	start := implicitStart
	if step := frequentStep(upper); step > 0 && len(properties(rule)) == 1 {
		zone := time.UTC
		if timezone != nil {
			if known, err := Zone(*timezone); err == nil {
				zone = known
			}
		}
		if wall := wallOf(now.Go(), zone); wall.After(start) {
			start = start.Add(wall.Sub(start) / step * step)
		}
	}
	text := "DTSTART:" + start.Format("20060102T150405") + "\n" + rule
	if _, err := ParseRRule(text, time.UTC); err != nil {
		return rule
	}
	return text
}

// frequentStep is how far apart the dates of a rule with very many are; 0 for another.
func frequentStep(rule string) time.Duration {
	found := frequency.FindStringSubmatch(rule)
	if found == nil || strings.Contains(rule, "COUNT=") {
		return 0
	}
	times := 1
	if n := interval.FindStringSubmatch(rule); n != nil {
		times, _ = strconv.Atoi(n[1]) // too large a number is 0
	}
	return frequent[found[1]] * time.Duration(times)
}
