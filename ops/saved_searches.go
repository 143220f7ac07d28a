package ops

import (
	"prefectd/prefect"
	"prefectd/store"
)

// Saved searches live in the coordination group.

// SaveSearch makes a saved search, or gives the one of that name other filters.
type SaveSearch struct {
	Search prefect.SavedSearchCreate
}

// Run answers an Upserted[prefect.SavedSearch].
func (o *SaveSearch) Run(c *Context) (any, error) {
	s := store.SavedSearchesByName.Find(c.Tx, store.Key{}.String(o.Search.Name))
	made := s == nil
	if made {
		s = &prefect.SavedSearch{ID: c.freshID(), Created: c.Now, Updated: c.Now, Name: o.Search.Name}
	}
	s.Filters = orEmpty(o.Search.Filters)
	store.SavedSearches.Put(c.Tx, s)
	return Upserted[prefect.SavedSearch]{s, made}, nil
}

// DeleteSearch removes a saved search.
type DeleteSearch struct {
	ID prefect.ID
}

// Run answers nothing; 404 for an unknown one.
func (o *DeleteSearch) Run(c *Context) (any, error) {
	if !store.SavedSearches.Has(c.Tx, key(o.ID)) {
		return nil, errNoSearch()
	}
	store.SavedSearches.Delete(c.Tx, key(o.ID))
	return nil, nil
}

func errNoSearch() error { return NotFound("Saved search not found") }

// ReadSearch reads one saved search.
type ReadSearch struct {
	ID prefect.ID
}

// Read answers a *prefect.SavedSearch; 404 if there is none.
func (q *ReadSearch) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	s := store.SavedSearches.Get(tx, key(q.ID))
	if s == nil {
		return nil, errNoSearch()
	}
	return s, nil
}

// FindSearches lists saved searches by name.
type FindSearches struct {
	Window
}

// Read answers a []*prefect.SavedSearch.
func (q *FindSearches) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	list := []*prefect.SavedSearch{}
	for s := range store.SavedSearchesByName.Rows(tx, store.Range{}) {
		list = append(list, s)
	}
	return part(q.Window, list), nil
}
