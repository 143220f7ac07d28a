package schedules

import (
	"cmp"
	"fmt"

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

// Check refuses what NewInterval does.
func (s *SentInterval) Check() error {
	_, err := NewInterval(s.Interval, s.AnchorDate, s.Timezone)
	return err
}

// SentCron is a cron line.
type SentCron struct {
	_        struct{} `check:"closed"`
	Cron     string   `json:"cron" check:"required"`
	Timezone *string  `json:"timezone"`
	DayOr    bool     `json:"day_or" check:"default=true"`
}

// Check refuses what NewCron does.
func (s *SentCron) Check() error {
	_, err := NewCron(s.Cron, s.Timezone, s.DayOr)
	return err
}

// SentRRule is a recurrence rule, or a set of them.
type SentRRule struct {
	_        struct{} `check:"closed"`
	RRule    string   `json:"rrule" check:"required"`
	Timezone *string  `json:"timezone" check:"default=UTC"`
}

// Check refuses what NewRRule does.
func (s *SentRRule) Check() error {
	_, err := NewRRule(s.RRule, s.Timezone)
	return err
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
	s, err := Parse(sent)
	if err != nil {
		return nil, fmt.Errorf("normal form: %w", err)
	}
	switch s := s.(type) {
	case *Interval:
		s.Anchor = cmp.Or(s.Anchor, now)
	case *RRule:
		s.RRule = NormalizeRRule(s.RRule, s.Timezone, now)
	}
	return s.JSON(), nil
}
