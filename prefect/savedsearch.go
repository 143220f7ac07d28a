package prefect

// SavedSearch is a set of filters that a user of the UI keeps.
type SavedSearch struct {
	ID      ID                  `json:"id" row:"1"`
	Created Time                `json:"created" row:"2"`
	Updated Time                `json:"updated" row:"3"`
	Name    string              `json:"name" row:"4"`
	Filters []SavedSearchFilter `json:"filters" row:"5"`
}

// SavedSearchFilter is one condition of a saved search. Only the UI knows its meaning.
type SavedSearchFilter struct {
	Object    string `json:"object" check:"required" row:"1"`
	Property  string `json:"property" check:"required" row:"2"`
	Type      string `json:"type" check:"required" row:"3"`
	Operation string `json:"operation" check:"required" row:"4"`
	Value     JSON   `json:"value" check:"required" row:"5"`
}

// SavedSearchCreate is the body of PUT /saved_searches/.
type SavedSearchCreate struct {
	_       struct{}            `check:"closed"`
	Name    string              `json:"name" check:"required"`
	Filters []SavedSearchFilter `json:"filters"`
}

// SavedSearchesQuery is the body of POST /saved_searches/filter.
type SavedSearchesQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	RowOffset
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *SavedSearchesQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}
