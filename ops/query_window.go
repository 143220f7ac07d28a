package ops

import (
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// window takes a part of what comes in order.
type window struct {
	from, limit int
	seen        int
	rows        []Found
	keys        arena
	scratch     store.Key
}

func (l *window) full() bool { return len(l.rows) == l.limit }

// skip counts a row and reports whether it comes before the window.
func (l *window) skip() bool {
	l.seen++
	return l.seen <= l.from
}

func (l *window) add(place store.Key, id prefect.ID) {
	l.rows = append(l.rows, Found{l.keys.clone(place), id})
}

// top keeps the first of what comes in no order.
type top struct {
	most int
	desc bool
	rows []Found
	keys arena
	bar  *Found // what comes after it is none of the first
}

// slack is by how many rows the list outgrows its size before it is cut.
const slack = 1000

func (l *top) add(f Found) {
	if l.bar != nil && compareFound(f, *l.bar, l.desc) > 0 {
		return
	}
	f.Place = l.keys.clone(f.Place)
	if l.rows = append(l.rows, f); len(l.rows) < 2*l.most+slack {
		return
	}
	l.rows = l.sorted()
	bar := l.rows[len(l.rows)-1]
	l.bar = &bar
}

// sorted are the first ones in order.
func (l *top) sorted() []Found {
	slices.SortFunc(l.rows, func(a, b Found) int { return compareFound(a, b, l.desc) })
	return l.rows[:min(l.most, len(l.rows))]
}

// arena makes copies of many small keys.
type arena struct{ free []byte }

const arenaBlock = 16 << 10

func (a *arena) clone(k store.Key) store.Key {
	if len(k) > cap(a.free)-len(a.free) {
		a.free = make([]byte, 0, max(arenaBlock, len(k)))
	}
	at := len(a.free)
	a.free = append(a.free, k...)
	return a.free[at:len(a.free):len(a.free)]
}
