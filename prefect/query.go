package prefect

import (
	"errors"
	"fmt"
)

// DefaultLimit is how many rows a list has when the request does not say, and at
// most.
const DefaultLimit = 200

// The parts of a request that say which rows of a list it wants.
type (
	// RowLimit is how many rows.
	RowLimit struct {
		Limit *int `json:"limit,omitzero"`
	}
	// RowOffset is how many rows come before.
	RowOffset struct {
		Offset int `json:"offset,omitzero" check:"ge=0,default=0"`
	}
	// RowPage is which page, from 1.
	RowPage struct {
		Page int `json:"page,omitzero" check:"ge=1,default=1"`
	}
)

// farthest is more rows than there are anywhere; a request may name any number.
const farthest = 1 << 40

// rows is the number of rows that is asked for, of at most so many. The error is
// the text of a 422.
func (l RowLimit) rows(most int) (int, error) {
	switch {
	case l.Limit == nil:
		return most, nil
	case *l.Limit < 0:
		return 0, errors.New("Invalid limit: must be greater than or equal to 0.")
	case *l.Limit > most:
		return 0, fmt.Errorf("Invalid limit: must be less than or equal to %d.", most)
	}
	return *l.Limit, nil
}

func window(l RowLimit, o RowOffset, most int) (limit, offset int, err error) {
	limit, err = l.rows(most)
	return limit, min(o.Offset, farthest), err
}

func pageWindow(l RowLimit, p RowPage, most int) (limit, offset int, err error) {
	limit, err = l.rows(most)
	return limit, (min(max(p.Page, 1), farthest/DefaultLimit) - 1) * limit, err
}

// PageOf answers with one page of a list.
type PageOf[T any] struct {
	Results []T `json:"results"`
	Count   int `json:"count"` // of all rows
	Limit   int `json:"limit"`
	Pages   int `json:"pages"`
	Page    int `json:"page"`
}

// NewPage makes the answer with a page of so many rows.
func NewPage[T any](results []T, count, limit, page int) PageOf[T] {
	pages := 0
	if limit > 0 {
		pages = (count + limit - 1) / limit
	}
	return PageOf[T]{results, count, limit, pages, max(page, 1)}
}
