package schema

import (
	"encoding"
	"fmt"
	"reflect"
	"sync"

	"prefectd/prefect"
)

// The interfaces through which a type takes part in its decoding.
type (
	// optional is a field of a partial update; Sent notes that it was sent and
	// returns the pointer to its value. See prefect.Opt.
	optional interface{ Sent() any }

	// checker is a type with a rule of its own, looked at when all else is well.
	checker interface{ Check() error }

	// defaulter is a type with values that depend on what was sent.
	defaulter interface{ SetDefaults() }

	// sequence is Sequence.
	sequence interface{ isSequence() }
)

// Sequence is a list that the reference declares as an abstract sequence: other
// values are refused with other words.
type Sequence[T any] []T

func (Sequence[T]) isSequence() {}

// programs caches what was compiled, by type.
var programs sync.Map

// program decodes one type as the body of a request.
type program struct {
	decode decodeFunc
	params *object // of a wrapper of parameters
	absent bool    // a missing body is no problem
}

// Compile prepares the decoder of T, so that a mistake in its declaration panics
// at start-up and not in a request.
func Compile[T any]() { programOf(reflect.TypeFor[T]()) }

func programOf(t reflect.Type) *program {
	if p, ok := programs.Load(t); ok {
		return p.(*program)
	}
	c := compiler{structs: map[reflect.Type]*object{}}
	p := &program{decode: c.compile(t, unchecked), absent: t.Kind() == reflect.Pointer}
	if o := c.structs[t]; o != nil && o.params {
		p.params = o
	}
	programs.Store(t, p)
	return p
}

// compiler makes the decodeFuncs of a type and of all below it.
type compiler struct {
	structs map[reflect.Type]*object // also ends the recursion of recursive types
}

// compile returns the decoder of a type where a check applies.
func (c *compiler) compile(t reflect.Type, k check) decodeFunc {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[optional]()) {
		return c.optional(t, k)
	}
	if t.Kind() == reflect.Pointer {
		if k.notNull {
			return c.pointer(t, k)
		}
		return orNull(c.pointer(t, k), k.falsy)
	}
	k.mustSuit(t)
	decode, nullable := c.special(t, k)
	if decode == nil {
		decode, nullable = c.ordinary(t, k), k.nullable
	}
	decode = withRules(t, decode, k.rules)
	switch {
	case nullable:
		return orNull(decode, k.falsy)
	case k.falsy:
		panic(fmt.Sprintf("schema: %s cannot be null", t))
	}
	return decode
}

// special returns the decoder of a type of the protocol, if t is one.
func (c *compiler) special(t reflect.Type, k check) (decode decodeFunc, nullable bool) {
	switch t {
	case reflect.TypeFor[prefect.ID]():
		return simple(parseID), k.optionalNull()
	case reflect.TypeFor[prefect.Time]():
		return simple(parseTime), k.optionalNull()
	case reflect.TypeFor[prefect.Duration]():
		return simple(parseDuration), k.nullable
	case reflect.TypeFor[prefect.JSON]():
		return rawOf(k), k.nullable || k.format == "" && !k.object
	case reflect.TypeFor[prefect.StringSet]():
		k.set = true
		return c.slice(t, k), k.optionalNull()
	case reflect.TypeFor[prefect.StringMap]():
		return c.mapping(t, k), k.optionalNull()
	case reflect.TypeFor[prefect.Labels]():
		return decodeLabels, k.nullable
	case reflect.TypeFor[prefect.TaskInput]():
		return decodeTaskInput, k.nullable
	}
	p := reflect.PointerTo(t)
	if t.Implements(reflect.TypeFor[prefect.Enum]()) && p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return enum(t, k), k.nullable
	}
	return nil, false
}

// ordinary returns the decoder of a type by its kind.
func (c *compiler) ordinary(t reflect.Type, k check) decodeFunc {
	if decode := scalarOf(t, k); decode != nil {
		return decode
	}
	switch t.Kind() {
	case reflect.Struct:
		o := c.object(t)
		return func(d *decoder, v reflect.Value) { o.decode(d, v) }
	case reflect.Slice:
		return c.slice(t, k)
	case reflect.Array:
		return c.tuple(t, k)
	case reflect.Map:
		return c.mapping(t, k)
	}
	panic(fmt.Sprintf("schema: unsupported type %s", t))
}

// simple makes a decodeFunc for a type that one function reads.
func simple[T any](convert func(raw []byte) (T, *fault)) decodeFunc {
	return scalar(convert, func(v reflect.Value, value T) { *v.Addr().Interface().(*T) = value })
}

func (c *compiler) pointer(t reflect.Type, k check) decodeFunc {
	k.nullable, k.falsy = false, false
	k.required = true // below the pointer there is no other null
	decode := c.compile(t.Elem(), k)
	return func(d *decoder, v reflect.Value) {
		v.Set(reflect.New(t.Elem()))
		decode(d, v.Elem())
	}
}

func (c *compiler) optional(t reflect.Type, k check) decodeFunc {
	value := reflect.TypeOf(reflect.New(t).Interface().(optional).Sent()).Elem()
	decode := c.compile(value, k)
	return func(d *decoder, v reflect.Value) {
		decode(d, reflect.ValueOf(v.Addr().Interface().(optional).Sent()).Elem())
	}
}

// orNull makes null, or with falsy any empty value, the zero value.
func orNull(decode decodeFunc, falsy bool) decodeFunc {
	return func(d *decoder, v reflect.Value) {
		if d.kind() == 'n' || falsy && d.isFalsy() {
			d.skip()
			v.SetZero()
			return
		}
		decode(d, v)
	}
}

// isFalsy reports whether the value at the position is null, false, zero or
// empty; it does not read it.
func (d *decoder) isFalsy() (falsy bool) {
	d.reread(d.text, d.pos, func() {
		switch raw := d.raw(); raw[0] {
		case 'n', 'f':
			falsy = true
		case '{', '[':
			d.pos -= len(raw)
			d.open()
			falsy = !d.more()
		case '"':
			falsy = len(raw) == 2
		case 't':
		default:
			f, fault := parseFloat(raw)
			falsy = fault == nil && f == 0
		}
	})
	return falsy
}

// withRules adds the rules of a field and the one of its type.
func withRules(t reflect.Type, decode decodeFunc, rules []rule) decodeFunc {
	checks := reflect.PointerTo(t).Implements(reflect.TypeFor[checker]())
	if len(rules) == 0 && (!checks || t.Kind() == reflect.Struct) { // an object checks itself
		return decode
	}
	return func(d *decoder, v reflect.Value) {
		start, problems := d.pos, len(d.problems)
		decode(d, v)
		if len(d.problems) > problems {
			return
		}
		if checks && t.Kind() != reflect.Struct {
			if err := v.Addr().Interface().(checker).Check(); err != nil {
				d.report(valueError(err.Error()), start)
				return
			}
		}
		for _, rule := range rules {
			if f := rule.check(v); f != nil {
				d.report(f, start)
				return
			}
		}
	}
}
