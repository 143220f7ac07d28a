package prefect

import "cmp"

// Automation does something when events happen, or fail to.
type Automation struct {
	ID               ID       `json:"id" row:"1"`
	Created          Time     `json:"created" row:"2"`
	Updated          Time     `json:"updated" row:"3"`
	Name             string   `json:"name" row:"4"`
	Description      string   `json:"description" row:"5"`
	Enabled          bool     `json:"enabled" row:"6"`
	Tags             []string `json:"tags" row:"7"`
	Trigger          JSON     `json:"trigger" row:"8"` // a Trigger
	Actions          JSON     `json:"actions" row:"9"` // a list of Action
	ActionsOnTrigger JSON     `json:"actions_on_trigger" row:"10"`
	ActionsOnResolve JSON     `json:"actions_on_resolve" row:"11"`

	// Owner is the resource with which the automation goes; empty for none.
	Owner string `json:"-" cbor:"owner" row:"12"`
}

// AutomationFields are what a client sends of an automation.
type AutomationFields struct {
	Name             string   `json:"name" check:"required"`
	Description      string   `json:"description" check:"default="`
	Enabled          bool     `json:"enabled" check:"default=true"`
	Tags             []string `json:"tags"`
	Trigger          Trigger  `json:"trigger" check:"required"`
	Actions          []Action `json:"actions" check:"required"`
	ActionsOnTrigger []Action `json:"actions_on_trigger"`
	ActionsOnResolve []Action `json:"actions_on_resolve"`
}

// AutomationCreate is the body of POST /automations/.
type AutomationCreate struct {
	_ struct{} `check:"closed"`
	AutomationFields
	OwnerResource *string `json:"owner_resource"`
}

// AutomationUpdate is the body of PUT /automations/{id}: it replaces everything.
type AutomationUpdate struct {
	_ struct{} `check:"closed"`
	AutomationFields
}

// AutomationPartialUpdate is the body of PATCH /automations/{id}.
type AutomationPartialUpdate struct {
	_       struct{}  `check:"closed"`
	Enabled Opt[bool] `json:"enabled"`
}

// AutomationFilter selects automations.
type AutomationFilter struct {
	_        struct{}                 `check:"closed"`
	Operator Operator                 `json:"operator,omitzero" check:"default=and_"`
	ID       *FilterID                `json:"id,omitzero"`
	Name     *AutomationFilterName    `json:"name,omitzero"`
	Created  *AutomationFilterCreated `json:"created,omitzero"`
	Tags     *FilterTagsAny           `json:"tags,omitzero"`
}

// AutomationFilterName selects automations by their exact name.
type AutomationFilterName struct {
	_   struct{} `check:"closed,nullable"`
	Any []string `json:"any_,omitzero"`
}

// AutomationFilterCreated selects automations by when they were made.
type AutomationFilterCreated struct {
	_      struct{} `check:"closed,nullable"`
	Before Time     `json:"before_,omitzero"`
}

const (
	automationName    Columns = 1 << 4
	automationCreated Columns = 1 << 2
	automationTags    Columns = 1 << 7
)

// Compile makes the filter ready to match; a nil filter is passed by every automation.
func (f *AutomationFilter) Compile() *Matcher[Automation] {
	if f == nil {
		return everything[Automation]()
	}
	var name *FilterName
	if f.Name != nil {
		name = &FilterName{Any: f.Name.Any}
	}
	var span *FilterTime
	if f.Created != nil {
		span = &FilterTime{Before: f.Created.Before}
	}
	return compile(f.Operator,
		byID(f.ID, workID, func(a *Automation) ID { return a.ID }),
		named(name, automationName, func(a *Automation) *string { return &a.Name }),
		timed(span, automationCreated, func(a *Automation) Time { return a.Created }, nil),
		tagged(f.Tags, automationTags, func(a *Automation) []string { return a.Tags }))
}

// AutomationSort is an order of automations. The zero value is by name.
type AutomationSort string

// EnumValues lists the accepted texts.
func (AutomationSort) EnumValues() []string {
	return []string{"CREATED_DESC", "UPDATED_DESC", "NAME_ASC", "NAME_DESC"}
}

// UnmarshalText reads the wire name.
func (s *AutomationSort) UnmarshalText(text []byte) error { return choose(s, text) }

// Order returns the comparison of the order.
func (s AutomationSort) Order() func(a, b *Automation) int {
	id := func(a, b *Automation) int { return a.ID.Compare(b.ID) }
	name := func(a, b *Automation) int { return cmp.Or(cmp.Compare(a.Name, b.Name), id(a, b)) }
	switch s {
	case "CREATED_DESC":
		return descending(byTime(func(a *Automation) Time { return a.Created }, id))
	case "UPDATED_DESC":
		return descending(byTime(func(a *Automation) Time { return a.Updated }, id))
	case "NAME_DESC":
		return descending(name)
	}
	return name
}

// AutomationsQuery is the body of POST /automations/filter.
type AutomationsQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	RowOffset
	Automations *AutomationFilter `json:"automations,omitzero"`
	Sort        AutomationSort    `json:"sort,omitzero" check:"default=NAME_ASC"`
}

// Window returns the rows that are asked for, of at most so many; the error is the text
// of a 422.
func (q *AutomationsQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// AutomationsCountQuery is the body of POST /automations/count.
type AutomationsCountQuery struct {
	_           struct{}          `check:"params"`
	Automations *AutomationFilter `json:"automations,omitzero"`
}
