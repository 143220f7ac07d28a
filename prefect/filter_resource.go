package prefect

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// resourceTest is what a filter asks of one resource. Empty lists ask nothing.
type resourceTest struct {
	ids, prefixes, roles []string
	inRoles              [][2]string
	labels               []labelTest
}

func (t *resourceTest) isEmpty() bool {
	return len(t.ids)+len(t.prefixes)+len(t.roles)+len(t.inRoles)+len(t.labels) == 0
}

func (t *resourceTest) matches(r Resource) bool {
	switch {
	case len(t.ids) > 0 && !slices.Contains(t.ids, r.ID()):
	case len(t.prefixes) > 0 && !hasPrefix(r.ID(), t.prefixes):
	case len(t.roles) > 0 && !slices.Contains(t.roles, r.Role()):
	case len(t.inRoles) > 0 && !slices.Contains(t.inRoles, [2]string{r.ID(), r.Role()}):
	default:
		return matchLabels(t.labels, r)
	}
	return false
}

// labelTest is what a filter asks of one label.
type labelTest struct {
	label    string
	patterns []labelPattern
}

type labelPattern struct {
	negated bool
	text    string // the whole value, if there is no glob
	glob    *glob
}

// compile makes a specification ready to match; sets allows sets of characters in
// the patterns.
func (s LabelSpec) compile(sets bool) []labelTest {
	var tests []labelTest
	for _, label := range slices.Sorted(maps.Keys(s)) {
		t := labelTest{label: label}
		for _, pattern := range s[label].All() {
			t.patterns = append(t.patterns, newLabelPattern(pattern, sets))
		}
		tests = append(tests, t)
	}
	return tests
}

func newLabelPattern(pattern string, sets bool) labelPattern {
	text, negated := strings.CutPrefix(pattern, "!")
	if g := newGlob(text, '*', '?', sets); !g.isLiteral() {
		return labelPattern{negated: negated, glob: g}
	}
	return labelPattern{negated: negated, text: text}
}

// matchLabels looks for all labels: one that is missing has no value, not even one
// that is unlike a pattern.
func matchLabels(tests []labelTest, r Resource) bool {
	for i := range tests {
		value, ok := r[tests[i].label]
		if !ok || !slices.ContainsFunc(tests[i].patterns, func(p labelPattern) bool { return p.matches(value) }) {
			return false
		}
	}
	return true
}

func (p *labelPattern) matches(value string) bool {
	if p.glob != nil {
		return p.glob.matches(value) != p.negated
	}
	return (p.text == value) != p.negated
}

func hasPrefix(s string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

func (f *EventFilterResource) clause(sets bool) (list []clause[Event]) {
	if f == nil {
		return nil
	}
	test := resourceTest{ids: f.ID, prefixes: f.IDPrefix, labels: f.Labels.compile(sets)}
	for _, ids := range [][]string{unlessEmpty(f.ID), exactly(test.labels, "prefect.resource.id")} {
		if ids != nil {
			c := mentioned(ids, eventResourceID, func(e *Event) bool { return slices.Contains(ids, e.Resource.ID()) })
			mention := c.hint
			c.hint = func(p *Plan) {
				mention(p)
				meet(p, &p.ResourceIDs, distinct(ids))
			}
			list = append(list, c)
		}
	}
	if test.ids = nil; !test.isEmpty() {
		list = append(list, where(eventResource, func(e *Event) bool { return test.matches(e.Resource) }))
	}
	return list
}

// mentioned makes the clause that looks for resources with some ids and for nothing
// else of them.
func mentioned(ids []string, needs Columns, test func(*Event) bool) clause[Event] {
	c := where(needs, test)
	c.hint = func(p *Plan) { p.Resources = append(p.Resources, ids...) }
	return c
}

// exactly lists the values that a label must have, if they are all told without
// wildcards.
func exactly(tests []labelTest, label string) (values []string) {
	i := slices.IndexFunc(tests, func(t labelTest) bool { return t.label == label })
	if i < 0 {
		return nil
	}
	for _, p := range tests[i].patterns {
		if p.negated || p.glob != nil {
			return nil
		}
		values = append(values, p.text)
	}
	return distinct(values)
}

func (f *EventFilterRelated) clauses(sets bool) (list []clause[Event]) {
	for _, one := range f.All() {
		test := resourceTest{ids: one.ID, roles: one.Role, inRoles: one.ResourcesInRoles, labels: one.Labels.compile(sets)}
		var inRoles []string
		for _, pair := range one.ResourcesInRoles {
			inRoles = append(inRoles, pair[0])
		}
		for _, ids := range [][]string{one.ID, inRoles} {
			if len(ids) > 0 {
				list = append(list, mentioned(ids, eventRelatedIDs, func(e *Event) bool { return anyHasID(e.Related, ids) }))
			}
		}
		if len(test.roles)+len(test.inRoles)+len(test.labels) > 0 {
			list = append(list, where(eventRelated, func(e *Event) bool {
				return slices.ContainsFunc(e.Related, test.matches)
			}))
		}
	}
	return list
}

func (f *EventFilterResources) clauses(sets bool) (list []clause[Event]) {
	for _, one := range f.All() {
		test := resourceTest{ids: one.ID, prefixes: one.IDPrefix, labels: one.Labels.compile(sets)}
		if ids := one.ID; len(ids) > 0 {
			list = append(list, mentioned(ids, eventResourceID|eventRelatedIDs, func(e *Event) bool {
				return slices.Contains(ids, e.Resource.ID()) || anyHasID(e.Related, ids)
			}))
		}
		if len(test.prefixes)+len(test.labels) > 0 {
			list = append(list, where(eventResource|eventRelated, func(e *Event) bool {
				return test.matches(e.Resource) || slices.ContainsFunc(e.Related, test.matches)
			}))
		}
	}
	return list
}

func anyHasID(resources []Resource, ids []string) bool {
	return slices.ContainsFunc(resources, func(r Resource) bool { return slices.Contains(ids, r.ID()) })
}

// eventClause searches all that an event says: its name, its resources with their
// labels, and its payload.
func (f *FilterQuery) eventClause() []clause[Event] {
	if f == nil {
		return nil
	}
	q := ParseTextQuery(f.Query)
	if q.IsEmpty() {
		return nil
	}
	return []clause[Event]{where(eventName|eventResource|eventRelated|eventPayload, func(e *Event) bool {
		text := newLowered()
		defer text.release()
		text.add(e.Event)
		text.addLabels(e.Resource)
		for _, r := range e.Related {
			text.addLabels(r)
		}
		text.addJSON(e.Payload)
		return q.Matches(text.bytes)
	})}
}

// addLabels appends labels, set off from each other by what no query has, since
// their order is not fixed.
func (t *lowered) addLabels(r Resource) {
	for label, value := range r {
		t.bytes = appendLower(append(t.bytes, 0), label)
		t.add(value)
	}
	t.bytes = append(t.bytes, 0)
}

// addJSON appends a value as it was sent, but with its characters unescaped.
func (t *lowered) addJSON(v JSON) {
	if bytes.Contains(v, []byte(`\u`)) {
		if plain, err := jsontext.AppendFormat(nil, v, options); err == nil {
			v = plain
		}
	}
	t.bytes = appendLower(t.bytes, v)
}
