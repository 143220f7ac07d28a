package schedules

import (
	"fmt"
	"sync"
	"time"
	_ "time/tzdata" // so that no zone has to be installed
)

// A wall time is what clocks show somewhere: a time.Time in UTC that stands for no instant
// until it is given a zone.

// zones are those that were asked for: reading one takes longer than a schedule. There are
// a few hundred.
var zones sync.Map // name -> *time.Location

// Zone finds a time zone of the IANA database.
func Zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("Invalid timezone: %q", name)
	}
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location), nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("Invalid timezone: %q", name)
	}
	zones.Store(name, zone)
	return zone, nil
}

// wallOf is what clocks in a zone show at an instant.
func wallOf(t time.Time, zone *time.Location) time.Time {
	_, offset := t.In(zone).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// gap says what becomes of a wall time that clocks leave out.
type gap bool

const (
	forward  gap = true  // the gap is added to it
	backward gap = false // the gap is subtracted from it
)

// around is further than any change of a zone's clocks.
const around = 26 * time.Hour

// in is the instant at which clocks in a zone show a wall time, the first of two.
func in(zone *time.Location, wall time.Time, g gap) time.Time {
	_, before := wall.Add(-around).In(zone).Zone()
	_, after := wall.Add(around).In(zone).Zone()
	early, late := wall.Add(-time.Duration(before)*time.Second), wall.Add(-time.Duration(after)*time.Second)
	earlyThere, lateThere := shows(zone, early, wall), shows(zone, late, wall)
	switch {
	case earlyThere && lateThere && late.Before(early):
		return late.In(zone)
	case earlyThere:
		return early.In(zone)
	case lateThere:
		return late.In(zone)
	case g == forward:
		return early.In(zone)
	default:
		return late.In(zone)
	}
}

// recent is how long ago clocks may have been put forward for times that they left out to
// be still to come, where they count as that much later.
const recent = 3 * time.Hour

// skipped is how much clocks left out shortly before an instant.
func skipped(t time.Time, zone *time.Location) time.Duration {
	_, before := t.Add(-recent).In(zone).Zone()
	_, now := t.In(zone).Zone()
	return time.Duration(max(now-before, 0)) * time.Second
}

func shows(zone *time.Location, t, wall time.Time) bool { return wallOf(t, zone).Equal(wall) }
