package prefect

import (
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// EventFilter selects events. Its members must all hold; in them an empty list
// does not count.
type EventFilter struct {
	_           struct{}              `check:"closed"`
	Occurred    EventFilterOccurred   `json:"occurred,omitzero"`
	Event       *EventFilterName      `json:"event,omitzero"`
	Resource    *EventFilterResource  `json:"resource,omitzero"`
	Related     *EventFilterRelated   `json:"related,omitzero"`
	AnyResource *EventFilterResources `json:"any_resource,omitzero"`
	ID          EventFilterID         `json:"id,omitzero"`
	Text        *FilterQuery          `json:"text,omitzero"`
	Order       EventOrder            `json:"order,omitzero" check:"default=DESC"`
}

// EventFilterOccurred selects events by their time; both ends belong to the range.
// Null ends are those that Resolve fills in.
type EventFilterOccurred struct {
	_     struct{} `check:"closed"`
	Since Time     `json:"since,omitzero" check:"notnull"`
	Until Time     `json:"until,omitzero" check:"notnull"`
}

// EventFilterName selects events by name.
type EventFilterName struct {
	_             struct{} `check:"closed,nullable"`
	Prefix        []string `json:"prefix,omitzero"`
	ExcludePrefix []string `json:"exclude_prefix,omitzero"`
	Name          []string `json:"name,omitzero"`
	ExcludeName   []string `json:"exclude_name,omitzero"`
}

// EventFilterResource selects events by the resource they are about. With
// Distinct, a list has one event of each resource, the first in its order.
type EventFilterResource struct {
	_        struct{}  `check:"closed,nullable"`
	ID       []string  `json:"id,omitzero"`
	IDPrefix []string  `json:"id_prefix,omitzero"`
	Labels   LabelSpec `json:"labels,omitzero"`
	Distinct bool      `json:"distinct,omitzero" check:"default=false"`
}

// EventFilterRelatedOne selects events by a related resource, of which all members
// must hold.
type EventFilterRelatedOne struct {
	_                struct{}    `check:"closed,nullable"`
	ID               []string    `json:"id,omitzero"`
	Role             []string    `json:"role,omitzero"`
	ResourcesInRoles [][2]string `json:"resources_in_roles,omitzero"` // pairs of id and role
	Labels           LabelSpec   `json:"labels,omitzero"`
}

// EventFilterResourcesOne selects events by a resource that takes part in any way.
type EventFilterResourcesOne struct {
	_        struct{}  `check:"closed,nullable"`
	ID       []string  `json:"id,omitzero"`
	IDPrefix []string  `json:"id_prefix,omitzero"`
	Labels   LabelSpec `json:"labels,omitzero"`
}

// EventFilterID selects events by their id.
type EventFilterID struct {
	_  struct{} `check:"closed,nullable"`
	ID []ID     `json:"id,omitzero"`
}

// EventFilterRelated is one filter of related resources, or several of which each
// must hold for some resource.
type EventFilterRelated struct {
	_    struct{}                `check:"union"`
	One  *EventFilterRelatedOne  `json:"EventRelatedFilter"`
	Many []EventFilterRelatedOne `json:"list[EventRelatedFilter]"`
}

// EventFilterResources is one filter of all resources, or several of which each
// must hold for some resource.
type EventFilterResources struct {
	_    struct{}                  `check:"union"`
	One  *EventFilterResourcesOne  `json:"EventAnyResourceFilter"`
	Many []EventFilterResourcesOne `json:"list[EventAnyResourceFilter]"`
}

// LabelSpec says what labels a resource must have.
type LabelSpec map[string]LabelPatterns

// LabelPatterns are the values that a label may have: one or a list. In a pattern *
// stands for any characters and ? for one; a leading ! negates it.
type LabelPatterns struct {
	_    struct{} `check:"union"`
	One  *string  `json:"str"`
	Many []string `json:"list[str]"`
}

// Resolve fills in the range of times that a filter without one has at an instant:
// the last half year.
func (f *EventFilter) Resolve(now Time) {
	if f.Occurred.Since == 0 {
		f.Occurred.Since = now - now%Time(Day) - Time(180*Day)
	}
	if f.Occurred.Until == 0 {
		f.Occurred.Until = now
	}
}

// Distinct reports whether a list shall have one event of each resource.
func (f *EventFilter) Distinct() bool { return f.Resource != nil && f.Resource.Distinct }

// All lists the filters, one or many.
func (f *EventFilterRelated) All() []EventFilterRelatedOne {
	if f == nil {
		return nil
	}
	return all(f.One, f.Many)
}

// All lists the filters, one or many.
func (f *EventFilterResources) All() []EventFilterResourcesOne {
	if f == nil {
		return nil
	}
	return all(f.One, f.Many)
}

// All lists the patterns, one or many.
func (p LabelPatterns) All() []string { return all(p.One, p.Many) }

func all[T any](one *T, many []T) []T {
	if one != nil {
		return []T{*one}
	}
	return many
}

// MarshalJSONTo prints the filter as it was sent.
func (f EventFilterRelated) MarshalJSONTo(enc *jsontext.Encoder) error {
	return marshalUnion(enc, f.One, f.Many)
}

// UnmarshalJSONFrom reads one filter or a list.
func (f *EventFilterRelated) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return unmarshalUnion(dec, &f.One, &f.Many)
}

// MarshalJSONTo prints the filter as it was sent.
func (f EventFilterResources) MarshalJSONTo(enc *jsontext.Encoder) error {
	return marshalUnion(enc, f.One, f.Many)
}

// UnmarshalJSONFrom reads one filter or a list.
func (f *EventFilterResources) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return unmarshalUnion(dec, &f.One, &f.Many)
}

// MarshalJSONTo prints the patterns as they were sent.
func (p LabelPatterns) MarshalJSONTo(enc *jsontext.Encoder) error {
	return marshalUnion(enc, p.One, p.Many)
}

// UnmarshalJSONFrom reads one pattern or a list.
func (p *LabelPatterns) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return unmarshalUnion(dec, &p.One, &p.Many)
}

func marshalUnion[T any](enc *jsontext.Encoder, one *T, many []T) error {
	if one != nil {
		return json.MarshalEncode(enc, one)
	}
	return json.MarshalEncode(enc, many)
}

func unmarshalUnion[T any](dec *jsontext.Decoder, one **T, many *[]T) error {
	if dec.PeekKind() == '[' {
		return json.UnmarshalDecode(dec, many)
	}
	return json.UnmarshalDecode(dec, one)
}

// The columns of events that filters look at.
const (
	eventOccurred Columns = 1 << 1
	eventName     Columns = 1 << 2
	eventResource Columns = 1 << 3
	eventRelated  Columns = 1 << 4
	eventPayload  Columns = 1 << 5
	eventID       Columns = 1 << 6

	// Of the resources, in the roles that they have, no more than the id.
	eventResourceID Columns = 1 << 62
	eventRelatedIDs Columns = 1 << 63
)

// Columns of events of which not all is known.
const (
	EventTimeColumn = eventOccurred
	// EventOfResourceColumns: the time, and the id of the resource.
	EventOfResourceColumns = eventOccurred | eventResourceID
	// EventIndexColumns: time and name and, as far as a plan's Resources name them,
	// the ids of all resources.
	EventIndexColumns = eventOccurred | eventName | eventResourceID | eventRelatedIDs
)

// Compile makes the filter ready to match stored events; Resolve it first. A nil
// filter is passed by every event.
func (f *EventFilter) Compile() *Matcher[Event] { return f.compile(false) }

// CompileLive makes the filter ready to match events as they come. The patterns of
// labels may then have sets of characters, such as [abc].
func (f *EventFilter) CompileLive() *Matcher[Event] { return f.compile(true) }

func (f *EventFilter) compile(sets bool) *Matcher[Event] {
	if f == nil {
		return everything[Event]()
	}
	return compile(And,
		spanned(Span{f.Occurred.Since, f.Occurred.Until}, eventOccurred,
			func(e *Event) Time { return e.Occurred }, func(p *Plan) *Span { return &p.At }),
		anyOf(unlessEmpty(f.ID.ID), eventID, func(e *Event) (ID, bool) { return e.ID, true }, planIDs),
		f.Event.clause(),
		f.Resource.clause(sets),
		f.Related.clauses(sets),
		f.AnyResource.clauses(sets),
		f.Text.eventClause())
}

// unlessEmpty makes an empty list one that was not sent.
func unlessEmpty[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

func (f *EventFilterName) clause() []clause[Event] {
	if f == nil {
		return nil
	}
	name := func(e *Event) (string, bool) { return e.Event, true }
	return slices.Concat(
		anyOf(unlessEmpty(f.Name), eventName, name, func(p *Plan) *[]string { return &p.Names }),
		noneOf(f.ExcludeName, eventName, name),
		prefixed(f.Prefix, true),
		prefixed(f.ExcludePrefix, false))
}

// prefixed makes the clause of events whose name has one of the prefixes, or none
// of them.
func prefixed(prefixes []string, want bool) []clause[Event] {
	if len(prefixes) == 0 {
		return nil
	}
	return []clause[Event]{where(eventName, func(e *Event) bool { return hasPrefix(e.Event, prefixes) == want })}
}
