package ops

import (
	"context"
	"slices"
	"sync"

	"prefectd/prefect"
)

// listing is a list whose rows are in several groups.
type listing[T any] struct {
	groups []int
	desc   bool
	find   func(w Window) Query         // answers a FoundRows[T]
	read   func(ids []prefect.ID) Query // answers a []*T, nil where there is none
}

// rows reads a window of the list, and how many rows there are in all if that is
// asked for. A single group answers with the rows; several first say where theirs
// stand, so that only those of the window are read.
func (l listing[T]) rows(ctx context.Context, b Backend, w Window) ([]*T, int, error) {
	part := w
	if len(l.groups) == 1 {
		part.Rows = true
	} else {
		part.From, part.Limit = 0, w.From+w.Limit
		if w.Limit == 0 {
			part.Limit = 0
		}
	}
	parts, err := askEach[FoundRows[T]](ctx, b, l.groups, l.find(part))
	if err != nil {
		return nil, 0, err
	}
	total := 0
	places := make([][]Found, len(parts))
	for i, p := range parts {
		total += p.Total
		places[i] = p.Places
	}
	if part.Rows {
		return present(parts[0].Rows), total, nil
	}
	rows, err := l.fetch(ctx, b, mergeFound(places, l.desc, w.From, w.Limit))
	return rows, total, err
}

// fetch reads the rows at some places, in their order.
func (l listing[T]) fetch(ctx context.Context, b Backend, places []merged) ([]*T, error) {
	at := make([][]int, len(l.groups)) // per part, where its rows are in the list
	for i, p := range places {
		at[p.part] = append(at[p.part], i)
	}
	rows := make([]*T, len(places))
	errs := make([]error, len(l.groups))
	var wait sync.WaitGroup
	for part, list := range at {
		if len(list) == 0 {
			continue
		}
		wait.Go(func() {
			ids := make([]prefect.ID, len(list))
			for i, n := range list {
				ids[i] = places[n].id
			}
			found, err := Ask[[]*T](ctx, b, l.groups[part], l.read(ids))
			if errs[part] = err; err != nil {
				return
			}
			for i, n := range list {
				rows[n] = found[i]
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return present(rows), nil
}

// present drops the rows that were gone when they were read.
func present[T any](rows []*T) []*T {
	return slices.DeleteFunc(orEmpty(rows), func(r *T) bool { return r == nil })
}

// merged is a row in the order of all groups.
type merged struct {
	id   prefect.ID
	part int
}

// mergeFound cuts a window out of the sorted parts of several groups.
func mergeFound(parts [][]Found, desc bool, from, limit int) (rows []merged) {
	for n := 0; n < from+limit; n++ {
		best := -1
		for i, p := range parts {
			if len(p) > 0 && (best < 0 || compareFound(p[0], parts[best][0], desc) < 0) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		if n >= from {
			rows = append(rows, merged{parts[best][0].ID, best})
		}
		parts[best] = parts[best][1:]
	}
	return rows
}

// askEach runs a query whose answers are of type A on some groups.
func askEach[A any](ctx context.Context, b Backend, groups []int, q Query) ([]A, error) {
	answers, err := b.AskAll(ctx, groups, q)
	if err != nil {
		return nil, err
	}
	parts := make([]A, len(answers))
	for i, a := range answers {
		if parts[i], err = as[A](a, nil); err != nil {
			return nil, err
		}
	}
	return parts, nil
}
