package schedules

import (
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // so that the machine needs no zone files
)

// Instants and wall times are counted in seconds since the year 1, days likewise: day
// 0 is 0001-01-01, a Monday. A wall time is counted as if its zone were UTC.
const (
	secondsOfDay = 24 * 60 * 60
	epoch        = 62135596800 // Unix time 0
	daysOfWeek   = 7
)

// zones holds the zones that were loaded, by name: to read one takes longer than to
// compute the dates of a schedule. What it holds is a part of the zone data, so it
// changes no result and does not grow beyond them.
var zones sync.Map // string -> *time.Location

// loadZone answers the zone of an IANA name. The empty name is UTC.
func loadZone(name string) (*time.Location, bool) {
	if name == "" || name == "UTC" {
		return time.UTC, true
	}
	if zone, known := zones.Load(name); known {
		return zone.(*time.Location), true
	}
	if name == "Local" || name == "localtime" || name == "posixrules" ||
		strings.HasPrefix(name, "posix/") || strings.HasPrefix(name, "right/") {
		return nil, false // the machine's own, not names of the database
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, false
	}
	zones.Store(name, zone)
	return zone, true
}

// fieldZone loads the zone of a schedule's field; null is UTC.
func fieldZone(name *string, field string) (*time.Location, error) {
	if name == nil {
		return time.UTC, nil
	}
	zone, ok := loadZone(*name)
	if !ok {
		return nil, &Invalid{field, `Invalid timezone: "` + *name + `" (specify in IANA tzdata format, for example, America/New_York)`}
	}
	return zone, nil
}

// clock turns instants of one zone into wall times and back. It keeps the span of time
// that it was asked about last, in which the offset does not change.
type clock struct {
	zone          *time.Location
	start, end    int64 // of the span, instants
	offset        int64 // from UTC within the span
	before, after int64 // offsets of the spans beside it
}

// never and forever bound the spans that have no start or end.
const (
	never   = -1 << 60
	forever = 1 << 60
)

func newClock(zone *time.Location) *clock {
	c := &clock{zone: zone, start: never, end: forever}
	if zone != time.UTC {
		c.start = forever // in no span
	}
	return c
}

// at moves the clock to the span that holds an instant.
func (c *clock) at(instant int64) {
	if c.start <= instant && instant < c.end {
		return
	}
	t := time.Unix(instant-epoch, 0).In(c.zone)
	c.start, c.end = never, forever
	c.offset = offsetOf(t)
	c.before, c.after = c.offset, c.offset
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		c.start = start.Unix() + epoch
		c.before = offsetOf(start.Add(-time.Second))
	}
	if !end.IsZero() {
		c.end = end.Unix() + epoch
		if c.end <= instant { // ZoneBounds takes every year of a rule for one of 365 days
			c.end = (instant/secondsOfDay + 1) * secondsOfDay
		}
		c.after = offsetOf(time.Unix(c.end-epoch, 0).In(c.zone))
	}
}

func offsetOf(t time.Time) int64 {
	_, offset := t.Zone()
	return int64(offset)
}

// wall is what the clock shows at an instant.
func (c *clock) wall(instant int64) int64 {
	c.at(instant)
	return instant + c.offset
}

// move is what becomes of a wall time that is skipped when clocks are put forward.
type move int

const (
	forward move = iota // it is as much later as the gap is long
	back                // it is as much earlier
)

// instant is when the clock first shows a wall time.
func (c *clock) instant(wall int64, skipped move) int64 {
	if wall < c.start+c.before || wall >= c.end+max(c.offset, c.after) {
		c.at(wall - c.offset)
	}
	for wall < c.start+c.before {
		c.at(c.start - 1)
	}
	for wall >= c.end+max(c.offset, c.after) {
		c.at(c.end)
	}
	earlier, later := c.offset, c.offset
	switch {
	case wall < c.start+c.offset: // skipped where the span starts
		earlier = c.before
	case wall >= c.end+c.offset: // skipped where it ends
		later = c.after
	}
	if skipped == forward {
		return wall - earlier
	}
	return wall - later
}

// The calendar of wall times.

func dateOf(day int64) (year int, month time.Month, mday int) {
	return time.Unix(day*secondsOfDay-epoch, 0).UTC().Date()
}

func dayOf(year int, month time.Month, mday int) int64 {
	return (time.Date(year, month, mday, 0, 0, 0, 0, time.UTC).Unix() + epoch) / secondsOfDay
}

// monthDays is how many days a month has.
func monthDays(year int, month time.Month) int {
	if month == time.February {
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 30 + int(month+month>>3)&1
}
