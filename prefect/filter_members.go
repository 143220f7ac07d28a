package prefect

import "slices"

// The members that filters have in common. A nil list was not sent; an empty one
// matches nothing, or with not_any_ and all_ everything.
type (
	// FilterID is a filter of an id.
	FilterID struct {
		_   struct{} `check:"closed,nullable"`
		Any []ID     `json:"any_,omitzero"`
	}
	// FilterIDNot is a filter of an id that can also exclude some.
	FilterIDNot struct {
		_      struct{} `check:"closed,nullable"`
		Any    []ID     `json:"any_,omitzero"`
		NotAny []ID     `json:"not_any_,omitzero"`
	}
	// FilterIDOrNull is a filter of a reference that need not be there.
	FilterIDOrNull struct {
		_        struct{} `check:"closed,nullable"`
		Operator Operator `json:"operator,omitzero" check:"default=and_"`
		Any      []ID     `json:"any_,omitzero"`
		IsNull   *bool    `json:"is_null_,omitzero"`
	}
	// FilterText is a filter of a text.
	FilterText struct {
		_   struct{} `check:"closed,nullable"`
		Any []string `json:"any_,omitzero"`
	}
	// FilterTextNot is a filter of a text that can also exclude some.
	FilterTextNot struct {
		_      struct{} `check:"closed,nullable"`
		Any    []string `json:"any_,omitzero"`
		NotAny []string `json:"not_any_,omitzero"`
	}
	// FilterTextOrNull is a filter of a text that need not be there.
	FilterTextOrNull struct {
		_        struct{} `check:"closed,nullable"`
		Operator Operator `json:"operator,omitzero" check:"default=and_"`
		Any      []string `json:"any_,omitzero"`
		IsNull   *bool    `json:"is_null_,omitzero"`
	}
	// FilterName is a filter of a name. Like is a part of it, in either case, where
	// % and _ are wildcards.
	FilterName struct {
		_    struct{} `check:"closed,nullable"`
		Any  []string `json:"any_,omitzero"`
		Like string   `json:"like_,omitzero"`
	}
	// FilterTags is a filter of tags.
	FilterTags struct {
		_        struct{} `check:"closed,nullable"`
		Operator Operator `json:"operator,omitzero" check:"default=and_"`
		All      []string `json:"all_,omitzero"`
		IsNull   *bool    `json:"is_null_,omitzero"`
	}
	// FilterTagsAny is a filter of tags that can also ask for any of several.
	FilterTagsAny struct {
		_        struct{} `check:"closed,nullable"`
		Operator Operator `json:"operator,omitzero" check:"default=and_"`
		All      []string `json:"all_,omitzero"`
		Any      []string `json:"any_,omitzero"`
		IsNull   *bool    `json:"is_null_,omitzero"`
	}
	// FilterTime is a filter of a time; both ends belong to it.
	FilterTime struct {
		_      struct{} `check:"closed"`
		Before Time     `json:"before_,omitzero"`
		After  Time     `json:"after_,omitzero"`
	}
	// FilterTimeOrNull is a filter of a time that need not be there.
	FilterTimeOrNull struct {
		_      struct{} `check:"closed"`
		Before Time     `json:"before_,omitzero"`
		After  Time     `json:"after_,omitzero"`
		IsNull *bool    `json:"is_null_,omitzero"`
	}
)

// anyOf makes the clause of any_: the value is one of a list. get returns the
// value of a row, or false for null. hint, which may be nil, is the list of a plan
// that the values limit.
func anyOf[T any, V comparable](values []V, needs Columns, get func(*T) (V, bool), hint func(*Plan) *[]V) []clause[T] {
	switch {
	case values == nil:
		return nil
	case len(values) == 0:
		return []clause[T]{constant[T](No)}
	}
	in := setOf(values)
	c := where(needs, func(row *T) bool {
		v, ok := get(row)
		return ok && in(v)
	})
	if hint != nil {
		c.hint = func(p *Plan) { meet(p, hint(p), distinct(values)) }
	}
	return []clause[T]{c}
}

// noneOf makes the clause of not_any_; null does not pass it.
func noneOf[T any, V comparable](values []V, needs Columns, get func(*T) (V, bool)) []clause[T] {
	if len(values) == 0 {
		return nil
	}
	in := setOf(values)
	return []clause[T]{where(needs, func(row *T) bool {
		v, ok := get(row)
		return ok && !in(v)
	})}
}

// nullness makes the clause of is_null_.
func nullness[T any](want *bool, needs Columns, isNull func(*T) bool) []clause[T] {
	switch {
	case want == nil:
		return nil
	case *want:
		return []clause[T]{where(needs, isNull)}
	}
	return []clause[T]{where(needs, func(row *T) bool { return !isNull(row) })}
}

// named makes the member of a filter that looks at a name.
func named[T any](f *FilterName, needs Columns, get func(*T) *string) []clause[T] {
	if f == nil {
		return nil
	}
	any := anyOf(f.Any, needs, func(row *T) (string, bool) { return *get(row), true }, func(p *Plan) *[]string { return &p.Names })
	if f.Like == "" {
		return member(And, any)
	}
	like := Like("%" + f.Like + "%")
	return member(And, any, []clause[T]{where(needs, func(row *T) bool { return like(*get(row)) })})
}

// tagged makes the member of a filter that looks at tags.
func tagged[T any](f *FilterTagsAny, needs Columns, get func(*T) []string) []clause[T] {
	if f == nil {
		return nil
	}
	return member(f.Operator,
		allTags(f.All, needs, get),
		anyTag(f.Any, needs, get),
		nullness(f.IsNull, needs, func(row *T) bool { return len(get(row)) == 0 }))
}

func allTags[T any](tags []string, needs Columns, get func(*T) []string) []clause[T] {
	if len(tags) == 0 {
		return nil
	}
	c := where(needs, func(row *T) bool {
		has := get(row)
		for _, tag := range tags {
			if !slices.Contains(has, tag) {
				return false
			}
		}
		return true
	})
	c.hint = func(p *Plan) { p.AllTags = distinct(slices.Concat(p.AllTags, tags)) }
	return []clause[T]{c}
}

func anyTag[T any](tags []string, needs Columns, get func(*T) []string) []clause[T] {
	switch {
	case tags == nil:
		return nil
	case len(tags) == 0:
		return []clause[T]{constant[T](No)}
	}
	in := setOf(tags)
	c := where(needs, func(row *T) bool { return slices.ContainsFunc(get(row), in) })
	c.hint = func(p *Plan) { p.AnyTags = distinct(tags) }
	return []clause[T]{c}
}

// spanned makes the clause of before_ and after_; null does not pass it. hint,
// which may be nil, is the span of a plan that they limit.
func spanned[T any](span Span, needs Columns, get func(*T) Time, hint func(*Plan) *Span) []clause[T] {
	if !span.IsBounded() {
		return nil
	}
	from, to := span.limits()
	c := where(needs, func(row *T) bool {
		t := get(row)
		return t != 0 && from <= t && t <= to
	})
	if hint != nil {
		c.hint = func(p *Plan) { p.narrow(hint(p), span) }
	}
	return []clause[T]{c}
}

// idOrNull makes the member of a filter that looks at a reference.
func idOrNull[T any](f *FilterIDOrNull, needs Columns, get func(*T) ID, hint func(*Plan) *[]ID) []clause[T] {
	if f == nil {
		return nil
	}
	return member(f.Operator,
		anyOf(f.Any, needs, func(row *T) (ID, bool) { return idOf(get(row)) }, hint),
		nullness(f.IsNull, needs, func(row *T) bool { return get(row) == NoID }))
}

// timed makes the member of a filter that looks at a time.
func timed[T any](f *FilterTime, needs Columns, get func(*T) Time, hint func(*Plan) *Span) []clause[T] {
	if f == nil {
		return nil
	}
	return member(And, spanned(Span{f.After, f.Before}, needs, get, hint))
}

// timedOrNull makes the member of a filter that looks at a time and asks whether
// it is there.
func timedOrNull[T any](f *FilterTimeOrNull, needs Columns, get func(*T) Time, hint func(*Plan) *Span) []clause[T] {
	if f == nil {
		return nil
	}
	return member(And,
		spanned(Span{f.After, f.Before}, needs, get, hint),
		nullness(f.IsNull, needs, func(row *T) bool { return get(row) == 0 }))
}

// member makes one member of a filter from its own members; when it is there, it
// counts even if it is empty.
func member[T any](op Operator, members ...[]clause[T]) []clause[T] {
	return []clause[T]{combine(op, members...)}
}

// both is the conjunction of two clauses, or nothing if there are none: a member
// of the filter of a state does not count when it is empty.
func both[T any](a, b []clause[T]) []clause[T] {
	if len(a)+len(b) == 0 {
		return nil
	}
	return member(And, a, b)
}

// typed makes the member of the filter of a state that looks at its type.
func typed[T any](any, notAny []StateType, needs Columns, get func(*T) StateType) []clause[T] {
	if any == nil && len(notAny) == 0 {
		return nil
	}
	types := every
	if any != nil {
		types = StateTypeSetOf(any...)
	}
	types &^= StateTypeSetOf(notAny...)
	if types == 0 {
		return []clause[T]{constant[T](No)}
	}
	c := where(needs, func(row *T) bool { return types.Has(get(row)) })
	c.hint = func(p *Plan) { p.limit(types) }
	return []clause[T]{c}
}

// setOf makes the test of a set, which suits its size.
func setOf[V comparable](values []V) func(V) bool {
	switch {
	case len(values) == 1:
		only := values[0]
		return func(v V) bool { return v == only }
	case len(values) <= 8:
		return func(v V) bool { return slices.Contains(values, v) }
	}
	set := make(map[V]struct{}, len(values))
	for _, v := range values {
		set[v] = struct{}{}
	}
	return func(v V) bool {
		_, ok := set[v]
		return ok
	}
}

// distinct drops what comes again.
func distinct[V comparable](values []V) []V {
	seen := make(map[V]struct{}, len(values))
	kept := make([]V, 0, len(values))
	for _, v := range values {
		if _, again := seen[v]; !again {
			seen[v] = struct{}{}
			kept = append(kept, v)
		}
	}
	return kept
}

// textOf reads a text that need not be there.
func textOf(s *string) (string, bool) {
	if s == nil {
		return "", false
	}
	return *s, true
}

// idOf reads a reference that need not be there.
func idOf(id ID) (ID, bool) { return id, id != NoID }
