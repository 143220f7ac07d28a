package ops

import (
	"iter"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// candidates are rows that a query may answer, each with the columns that are
// filled in, the id always among them. A row is good until the next one comes.
type candidates[T any] struct {
	rows    iter.Seq2[*T, prefect.Columns]
	ordered bool // they come in the order that the query asks for
}

// search says which candidates a query answers.
type search[T any] struct {
	match *prefect.Matcher[T]
	also  func(*T) bool   // a test beyond the filter; may be nil
	needs prefect.Columns // that also and order look at
	full  func(*T) *T     // the whole row of a candidate
	keep  func(*T) *T     // a copy of what order looks at
	order func(a, b *T) int
}

// each yields the rows that pass, with at least the columns that are needed.
func (s *search[T]) each(c candidates[T]) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		if s.match.Plan().Never {
			return
		}
		for row, have := range c.rows {
			verdict := s.match.Match(row, have)
			if verdict == prefect.No {
				continue
			}
			if verdict == prefect.Maybe || s.needs&^have != 0 {
				row = s.full(row)
				if row == nil || s.match.Match(row, prefect.AllColumns) != prefect.Yes {
					continue
				}
			}
			if (s.also == nil || s.also(row)) && !yield(row) {
				return
			}
		}
	}
}

// first returns what order needs of the first rows that pass.
func (s *search[T]) first(c candidates[T], most int) []*T {
	kept := []*T{}
	for row := range s.each(c) {
		kept = append(kept, s.keep(row))
		switch {
		case c.ordered && len(kept) >= most:
			return kept[:most]
		case !c.ordered && len(kept) >= 2*most+1000:
			slices.SortFunc(kept, s.order)
			kept = kept[:most]
		}
	}
	if !c.ordered {
		slices.SortFunc(kept, s.order)
	}
	return kept[:min(most, len(kept))]
}

// count is the number of rows that pass.
func (s *search[T]) count(c candidates[T]) (n int) {
	for range s.each(c) {
		n++
	}
	return n
}

// mergeWindow cuts a window out of sorted parts.
func mergeWindow[T any](parts [][]*T, order func(a, b *T) int, limit, offset int) []*T {
	all := slices.Concat(parts...)
	if len(parts) > 1 {
		slices.SortFunc(all, order)
	}
	from := min(offset, len(all))
	return all[from:min(from+limit, len(all))]
}

// tableRows are all rows of a table in the order of their ids.
func tableRows[T any](tx *store.Tx, t *store.Table[T], desc bool) iter.Seq2[*T, prefect.Columns] {
	return whole(t.Rows(tx, store.Range{Desc: desc}))
}

// whole says of rows that they are not partial.
func whole[T any](rows iter.Seq[*T]) iter.Seq2[*T, prefect.Columns] {
	return func(yield func(*T, prefect.Columns) bool) {
		for row := range rows {
			if !yield(row, prefect.AllColumns) {
				return
			}
		}
	}
}

// rowsByID are the rows with some ids.
func rowsByID[T any](tx *store.Tx, t *store.Table[T], ids []prefect.ID) iter.Seq2[*T, prefect.Columns] {
	return func(yield func(*T, prefect.Columns) bool) {
		for _, id := range ids {
			if row := t.Get(tx, key(id)); row != nil && !yield(row, prefect.AllColumns) {
				return
			}
		}
	}
}

// idColumn is the column of the id, in all tables.
var idColumn = prefect.ColumnSet(1)

// covered are the partial rows of index entries.
func covered[T any](ix *store.Index[T], entries iter.Seq[store.Entry], setID func(*T, prefect.ID)) iter.Seq2[*T, prefect.Columns] {
	return func(yield func(*T, prefect.Columns) bool) {
		var row T
		for e := range entries {
			ix.Partial(e, &row)
			setID(&row, e.Primary.IDAt(0))
			if !yield(&row, ix.Cover|idColumn) {
				return
			}
		}
	}
}

// indexed are the whole rows of index entries.
func indexed[T any](tx *store.Tx, ix *store.Index[T], entries iter.Seq[store.Entry]) iter.Seq2[*T, prefect.Columns] {
	return func(yield func(*T, prefect.Columns) bool) {
		for e := range entries {
			if !yield(ix.Row(tx, e), prefect.AllColumns) {
				return
			}
		}
	}
}

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

// prefixes makes a range of each id.
func prefixes(ids []prefect.ID, desc bool) []store.Range {
	ranges := make([]store.Range, len(ids))
	for i, id := range ids {
		ranges[i] = store.Range{Prefix: key(id), Desc: desc}
	}
	return ranges
}

// setOfIDs tells which ids are in a list.
func setOfIDs(ids []prefect.ID) map[prefect.ID]bool {
	set := make(map[prefect.ID]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// inOrder puts rows from several groups in the order of their ids in a list.
func inOrder[T any](ids []prefect.ID, parts [][]*T, id func(*T) prefect.ID) []*T {
	found := map[prefect.ID]*T{}
	for _, r := range slices.Concat(parts...) {
		found[id(r)] = r
	}
	list := make([]*T, 0, len(ids))
	for _, id := range ids {
		if r := found[id]; r != nil {
			list = append(list, r)
		}
	}
	return list
}

func sum(parts []int, err error) (total int, _ error) {
	for _, n := range parts {
		total += n
	}
	return total, err
}
