package ops

import (
	"bytes"
	"cmp"
	"math"

	"prefectd/prefect"
	"prefectd/store"
)

// search finds the rows of a table that pass a filter. It decides on what an index
// tells, and looks at rows only when that is not enough.
type search[T any] struct {
	tx    *store.Tx
	table *store.Table[T]
	id    func(*T) *prefect.ID

	match  *prefect.Matcher[T]
	test   func(*T) bool   // beyond the filter, by some columns; may be nil
	tests  prefect.Columns // which
	exists func(*T) bool   // beyond the filter, by other tables and the columns of test; may be nil
	none   bool            // no row passes, for other reasons
	paths  []*path[T]      // each has all rows that pass, and not all rows
	wholes []*path[T]      // each has all rows, and the last all columns
	total  func() int      // the number of all rows
	row    T
}

// order is the order of a list.
type order[T any] struct {
	desc    bool
	columns prefect.Columns                       // that place looks at
	place   func(row *T, key store.Key) store.Key // appends where the row stands, its id included
	paths   []*path[T]                            // have the order: one after the other have all rows that pass
}

// Found is a row that passes, and where it stands in the order.
type Found struct {
	Place store.Key
	ID    prefect.ID
}

func compareFound(a, b Found, desc bool) int {
	if desc {
		a, b = b, a
	}
	return bytes.Compare(a.Place, b.Place)
}

// decisive are the columns that decide whether a row passes.
func (s *search[T]) decisive() prefect.Columns { return s.match.Columns() | s.tests }

// decidedBy reports whether a path tells enough to decide.
func (s *search[T]) decidedBy(p *path[T]) bool { return s.decisive()&^p.knows() == 0 }

// isAll reports whether every row passes.
func (s *search[T]) isAll() bool {
	return s.match.Always() == prefect.Yes && s.test == nil && s.exists == nil && !s.none
}

// isNone reports whether it is known that no row passes.
func (s *search[T]) isNone() bool {
	return s.none || s.match.Plan().Never || s.match.Always() == prefect.No
}

// walk is a search on its way along a path.
type walk[T any] struct {
	*search[T]
	path    *path[T]
	entries entries
	read    func(e *store.Entry, row *T) // what an entry carries
	whole   *store.Projection[T]         // what is read of rows, if anything
	knows   prefect.Columns              // what an entry tells
	need    prefect.Columns
	visited int
	last    prefect.ID
}

// along begins a walk on which the rows that pass have some columns filled in.
func (s *search[T]) along(p *path[T], e entries, want prefect.Columns) *walk[T] {
	need := s.decisive() | want | p.onlyColumns
	return &walk[T]{search: s, path: p, entries: e, read: p.reader(need &^ p.keyed), knows: p.knows(), need: need}
}

// step is what became of a walk.
type step byte

const (
	arrived step = iota // at a row that passes
	ended
	paused
)

// next goes on to the next row that passes, which is then in row; but not beyond a
// number of entries that have been visited.
func (w *walk[T]) next(most int) step {
	for w.visited < most {
		if !w.entries.Next() {
			return ended
		}
		w.visited++
		if w.passes(w.entries.Entry()) {
			return arrived
		}
	}
	return paused
}

// passes looks at what the entry tells first, then at the row.
func (w *walk[T]) passes(e *store.Entry) bool {
	row, id, knows := &w.row, e.Primary.IDAt(0), w.knows
	if w.path.repeats {
		if id == w.last {
			return false
		}
		w.last = id
	}
	w.read(e, row)
	*w.id(row) = id
	if w.path.fromKey != nil && !w.path.fromKey(e, row) {
		knows &^= w.path.keyed
	}
	tested := w.test == nil
	if !tested && w.tests&^knows == 0 {
		if tested = w.test(row); !tested {
			return false
		}
	}
	verdict := w.match.Match(row, knows)
	if verdict == prefect.No {
		return false
	}
	if (verdict == prefect.Maybe || w.need&^knows != 0) && !w.look(e.Primary) {
		return false
	}
	return (tested || w.test(row)) && (w.path.only == nil || w.path.only(row)) && (w.exists == nil || w.exists(row))
}

// look reads the row, and reports whether it passes the filter.
func (w *walk[T]) look(key store.Key) bool {
	if w.whole == nil {
		w.whole = w.table.Project(w.need)
	}
	return w.whole.Row(w.tx, key, &w.row) && w.match.Match(&w.row, prefect.AllColumns) == prefect.Yes
}

// has reports whether the row with a key is there and passes.
func (w *walk[T]) has(key store.Key) bool {
	return w.look(key) && (w.test == nil || w.test(&w.row)) && (w.exists == nil || w.exists(&w.row))
}

// all calls found with every row that passes, in no order, until it answers false.
// The row has some columns filled in, and is overwritten by the next.
func (s *search[T]) all(want prefect.Columns, found func(row *T) bool) {
	if s.isNone() {
		return
	}
	best := s.best(want)
	for w := s.along(best, best.unsorted(s.tx), want); w.next(math.MaxInt) == arrived; {
		if !found(&s.row) {
			return
		}
	}
}

// best is the path on which it costs least to find all rows that pass, with the
// columns that are wanted.
func (s *search[T]) best(want prefect.Columns) *path[T] {
	needed := s.decisive() | want
	whole := s.whole(needed)
	switch {
	case len(s.paths) == 0:
		return whole
	case len(s.paths) == 1 && s.paths[0].cost(needed) <= whole.cost(needed):
		return s.paths[0]
	}
	return cmp.Or(shortest(s.tx, s.paths, needed, s.total()*whole.cost(needed)), whole)
}

// whole is the path to all rows that suits some columns.
func (s *search[T]) whole(needed prefect.Columns) *path[T] {
	for _, p := range s.wholes {
		if needed&^p.knows() == 0 {
			return p
		}
	}
	return s.wholes[len(s.wholes)-1]
}

// count is the number of rows that pass.
func (s *search[T]) count() (n int) {
	s.all(0, func(*T) bool {
		n++
		return true
	})
	return n
}

// minVisits is how many entries a walk in the order of a list may look at before
// it is asked whether there is a better way.
const minVisits = 1000

// first finds the rows of a list from one place to another.
//
// It walks in the order of the list, if an index has it, so that a page of the
// newest costs what it has rows. When few rows pass, that would look at all of
// them; then it gathers the rows from a path with less of them, and sorts.
func (s *search[T]) first(o *order[T], from, limit int) []Found {
	if s.isNone() || limit == 0 {
		return nil
	}
	if o.paths == nil {
		return s.gather(s.best(o.columns), o, from, limit)
	}
	list := &window{from: from, limit: limit, rows: make([]Found, 0, min(limit, s.total()))}
	for _, p := range o.paths {
		var want prefect.Columns
		if !p.ordered {
			want = o.columns
		}
		w := s.along(p, p.sorted(s.tx), want)
		for most := minVisits + 2*(from+limit); ; most *= 2 {
			how := s.collect(w, o, list, most)
			if list.full() {
				return list.rows
			}
			if how == ended {
				break
			}
			if better := s.better(w, list); better != nil {
				return s.gather(better, o, from, limit)
			}
		}
	}
	return list.rows
}

// collect takes what a walk in order finds.
func (s *search[T]) collect(w *walk[T], o *order[T], list *window, most int) step {
	for !list.full() {
		if how := w.next(most); how != arrived {
			return how
		}
		switch {
		case list.skip():
		case w.path.ordered:
			list.add(w.entries.Rest(), *s.id(&s.row))
		default:
			list.scratch = o.place(&s.row, list.scratch[:0])
			list.add(list.scratch, *s.id(&s.row))
		}
	}
	return arrived
}

// better looks for a path on which all that pass are found for less than what the
// walk still has to look at, if what comes is like what has been.
func (s *search[T]) better(w *walk[T], list *window) *path[T] {
	needed := s.decisive()
	perRow := float64(w.visited) / float64(list.seen+1)
	rest := perRow * float64(list.from+list.limit-list.seen) * float64(w.path.cost(needed))
	most := int(min(rest, math.MaxInt32))
	whole := s.whole(needed)
	if all := s.total() * whole.cost(needed); all < most {
		return cmp.Or(shortest(s.tx, s.paths, needed, all), whole)
	}
	return shortest(s.tx, s.paths, needed, most)
}

// gather looks at all rows of a path, and sorts those that pass.
func (s *search[T]) gather(p *path[T], o *order[T], from, limit int) []Found {
	top := &top{most: from + limit, desc: o.desc}
	var scratch store.Key
	for w := s.along(p, p.unsorted(s.tx), o.columns); w.next(math.MaxInt) == arrived; {
		scratch = o.place(&s.row, scratch[:0])
		top.add(Found{scratch, *s.id(&s.row)})
	}
	rows := top.sorted()
	return rows[min(from, len(rows)):]
}

// limit adds a test by some columns.
func (s *search[T]) limit(columns prefect.Columns, test func(*T) bool) {
	if before := s.test; before != nil {
		next := test
		test = func(row *T) bool { return before(row) && next(row) }
	}
	s.test, s.tests = test, s.tests|columns
}
