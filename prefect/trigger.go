package prefect

import (
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Trigger says when an automation acts: one of three.
type Trigger struct {
	_        struct{}         `check:"union"`
	Event    *EventTrigger    `json:"EventTrigger"`
	Compound *CompoundTrigger `json:"CompoundTrigger"`
	Sequence *SequenceTrigger `json:"SequenceTrigger"`
}

// EventTrigger fires when enough events happen (Reactive), or too few (Proactive), within
// a time (reference/automations.md, "Triggers").
type EventTrigger struct {
	Type         string      `json:"type" check:"default=event,oneof=event"`
	ID           ID          `json:"id"`
	Match        LabelSpec   `json:"match"`
	MatchRelated RelatedSpec `json:"match_related"`
	After        []string    `json:"after" check:"set"`
	Expect       []string    `json:"expect" check:"set"`
	ForEach      []string    `json:"for_each" check:"set"`
	Posture      Posture     `json:"posture" check:"required"`
	Threshold    int         `json:"threshold" check:"default=1"`
	Within       Duration    `json:"within"`
}

// The shortest time that a Proactive trigger may look at, which is also its default.
const shortestProactive = 10 * Second

// Check refuses times that make no sense, and fills in that of a Proactive trigger.
func (t *EventTrigger) Check() error {
	switch {
	case t.Within < 0:
		return errors.New("The minimum `within` is 0 seconds")
	case t.Posture == Proactive && t.Within == 0:
		t.Within = shortestProactive
	case t.Posture == Proactive && t.Within < shortestProactive:
		return errors.New("The minimum within for Proactive triggers is 10 seconds")
	}
	return nil
}

// CompoundTrigger fires when enough of several triggers have.
type CompoundTrigger struct {
	Type     string    `json:"type" check:"default=compound,oneof=compound"`
	ID       ID        `json:"id"`
	Triggers []Trigger `json:"triggers" check:"required"`
	Within   *Duration `json:"within" check:"required,nullable"`
	Require  Require   `json:"require" check:"required"`
}

// Check refuses to require more triggers than there are.
func (t *CompoundTrigger) Check() error {
	switch n := t.Require.Number; {
	case n == nil:
	case *n < 1:
		return errors.New("require must be at least 1")
	case *n > len(t.Triggers):
		return errors.New("require must be less than or equal to the number of triggers")
	}
	return nil
}

// Firings is how many of the triggers have to fire.
func (t *CompoundTrigger) Firings() int {
	switch {
	case t.Require.Number != nil:
		return *t.Require.Number
	case *t.Require.Word == "any":
		return 1
	}
	return len(t.Triggers)
}

// SequenceTrigger fires when several triggers have, in their order.
type SequenceTrigger struct {
	Type     string    `json:"type" check:"default=sequence,oneof=sequence"`
	ID       ID        `json:"id"`
	Triggers []Trigger `json:"triggers" check:"required"`
	Within   *Duration `json:"within" check:"required,nullable"`
}

// Require is a number, any or all.
type Require struct {
	_      struct{} `check:"union"`
	Number *int     `json:"int"`
	Word   *string  `json:"literal" check:"oneof=any|all"`
}

// Posture says whether a trigger looks for events, or for their absence.
type Posture string

// The postures.
const (
	Reactive  Posture = "Reactive"
	Proactive Posture = "Proactive"
)

// EnumValues lists the accepted texts.
func (Posture) EnumValues() []string { return []string{string(Reactive), string(Proactive)} }

// UnmarshalText reads the wire name.
func (p *Posture) UnmarshalText(text []byte) error { return choose(p, text) }

// RelatedSpec says what labels related resources must have: one of them those of One, or
// for each of Many one those.
type RelatedSpec struct {
	_    struct{}    `check:"union"`
	One  *LabelSpec  `json:"ResourceSpecification"`
	Many []LabelSpec `json:"list[ResourceSpecification]"`
}

// All lists the specifications, one or many.
func (r RelatedSpec) All() []LabelSpec { return all(r.One, r.Many) }

// MarshalJSONTo prints it as it was sent.
func (r RelatedSpec) MarshalJSONTo(enc *jsontext.Encoder) error {
	if r.One == nil && r.Many == nil {
		r.One = &LabelSpec{}
	}
	return marshalUnion(enc, r.One, r.Many)
}

// UnmarshalJSONFrom reads one or many.
func (r *RelatedSpec) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return unmarshalUnion(dec, &r.One, &r.Many)
}

// MarshalJSONTo prints a number or a word.
func (r Require) MarshalJSONTo(enc *jsontext.Encoder) error {
	if r.Number != nil {
		return json.MarshalEncode(enc, r.Number)
	}
	return json.MarshalEncode(enc, r.Word)
}

// UnmarshalJSONFrom reads a number or a word.
func (r *Require) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == '"' {
		return json.UnmarshalDecode(dec, &r.Word)
	}
	return json.UnmarshalDecode(dec, &r.Number)
}

// MarshalJSONTo prints the trigger that it is.
func (t Trigger) MarshalJSONTo(enc *jsontext.Encoder) error {
	switch {
	case t.Event != nil:
		return json.MarshalEncode(enc, t.Event)
	case t.Compound != nil:
		return json.MarshalEncode(enc, t.Compound)
	}
	return json.MarshalEncode(enc, t.Sequence)
}

// UnmarshalJSONFrom reads what MarshalJSONTo prints.
func (t *Trigger) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	var kind struct {
		Type string `json:"type"`
	}
	if err := Unmarshal(JSON(raw), &kind); err != nil {
		return err
	}
	switch kind.Type {
	case "compound":
		return Unmarshal(JSON(raw), &t.Compound)
	case "sequence":
		return Unmarshal(JSON(raw), &t.Sequence)
	}
	return Unmarshal(JSON(raw), &t.Event)
}

// ID is that of the trigger that it is.
func (t *Trigger) ID() ID { return *t.id() }

func (t *Trigger) id() *ID {
	switch {
	case t.Event != nil:
		return &t.Event.ID
	case t.Compound != nil:
		return &t.Compound.ID
	}
	return &t.Sequence.ID
}

// Type is event, compound or sequence.
func (t *Trigger) Type() string {
	switch {
	case t.Event != nil:
		return t.Event.Type
	case t.Compound != nil:
		return t.Compound.Type
	}
	return t.Sequence.Type
}

// Children are the triggers that it is made of.
func (t *Trigger) Children() []Trigger {
	switch {
	case t.Compound != nil:
		return t.Compound.Triggers
	case t.Sequence != nil:
		return t.Sequence.Triggers
	}
	return nil
}

// Identify gives the trigger, and all that it is made of, ids.
func (t *Trigger) Identify(fresh func() ID) {
	*t.id() = fresh()
	for i := range t.Children() {
		t.Children()[i].Identify(fresh)
	}
}

// EventTest is an EventTrigger that is ready to look at events.
type EventTest struct {
	*EventTrigger
	match   []labelTest
	related [][]labelTest
	after   []labelPattern
	expect  []labelPattern
	forEach []string
}

// Compile makes the trigger ready.
func (t *EventTrigger) Compile() *EventTest {
	c := &EventTest{EventTrigger: t, match: t.Match.compile(true), forEach: slices.Sorted(slices.Values(t.ForEach))}
	for _, spec := range t.MatchRelated.All() {
		c.related = append(c.related, spec.compile(true))
	}
	for _, name := range t.After {
		c.after = append(c.after, newLabelPattern(name, true))
	}
	for _, name := range t.Expect {
		c.expect = append(c.expect, newLabelPattern(name, true))
	}
	return c
}

// Expects reports whether events of a name count.
func (t *EventTest) Expects(name string) bool {
	return len(t.expect) == 0 || anyPattern(t.expect, name)
}

// StartsAfter reports whether the time within which events count begins with an event of
// a name.
func (t *EventTest) StartsAfter(name string) bool { return anyPattern(t.after, name) }

func anyPattern(patterns []labelPattern, name string) bool {
	return slices.ContainsFunc(patterns, func(p labelPattern) bool { return p.matches(name) })
}

// Covers reports whether an event matters to the trigger.
func (t *EventTest) Covers(e *Event) bool {
	if !t.Expects(e.Event) && !t.StartsAfter(e.Event) || !matchLabels(t.match, e.Resource) {
		return false
	}
	for _, tests := range t.related {
		if len(tests) > 0 && !slices.ContainsFunc(e.Related, func(r Resource) bool { return matchLabels(tests, r) }) {
			return false
		}
	}
	return true
}

// Labels are the values of an event by which the trigger keeps events apart, in the order
// of for_each.
func (t *EventTest) Labels(e *Event) []string {
	values := make([]string, len(t.forEach))
	for i, label := range t.forEach {
		values[i] = e.label(label)
	}
	return values
}

// ForEachLabels lists the labels by which the trigger keeps events apart, in order.
func (t *EventTest) ForEachLabels() []string { return t.forEach }

// IsMet reports whether a count of events is one at which the trigger fires.
func (t *EventTest) IsMet(count int) bool {
	if t.Posture == Proactive {
		return count < t.Threshold
	}
	return count >= t.Threshold
}

// label finds a label of the event's resource, or of the first related one in a role:
// related:<role>:<label>.
func (e *Event) label(label string) string {
	if rest, ok := strings.CutPrefix(label, "related:"); ok {
		if role, name, ok := cutLast(rest, ":"); ok {
			for _, r := range e.Related {
				if r.Role() == role {
					return r[name]
				}
			}
		}
	}
	return e.Resource[label]
}

func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}
