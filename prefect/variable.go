package prefect

import "cmp"

// Variable is a named value that flows read.
type Variable struct {
	ID      ID       `json:"id" row:"1"`
	Created Time     `json:"created" row:"2"`
	Updated Time     `json:"updated" row:"3"`
	Name    string   `json:"name" row:"4"`
	Value   JSON     `json:"value" row:"5"`
	Tags    []string `json:"tags" row:"6"`
}

// VariableCreate is the body of POST /variables/.
type VariableCreate struct {
	_     struct{} `check:"closed"`
	Name  string   `json:"name" check:"required,variable_name"`
	Value JSON     `json:"value" check:"required,variable_value"`
	Tags  []string `json:"tags"`
}

// VariableUpdate is the body of PATCH /variables/….
type VariableUpdate struct {
	_     struct{}       `check:"closed"`
	Name  Opt[*string]   `json:"name" check:"variable_name"`
	Value Opt[JSON]      `json:"value" check:"variable_value"`
	Tags  Opt[StringSet] `json:"tags" check:"nullable"`
}

// VariableFilter selects variables.
type VariableFilter struct {
	_        struct{}    `check:"closed"`
	Operator Operator    `json:"operator,omitzero" check:"default=and_"`
	ID       *FilterID   `json:"id,omitzero"`
	Name     *FilterName `json:"name,omitzero"`
	Tags     *FilterTags `json:"tags,omitzero"`
}

// variableTags are the tags among the columns of a variable.
const variableTags Columns = 1 << 6

// Compile makes the filter ready to match; a nil filter is passed by every variable.
func (f *VariableFilter) Compile() *Matcher[Variable] {
	if f == nil {
		return everything[Variable]()
	}
	return compile(f.Operator,
		byID(f.ID, workID, func(v *Variable) ID { return v.ID }),
		named(f.Name, workName, func(v *Variable) *string { return &v.Name }),
		tagged(f.Tags.withAny(), variableTags, func(v *Variable) []string { return v.Tags }))
}

// VariableSort is an order of variables. The zero value is by name.
type VariableSort string

// The orders of variables.
const (
	VariableCreatedDesc VariableSort = "CREATED_DESC"
	VariableUpdatedDesc VariableSort = "UPDATED_DESC"
	VariableNameDesc    VariableSort = "NAME_DESC"
	VariableNameAsc     VariableSort = "NAME_ASC"
)

// EnumValues lists the accepted texts.
func (VariableSort) EnumValues() []string {
	return []string{"CREATED_DESC", "UPDATED_DESC", "NAME_DESC", "NAME_ASC"}
}

// UnmarshalText reads the wire name.
func (s *VariableSort) UnmarshalText(text []byte) error { return choose(s, text) }

// Order returns the comparison of the order.
func (s VariableSort) Order() func(a, b *Variable) int {
	id := func(a, b *Variable) int { return a.ID.Compare(b.ID) }
	name := func(a, b *Variable) int { return cmp.Or(cmp.Compare(a.Name, b.Name), id(a, b)) }
	switch s {
	case VariableCreatedDesc:
		return descending(byTime(func(v *Variable) Time { return v.Created }, id))
	case VariableUpdatedDesc:
		return descending(byTime(func(v *Variable) Time { return v.Updated }, id))
	case VariableNameDesc:
		return descending(name)
	}
	return name
}

// VariablesQuery is the body of POST /variables/filter.
type VariablesQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	RowOffset
	Variables *VariableFilter `json:"variables,omitzero"`
	Sort      VariableSort    `json:"sort,omitzero" check:"default=NAME_ASC"`
}

// Window returns the rows that are asked for, of at most so many; the error is the
// text of a 422.
func (q *VariablesQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// VariablesCountQuery is the body of POST /variables/count.
type VariablesCountQuery struct {
	_         struct{}        `check:"params"`
	Variables *VariableFilter `json:"variables,omitzero"`
}
