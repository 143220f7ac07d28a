package prefect_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

func TestCountsAsTheReference(t *testing.T) {
	c := load(t)
	for _, one := range c.Counts {
		q := prefect.EventCountQuery{TimeUnit: one.TimeUnit, TimeInterval: one.TimeInterval}
		q.Filter = *unmarshal[prefect.EventFilter](t, []byte(`{"occurred": {"since": "2026-10-01T05:30:00Z", "until": "2026-10-02T20:10:00Z"}}`))
		now := c.Logs[0].Created
		whole, err := q.Counter(one.By, now)
		require.NoError(t, err)
		parts := [2]*prefect.EventCounter{}
		for i := range parts {
			parts[i], err = q.Counter(one.By, now)
			require.NoError(t, err)
		}
		for m, i := q.Filter.Compile(), 0; i < len(c.Events); i++ {
			if e := partOf(c.Events[i], whole.Columns()); m.Match(&c.Events[i], prefect.AllColumns) == prefect.Yes {
				parts[i%2].Add(&e)
			}
		}
		whole.Merge(parts[0].Counts())
		whole.Merge(parts[1].Counts())
		one.Want.requireSame(t, whole.Counts())
	}
}

func counter(t *testing.T, by prefect.Countable, unit prefect.TimeUnit, interval float64, since, until, now string) (*prefect.EventCounter, error) {
	q := prefect.EventCountQuery{TimeUnit: unit, TimeInterval: prefect.Float(interval)}
	q.Filter.Occurred.Since = *unmarshal[prefect.Time](t, []byte(`"`+since+`"`))
	q.Filter.Occurred.Until = *unmarshal[prefect.Time](t, []byte(`"`+until+`"`))
	return q.Counter(by, *unmarshal[prefect.Time](t, []byte(`"`+now+`"`)))
}

func TestCountIntervals(t *testing.T) {
	const now = "2024-05-15T10:20:30.5Z" // a Wednesday
	for _, c := range []struct {
		by           prefect.Countable
		unit         prefect.TimeUnit
		interval     float64
		since, until string
		n            int
		first, last  string // start of the first and end of the last interval
	}{
		{"time", "day", 1, "2024-05-14T00:00:00Z", "2024-05-15T00:00:00Z", 1, "2024-05-14T00:00:00Z", "2024-05-14T23:59:59.999999Z"},
		{"time", "day", 1, "2024-05-14T05:00:00Z", "2024-05-15T00:00:01Z", 2, "2024-05-14T00:00:00Z", "2024-05-15T23:59:59.999999Z"},
		{"time", "day", 1, "2024-05-14T05:00:00Z", "2024-09-01T00:00:00Z", 2, "2024-05-14T00:00:00Z", "2024-05-15T23:59:59.999999Z"},
		{"time", "week", 1, "2024-05-14T05:00:00Z", "2030-01-01T00:00:00Z", 1, "2024-05-13T00:00:00Z", "2024-05-19T23:59:59.999999Z"},
		{"time", "minute", 1, "2024-05-15T10:19:00Z", "2024-05-15T11:00:00Z", 2, "2024-05-15T10:19:00Z", "2024-05-15T10:20:59.999999Z"},
		{"time", "hour", 0.5, "2024-05-15T08:40:00Z", "2024-05-15T09:40:00Z", 3, "2024-05-15T08:30:00Z", "2024-05-15T09:59:59.999999Z"},
		{"time", "day", 1, "2024-03-31T12:00:00Z", "2024-04-01T12:00:00Z", 2, "2024-03-31T00:00:00Z", "2024-04-01T23:59:59.999999Z"},
		{"day", "hour", 1, "2024-05-14T05:00:00Z", "2024-05-15T00:00:01Z", 2, "2024-05-14T00:00:00Z", "2024-05-15T23:59:59.999999Z"},
		{"time", "week", 1e9, "2020-01-01T00:00:00Z", "2024-05-15T00:00:00Z", 2, "0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59.999999Z"},
		{"time", "day", 1, "2024-05-14T00:00:00Z", "2024-05-13T00:00:00Z", 0, "", ""},
	} {
		counter, err := counter(t, c.by, c.unit, c.interval, c.since, c.until, now)
		require.NoError(t, err)
		counts := counter.Counts()
		require.Len(t, counts, c.n)
		if c.n > 0 {
			require.Equal(t, c.first, counts[0].Start.String())
			require.Equal(t, c.last, counts[c.n-1].End.String())
		}
		counter.Add(&prefect.Event{}) // outside of all intervals
		counter.Add(&prefect.Event{Occurred: 1 << 60})
	}
}

func TestTooManyCountIntervals(t *testing.T) {
	_, err := counter(t, "event", "hour", 1, "2024-01-01T00:00:00Z", "2024-03-01T00:00:00.000001Z", "2024-05-15T10:20:30Z")
	require.EqualError(t, err, "The given interval would create 1441 buckets, which is too many. "+
		"Please increase the interval or reduce the time range to produce 1000 buckets or fewer.")
	_, err = counter(t, "day", "week", 1, "2020-01-01T00:00:00Z", "2024-03-01T00:00:00Z", "2024-05-15T10:20:30Z")
	require.Error(t, err)
}

func TestCountsTakeTheNewestLabel(t *testing.T) {
	counter, err := counter(t, "resource", "day", 1, "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-05-15T10:20:30Z")
	require.NoError(t, err)
	add := func(at prefect.Time, id, name string) {
		counter.Add(&prefect.Event{Occurred: at, Resource: prefect.Resource{"prefect.resource.id": id, "prefect.resource.name": name}})
	}
	add(5, "a", "new")
	add(3, "a", "old")
	add(4, "b", "z")
	add(4, "c", "y")
	require.Equal(t, []prefect.EventCount{
		{Value: "a", Label: "new", Count: 2, Start: 3, End: 5},
		{Value: "c", Label: "y", Count: 1, Start: 4, End: 4},
		{Value: "b", Label: "z", Count: 1, Start: 4, End: 4},
	}, counter.Counts())
}

func TestPagesOfEvents(t *testing.T) {
	theirs, err := prefect.ParseEventsPage(load(t).Token)
	require.NoError(t, err)
	require.Equal(t, 1, theirs.Offset)
	require.Len(t, theirs.Filter.ID.ID, 40)
	require.Equal(t, map[string]string{"x": "*"}, func() map[string]string {
		labels := map[string]string{}
		for label, patterns := range theirs.Filter.Resource.Labels {
			labels[label] = *patterns.One
		}
		return labels
	}())

	page := (&prefect.EventsQuery{Limit: 2}).Page(*unmarshal[prefect.Time](t, []byte(`"2024-07-15T10:20:30Z"`)))
	require.Equal(t, "2024-01-17T00:00:00Z", page.Filter.Occurred.Since.String())
	require.Equal(t, "2024-07-15T10:20:30Z", page.Filter.Occurred.Until.String())
	page.Count = 5
	for _, offset := range []int{2, 4} {
		var ok bool
		page, ok = page.Next()
		require.True(t, ok)
		require.Equal(t, offset, page.Offset)
		token, err := page.Token()
		require.NoError(t, err)
		back, err := prefect.ParseEventsPage(token)
		require.NoError(t, err)
		require.Equal(t, page, back)
	}
	_, ok := page.Next()
	require.False(t, ok)
	empty := prefect.EventsPage{Count: 1}
	_, ok = empty.Next()
	require.True(t, ok)

	for _, p := range []prefect.EventsPage{{PageSize: 51}, {Offset: -1}, {Count: -1}, {PageSize: -1}, {Offset: 1 << 50}} {
		token, err := p.Token()
		require.NoError(t, err)
		_, err = prefect.ParseEventsPage(token)
		require.Error(t, err)
	}
	for _, token := range []string{"", "x", "YQ==", "WVE9PQ=="} {
		_, err := prefect.ParseEventsPage(token)
		require.Error(t, err, token)
	}
}
