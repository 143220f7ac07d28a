package ops

import (
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// path is one way to come by rows: ranges of a table or of one of its indexes.
type path[T any] struct {
	ranges []store.Range
	open   func(tx *store.Tx, ranges ...store.Range) *store.Scan
	reader func(columns prefect.Columns) func(e *store.Entry, row *T)
	cover  prefect.Columns // what the entries carry
	keyed  prefect.Columns // what fromKey knows

	// fromKey sets the columns that an entry's key tells, and reports whether it
	// did: a long text is cut in keys. It may be nil.
	fromKey func(e *store.Entry, row *T) bool

	ordered bool // what a key has behind the range's prefix is the row's place in the order that is asked for
	repeats bool // a row may be in several ranges, and then at the same place in them

	// only limits the path to some of its rows, by some columns. It may be nil.
	only        func(row *T) bool
	onlyColumns prefect.Columns
}

// idColumn is the column of the id, in all tables.
var idColumn = prefect.ColumnSet(1)

// knows are the columns that the path tells without the row.
func (p *path[T]) knows() prefect.Columns { return p.cover | p.keyed | idColumn }

// through is the path along an index.
func through[T any](ix *store.Index[T], ranges ...store.Range) *path[T] {
	return &path[T]{ranges: ranges, open: ix.Scan, reader: ix.Reader, cover: ix.Cover}
}

// along is the path along a table itself.
func along[T any](t *store.Table[T], ranges ...store.Range) *path[T] {
	return &path[T]{
		ranges: ranges, open: t.Scan, cover: prefect.AllColumns,
		reader: func(columns prefect.Columns) func(*store.Entry, *T) { return t.Project(columns).Entry },
	}
}

// sorted are the entries of all ranges in one order.
func (p *path[T]) sorted(tx *store.Tx) entries { return p.open(tx, p.ranges...) }

// unsorted are the entries of one range after the other, which is less work. What
// repeats itself must be sorted to be seen.
func (p *path[T]) unsorted(tx *store.Tx) entries {
	if p.repeats || len(p.ranges) == 1 {
		return p.sorted(tx)
	}
	return &chain{next: p.ranges, open: func(r store.Range) *store.Scan { return p.open(tx, r) }}
}

// entries is what a walk goes along.
type entries interface {
	Next() bool
	Entry() *store.Entry
	Rest() store.Key
}

// chain goes along one range after the other.
type chain struct {
	*store.Scan
	next []store.Range
	open func(store.Range) *store.Scan
}

// Next moves to the next entry and reports whether there is one.
func (c *chain) Next() bool {
	for c.Scan == nil || !c.Scan.Next() {
		if len(c.next) == 0 {
			return false
		}
		c.Scan, c.next = c.open(c.next[0]), c.next[1:]
	}
	return true
}

// inOrder says that the path has the order that is asked for.
func (p *path[T]) inOrder() *path[T] {
	p.ordered = true
	return p
}

// telling says that keys tell some columns.
func (p *path[T]) telling(columns prefect.Columns, fromKey func(e *store.Entry, row *T) bool) *path[T] {
	p.keyed, p.fromKey = columns, fromKey
	return p
}

// without limits the path to the rows that have no time of some kind.
func (p *path[T]) without(column prefect.Columns, get func(*T) prefect.Time) *path[T] {
	p.only, p.onlyColumns = func(row *T) bool { return get(row) == 0 }, column
	return p
}

// ways makes a list.
func ways[T any](paths ...*path[T]) []*path[T] { return paths }

// within is a range of times as a range of keys with a prefix.
func within(prefix store.Key, span prefect.Span, desc bool) store.Range {
	r := store.Range{Prefix: prefix, Desc: desc}
	if span.From != 0 {
		r.From = slices.Clone(prefix).Time(span.From)
	}
	if span.To != 0 {
		r.To = slices.Clone(prefix).Time(span.To + 1)
	}
	return r
}

// each makes a range of every value in a list, by its prefix.
func each[V any](values []V, prefix func(v V) store.Key, span prefect.Span, desc bool) []store.Range {
	ranges := make([]store.Range, len(values))
	for i, v := range values {
		ranges[i] = within(prefix(v), span, desc)
	}
	return ranges
}

// everyType has all state types, and that of a run without a state.
var everyType = prefect.StateTypeSetOf(prefect.NoState) | prefect.StateTypeSetOf(prefect.StateTypes...)

// byState makes a range of each of some state types, or of all.
func byState(types prefect.StateTypeSet, span prefect.Span, desc bool) []store.Range {
	if types == 0 {
		types = everyType
	}
	return each(slices.Collect(types.All()), func(t prefect.StateType) store.Key { return store.Key{}.Byte(byte(t)) }, span, desc)
}

func textKey(s string) store.Key { return store.Key{}.String(s) }

// lookCost is what it costs to look up a row, in units of an entry of an index that
// tells enough.
const lookCost = 10

// cost is what a row on the path costs, where needed are the columns that decide.
func (p *path[T]) cost(needed prefect.Columns) int {
	if needed&^p.knows() != 0 {
		return lookCost
	}
	return 1
}

// raceStep is how many entries of the cheapest kind are looked at before it is the
// next path's turn.
const raceStep = 10 * lookCost

// shortest finds the path on which it costs least to look at all rows. It gives
// up, with nil, when none costs less than most.
func shortest[T any](tx *store.Tx, paths []*path[T], needed prefect.Columns, most int) *path[T] {
	racers := make([]entries, len(paths))
	for i, p := range paths {
		racers[i] = p.unsorted(tx)
	}
	for spent := 0; spent < most && len(paths) > 0; spent += raceStep {
		for i, e := range racers {
			for range raceStep / paths[i].cost(needed) {
				if !e.Next() {
					return paths[i]
				}
			}
		}
	}
	return nil
}
