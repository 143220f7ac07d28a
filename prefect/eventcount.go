package prefect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// EventCountQuery is the body of POST /events/count-by/{countable}.
type EventCountQuery struct {
	_            struct{}    `check:"params"`
	Filter       EventFilter `json:"filter" check:"required"`
	TimeUnit     TimeUnit    `json:"time_unit" check:"default=day"`
	TimeInterval Float       `json:"time_interval" check:"ge=0.01,default=1.0"`
}

// Countable is what events are counted by.
type Countable string

// The countables. CountByDay is CountByTime with the interval of a day.
const (
	CountByDay      Countable = "day"
	CountByTime     Countable = "time"
	CountByEvent    Countable = "event"
	CountByResource Countable = "resource"
)

// EnumValues lists the accepted texts.
func (Countable) EnumValues() []string { return []string{"day", "time", "event", "resource"} }

// UnmarshalText reads the wire name.
func (c *Countable) UnmarshalText(text []byte) error { return choose(c, text) }

// TimeUnit is a unit of intervals.
type TimeUnit string

// The units.
const (
	UnitWeek   TimeUnit = "week"
	UnitDay    TimeUnit = "day"
	UnitHour   TimeUnit = "hour"
	UnitMinute TimeUnit = "minute"
	UnitSecond TimeUnit = "second"
)

// EnumValues lists the accepted texts.
func (TimeUnit) EnumValues() []string { return []string{"week", "day", "hour", "minute", "second"} }

// UnmarshalText reads the wire name.
func (u *TimeUnit) UnmarshalText(text []byte) error { return choose(u, text) }

func (u TimeUnit) duration() Duration {
	switch u {
	case UnitWeek:
		return 7 * Day
	case UnitHour:
		return Hour
	case UnitMinute:
		return Minute
	case UnitSecond:
		return Second
	}
	return Day
}

// EventCount is how many events have something in common, with the range of their
// times.
type EventCount struct {
	Value string `json:"value"`
	Label string `json:"label"`
	Count int    `json:"count"`
	Start Time   `json:"start_time"`
	End   Time   `json:"end_time"`
}

// eventPivot is a Monday before the first event there ever was: intervals are laid
// from there.
const eventPivot = Time(unixOffset + 1711929600*1_000_000) // 2024-04-01

const maxEventBuckets = 1000

// EventCounter counts events; Counts of one may be merged into another.
type EventCounter struct {
	by     Countable
	groups map[string]*EventCount // by event or resource

	buckets []EventCount // by time
	start   Time
	width   Duration
}

// Counter makes a counter for the events that pass the filter, which it resolves.
// The error is the text of a 422.
func (q *EventCountQuery) Counter(by Countable, now Time) (*EventCounter, error) {
	q.Filter.Resolve(now)
	since, until := q.Filter.Occurred.Since, q.Filter.Occurred.Until
	unit, width := q.TimeUnit, q.TimeUnit.times(float64(q.TimeInterval))
	if err := checkBuckets(since, until, width); err != nil {
		return nil, err
	}
	if by == CountByDay { // whatever unit was sent
		unit, width = UnitDay, Day
	}
	if by == CountByDay || by == CountByTime {
		return newTimeCounter(since, until, now, unit, width), checkBuckets(since, until, width)
	}
	return &EventCounter{by: by, groups: map[string]*EventCount{}}, nil
}

func checkBuckets(since, until Time, width Duration) error {
	n := -floorDiv(int64(since-until), int64(width))
	if n <= maxEventBuckets {
		return nil
	}
	return fmt.Errorf("The given interval would create %d buckets, which is too many. Please increase the interval "+
		"or reduce the time range to produce %d buckets or fewer.", n, maxEventBuckets)
}

// times is the interval of so many units, at least a microsecond.
func (u TimeUnit) times(n float64) Duration {
	seconds := min(n*u.duration().Seconds(), Duration(lastTime).Seconds())
	return max(SecondsOf(seconds), Microsecond)
}

// newTimeCounter lays the intervals from the one with the first event to that with
// the last; they go no further than the unit of now.
func newTimeCounter(since, until, now Time, unit TimeUnit, width Duration) *EventCounter {
	if until > now {
		until = unit.end(now)
	}
	first := eventPivot + Time(floorDiv(int64(since-eventPivot), int64(width))*int64(width))
	c := &EventCounter{by: CountByTime, start: first, width: width}
	for start := first; start < until && len(c.buckets) <= maxEventBuckets; start += Time(width) {
		c.buckets = append(c.buckets, EventCount{
			Value: strconv.Itoa(len(c.buckets)),
			Label: max(start, 1).ISO(),
			Start: max(start, 1),
			End:   min(start+Time(width)-1, lastTime),
		})
	}
	return c
}

// end is the last instant of the unit that a time is in; weeks end on Sunday.
func (u TimeUnit) end(t Time) Time {
	width := int64(u.duration())
	return eventPivot + Time((floorDiv(int64(t-eventPivot), width)+1)*width-1)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Columns are those of an event that the counter looks at.
func (c *EventCounter) Columns() Columns {
	switch c.by {
	case CountByEvent:
		return eventOccurred | eventName
	case CountByResource:
		return eventOccurred | eventResource
	}
	return eventOccurred
}

// Add counts an event, which may be a partial row; it keeps no text of it.
func (c *EventCounter) Add(e *Event) {
	one := EventCount{Count: 1, Start: e.Occurred, End: e.Occurred}
	switch c.by {
	case CountByEvent:
		one.Value, one.Label = e.Event, e.Event
	case CountByResource:
		one.Value, one.Label = e.Resource.ID(), e.Resource.Name()
	default:
		if i := floorDiv(int64(e.Occurred-c.start), int64(c.width)); i >= 0 && i < int64(len(c.buckets)) {
			c.buckets[i].Count++
		}
		return
	}
	c.addTo(one)
}

// addTo adds to a group, whose label is that of its newest event.
func (c *EventCounter) addTo(n EventCount) {
	g, ok := c.groups[n.Value]
	if !ok {
		n.Value, n.Label = strings.Clone(n.Value), strings.Clone(n.Label)
		c.groups[n.Value] = &n
		return
	}
	if n.End > g.End && n.Label != g.Label {
		g.Label = strings.Clone(n.Label)
	}
	g.Count += n.Count
	g.Start, g.End = min(g.Start, n.Start), max(g.End, n.End)
}

// Merge adds the counts of another counter for the same query.
func (c *EventCounter) Merge(counts []EventCount) {
	for i, n := range counts {
		switch {
		case c.groups != nil:
			c.addTo(n)
		case i < len(c.buckets):
			c.buckets[i].Count += n.Count
		}
	}
}

// Counts answers the query: intervals in their order, others by their count.
func (c *EventCounter) Counts() []EventCount {
	if c.groups == nil {
		return c.buckets
	}
	list := make([]EventCount, 0, len(c.groups))
	for _, g := range slices.SortedFunc(maps.Values(c.groups), func(a, b *EventCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Label, b.Label), cmp.Compare(a.Value, b.Value))
	}) {
		list = append(list, *g)
	}
	return list
}
