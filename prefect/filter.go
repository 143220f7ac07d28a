package prefect

import "slices"

// Verdict is what a filter says of a row, of which perhaps only some columns are
// known.
type Verdict int8

// The verdicts, in their order: a conjunction is the least of its parts, a
// disjunction the greatest.
const (
	No Verdict = iota
	Maybe
	Yes
)

// Operator says how the members of a filter are combined. The zero Operator is And.
type Operator string

// The operators.
const (
	And Operator = "and_"
	Or  Operator = "or_"
)

// EnumValues lists the accepted texts.
func (Operator) EnumValues() []string { return []string{"and_", "or_"} }

// UnmarshalText reads the wire name.
func (o *Operator) UnmarshalText(text []byte) error { return choose(o, text) }

// Matcher is a filter made ready to look at many rows. It may be used by several
// goroutines.
type Matcher[T any] struct {
	root clause[T]
	plan Plan
}

// Match says whether a row passes the filter. have are the columns of the row that
// are filled in; a member of the filter that needs another one says Maybe.
func (m *Matcher[T]) Match(row *T, have Columns) Verdict { return m.root.match(row, have) }

// Plan tells what every row that passes has in common.
func (m *Matcher[T]) Plan() Plan { return m.plan }

// Always is Yes for a filter that every row passes, No for one that none does,
// else Maybe.
func (m *Matcher[T]) Always() Verdict { return m.root.fixed }

// Columns are those that the filter may need in order to decide.
func (m *Matcher[T]) Columns() Columns { return m.root.columns() }

// clause is a part of a compiled filter: a constant, a test of a row, or a
// combination of other clauses.
type clause[T any] struct {
	fixed Verdict       // a constant, unless Maybe
	needs Columns       // that the test looks at
	test  func(*T) bool // nil if the row cannot tell
	hint  func(p *Plan) // what the clause adds to a plan; may be nil
	parts []clause[T]   // of a combination
	or    bool          // the parts are alternatives
}

// where makes a clause that looks at some columns.
func where[T any](needs Columns, test func(*T) bool) clause[T] {
	return clause[T]{fixed: Maybe, needs: needs, test: test}
}

func constant[T any](v Verdict) clause[T] { return clause[T]{fixed: v} }

func (c *clause[T]) match(row *T, have Columns) Verdict {
	switch {
	case c.parts != nil:
		return c.combined(row, have)
	case c.fixed != Maybe:
		return c.fixed
	case c.test == nil || c.needs&^have != 0:
		return Maybe
	case c.test(row):
		return Yes
	}
	return No
}

func (c *clause[T]) combined(row *T, have Columns) Verdict {
	result, decisive := Yes, No
	if c.or {
		result, decisive = No, Yes
	}
	for i := range c.parts {
		switch v := c.parts[i].match(row, have); v {
		case decisive:
			return v
		case Maybe:
			result = Maybe
		}
	}
	return result
}

func (c *clause[T]) columns() Columns {
	needs := c.needs
	for i := range c.parts {
		needs |= c.parts[i].columns()
	}
	return needs
}

// explain adds what the clause implies to a plan. Of alternatives nothing follows.
func (c *clause[T]) explain(p *Plan) {
	switch {
	case c.fixed == No:
		p.Never = true
	case c.hint != nil:
		c.hint(p)
	case !c.or:
		for i := range c.parts {
			c.parts[i].explain(p)
		}
	}
}

// combine joins the members of a filter. A member is a list of clauses: empty when
// it was not sent. Without members a filter is true.
func combine[T any](op Operator, members ...[]clause[T]) clause[T] {
	neutral, decisive := Yes, No
	if op == Or {
		neutral, decisive = No, Yes
	}
	clauses := slices.Concat(members...)
	var parts []clause[T]
	for _, c := range clauses {
		switch c.fixed {
		case decisive:
			return constant[T](decisive)
		case Maybe:
			parts = append(parts, c)
		}
	}
	switch {
	case len(clauses) == 0:
		return constant[T](Yes)
	case len(parts) == 0:
		return constant[T](neutral)
	case len(parts) == 1:
		return parts[0]
	}
	return clause[T]{fixed: Maybe, parts: parts, or: op == Or}
}

// compile makes the Matcher of a whole filter.
func compile[T any](op Operator, members ...[]clause[T]) *Matcher[T] {
	m := &Matcher[T]{root: combine(op, members...)}
	m.root.explain(&m.plan)
	return m
}

// everything is the Matcher of a filter that was not sent.
func everything[T any]() *Matcher[T] { return compile[T](And) }
