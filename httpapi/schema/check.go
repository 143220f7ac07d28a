package schema

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"prefectd/prefect"
)

// check is what the check tag of a field asks for; see the package comment.
type check struct {
	inField bool // a field, not an item of a list or map

	required, nullable, notNull, falsy bool
	object, set, literal, bytes        bool
	name                               bool
	fallback                           string
	preset                             string // the default
	hasPreset                          bool
	minLen, maxLen                     int // -1 without
	oneOf                              []string
	bounds                             bounds
	format                             string
	rules, each                        []rule
}

var unchecked = check{minLen: -1, maxLen: -1}

// item is the check of the items of a list or map with this check.
func (c check) item() check {
	item := unchecked
	item.rules = c.each
	item.literal, item.oneOf = c.literal, c.oneOf
	return item
}

// optionalNull reports whether null is allowed where the Go type has a null of
// its own.
func (c check) optionalNull() bool {
	return c.nullable || c.inField && !c.required && !c.hasPreset && !c.notNull
}

// parseCheck reads a tag; a word that it does not know panics, since only a
// programmer can have written it.
func parseCheck(where, tag string) check {
	c := unchecked
	c.inField = true
	for word := range strings.SplitSeq(tag, ",") {
		key, value, hasValue := strings.Cut(word, "=")
		if set := c.flag(key); set != nil && !hasValue {
			*set = true
			continue
		}
		if !c.option(key, value, hasValue) {
			panic(fmt.Sprintf("schema: %s: unknown check %q", where, word))
		}
	}
	return c
}

// flag finds a check that is on or off.
func (c *check) flag(name string) *bool {
	switch name {
	case "required":
		return &c.required
	case "nullable":
		return &c.nullable
	case "notnull":
		return &c.notNull
	case "falsy":
		return &c.falsy
	case "object":
		return &c.object
	case "set":
		return &c.set
	case "literal":
		return &c.literal
	case "bytes":
		return &c.bytes
	}
	return nil
}

// option reads a check with a value, or a named rule.
func (c *check) option(key, value string, hasValue bool) (ok bool) {
	switch key {
	case "":
		return !hasValue
	case "ge":
		return parseTo(&c.bounds.ge, value)
	case "gt":
		return parseTo(&c.bounds.gt, value)
	case "le":
		return parseTo(&c.bounds.le, value)
	case "lt":
		return parseTo(&c.bounds.lt, value)
	case "minlen":
		c.minLen, ok = parseLength(value)
		return ok
	case "maxlen":
		c.maxLen, ok = parseLength(value)
		return ok
	case "oneof":
		c.oneOf = strings.Split(value, "|")
		return hasValue
	case "default":
		c.preset, c.hasPreset = value, true
		return hasValue
	case "fallback":
		c.fallback = value
		return value != ""
	case "each":
		r, known := rules[value]
		c.each = append(c.each, r)
		return known
	case "int16":
		return !hasValue && parseTo(&c.bounds.ge, "-32768") && parseTo(&c.bounds.le, "32767")
	case "retry_delay", "schedule":
		c.format = key
		return !hasValue
	}
	r, known := rules[key]
	c.rules = append(c.rules, r)
	c.name = c.name || key == "name"
	return known && !hasValue
}

func parseTo(dst **float64, value string) (ok bool) {
	x, err := strconv.ParseFloat(value, 64)
	*dst = &x
	return err == nil
}

func parseLength(value string) (n int, ok bool) {
	n, err := strconv.Atoi(value)
	return n, err == nil && n >= 0
}

// mustSuit panics if the check asks for what a type does not have.
func (c check) mustSuit(t reflect.Type) {
	kind, isJSON := t.Kind(), t == reflect.TypeFor[prefect.JSON]()
	isList := (kind == reflect.Slice || kind == reflect.Map) && !isJSON
	isNumber := reflect.Int <= kind && kind <= reflect.Float64
	for _, rule := range c.rules {
		if rule.kind != kind {
			panic(fmt.Sprintf("schema: a rule for a %s is no rule for %s", rule.kind, t))
		}
	}
	switch {
	case c.bounds != bounds{} && !isNumber,
		(c.minLen >= 0 || c.maxLen >= 0) && !isList && kind != reflect.String,
		c.oneOf != nil && !isList && kind != reflect.String,
		c.literal && !isList && !t.Implements(reflect.TypeFor[prefect.Enum]()),
		c.bytes && kind != reflect.String,
		(c.object || c.format != "") && !isJSON,
		c.set && (kind != reflect.Slice || !t.Elem().Comparable()),
		c.each != nil && !isList:
		panic(fmt.Sprintf("schema: the checks of a field do not suit its type %s", t))
	}
}

// flags are what the blank field of a struct says about the struct.
type flags struct{ closed, params, union, nullable bool }

func parseFlags(t reflect.Type) (f flags) {
	tag := ""
	for i := range t.NumField() {
		if sf := t.Field(i); sf.Name == "_" {
			tag = sf.Tag.Get("check")
		}
	}
	for word := range strings.SplitSeq(tag, ",") {
		switch word {
		case "closed":
			f.closed = true
		case "params":
			f.params = true
		case "union":
			f.union = true
		case "nullable":
			f.nullable = true
		case "":
		default:
			panic(fmt.Sprintf("schema: %s: unknown check %q", t, word))
		}
	}
	return f
}
