package schema

import (
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strings"

	"prefectd/prefect"
)

// object decodes a struct from a JSON object.
type object struct {
	flags
	fields []field
	byName map[string]int

	// Sets of fields by their number: those that must be there, that have to be
	// filled in when they are not, and that fall back on another one.
	required, filled, fallbacks uint64

	defaults, checks, prechecks bool // the struct has the hook
}

type field struct {
	name     string
	index    []int
	decode   decodeFunc
	fill     func(d *decoder, v reflect.Value) // when absent; may be nil
	fallback int                               // the field that is read instead of an empty value
}

func (c *compiler) object(t reflect.Type) *object {
	if o := c.structs[t]; o != nil {
		return o
	}
	p := reflect.PointerTo(t)
	o := &object{
		flags:     parseFlags(t),
		byName:    map[string]int{},
		defaults:  p.Implements(reflect.TypeFor[defaulter]()),
		checks:    p.Implements(reflect.TypeFor[checker]()),
		prechecks: p.Implements(reflect.TypeFor[prechecker]()),
	}
	c.structs[t] = o
	c.fields(o, t, nil)
	if len(o.fields) > 64 {
		panic(fmt.Sprintf("schema: %s has more than 64 fields", t))
	}
	return o
}

// fields adds the fields of a struct, with those of the structs embedded in it.
func (c *compiler) fields(o *object, t reflect.Type, prefix []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(slices.Clone(prefix), i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		switch {
		case sf.Anonymous && name == "" && sf.Type.Kind() == reflect.Struct:
			c.fields(o, sf.Type, index)
		case name == "-" || sf.Name == "_" || sf.Tag.Get("check") == "-":
		case name == "" || !sf.IsExported():
			panic(fmt.Sprintf("schema: field %s of %s has no name in JSON", sf.Name, t))
		default:
			c.field(o, sf, name, index)
		}
	}
}

func (c *compiler) field(o *object, sf reflect.StructField, name string, index []int) {
	k := parseCheck(sf.Name, sf.Tag.Get("check"))
	if o.nullable && !k.required && !k.hasPreset && !k.notNull {
		k.nullable = true
	}
	k.notNull = k.notNull || o.union && !k.nullable
	if _, taken := o.byName[name]; taken {
		panic(fmt.Sprintf("schema: two fields are named %q", name))
	}
	f := field{name: name, index: index, decode: c.compile(sf.Type, k)}
	bit := uint64(1) << len(o.fields)
	if k.required {
		o.required |= bit
	} else if f.fill = c.filler(sf, k, f.decode); f.fill != nil {
		o.filled |= bit
	}
	if k.fallback != "" {
		other, ok := o.byName[k.fallback]
		if !ok {
			panic(fmt.Sprintf("schema: field %s falls back on %q, which does not come before it", sf.Name, k.fallback))
		}
		f.fallback = other
		o.fallbacks |= bit
	}
	o.byName[name] = len(o.fields)
	o.fields = append(o.fields, f)
}

// filler returns what fills in a field that was not sent: its default, or those
// of the struct that it is.
func (c *compiler) filler(sf reflect.StructField, k check, decode decodeFunc) func(*decoder, reflect.Value) {
	if !k.hasPreset {
		if o := c.structs[sf.Type]; o != nil && (o.filled != 0 || o.defaults) {
			return o.fill
		}
		return nil
	}
	preset := []byte(k.preset)
	if checkSyntax(preset) != nil {
		preset = []byte(quote(k.preset))
	}
	fill := func(d *decoder, v reflect.Value) {
		d.reread(preset, 0, func() { decode(d, v) })
	}
	var trial decoder
	fill(&trial, reflect.New(sf.Type).Elem())
	if trial.problems != nil {
		panic(fmt.Sprintf("schema: the default of %s is wrong: %s", sf.Name, trial.problems[0].Msg))
	}
	return fill
}

// fill gives a struct that was not sent its defaults.
func (o *object) fill(d *decoder, v reflect.Value) {
	o.fillIn(d, v, o.filled)
}

func (o *object) fillIn(d *decoder, v reflect.Value, absent uint64) {
	for set := absent & o.filled; set != 0; set &= set - 1 {
		f := &o.fields[bits.TrailingZeros64(set)]
		f.fill(d, v.FieldByIndex(f.index))
	}
	if o.defaults {
		v.Addr().Interface().(defaulter).SetDefaults()
	}
}

// decode reads an object. Problems are told in the order of the fields, then
// come the keys that no field has.
func (o *object) decode(d *decoder, v reflect.Value) {
	start, problems := d.pos, len(d.problems)
	switch {
	case o.union:
		o.decodeUnion(d, v)
		return
	case d.kind() != '{':
		d.skip()
		d.report(modelType, start)
		return
	}
	if o.prechecks && !o.precheck(d, v) {
		return
	}
	seen := o.decodeMembers(d, v)
	o.reportMissing(d, seen, d.text[start:d.pos])
	o.finish(d, v, seen, problems)
	if o.checks && len(d.problems) == problems {
		if err := v.Addr().Interface().(checker).Check(); err != nil {
			d.reportCheck(err, start)
		}
	}
}

// prechecker is a type that has a rule about what was sent, which is looked at first: an
// object that breaks it has no other problem.
type prechecker interface {
	Precheck(sent map[string]prefect.JSON) error
}

func (o *object) precheck(d *decoder, v reflect.Value) bool {
	start := d.pos
	d.skip()
	var sent map[string]prefect.JSON
	if prefect.Unmarshal(d.text[start:d.pos], &sent) == nil {
		if err := v.Addr().Interface().(prechecker).Precheck(sent); err != nil {
			d.report(valueError(err.Error()), start)
			return false
		}
	}
	d.pos = start
	return true
}

// located is what Check may answer when it is one field that is wrong.
type located interface {
	error
	In() string // the field's name, or nothing
}

// reportCheck reports what is wrong with the object that begins at start.
func (d *decoder) reportCheck(err error, start int) {
	var at located
	if !errors.As(err, &at) || at.In() == "" {
		d.report(valueError(err.Error()), start)
		return
	}
	var sent map[string]prefect.JSON
	if prefect.Unmarshal(d.text[start:d.pos], &sent) != nil || sent[at.In()] == nil {
		sent = map[string]prefect.JSON{at.In(): prefect.JSON("null")} // it was not sent
	}
	d.reportAt(at.In(), valueError(err.Error()), sent[at.In()])
}

// decodeMembers reads what was sent and returns the set of fields that were.
func (o *object) decodeMembers(d *decoder, v reflect.Value) (seen uint64) {
	problems := len(d.problems)
	again := repeats{first: problems}
	var places []int // where the fields are, if one falls back on another
	if o.fallbacks != 0 {
		places = make([]int, len(o.fields))
	}
	for d.open(); d.more(); {
		key := d.key()
		again.next(d, key)
		i, known := o.find(key, seen)
		switch {
		case !known && o.closed:
			d.reportExtra(string(key))
			continue
		case !known:
			d.skip()
			continue
		}
		f, bit := &o.fields[i], uint64(1)<<i
		if seen&bit != 0 { // the key came before, and this value replaces that
			v.FieldByIndex(f.index).SetZero()
			seen &^= bit
		}
		if o.params && d.kind() == 'n' {
			d.skip()
			continue
		}
		seen |= bit
		if places != nil {
			places[i] = d.pos
		}
		d.enter(f.name)
		f.decode(d, v.FieldByIndex(f.index))
		d.leave()
	}
	again.forget(d)
	if o.fallbacks != 0 {
		seen |= o.fallBack(d, v, seen, places, problems)
	}
	return seen
}

// find returns the field of a key. Most clients send the fields in order.
func (o *object) find(key []byte, seen uint64) (i int, known bool) {
	if i = bits.Len64(seen); i < len(o.fields) && o.fields[i].name == string(key) {
		return i, true
	}
	i, known = o.byName[string(key)]
	return i, known
}

func (d *decoder) reportExtra(key string) {
	d.enter(key)
	start := d.pos
	d.skip()
	d.report(extraForbidden, start)
	d.leave()
}

// fallBack reads the deprecated field instead of one that is absent or empty.
func (o *object) fallBack(d *decoder, v reflect.Value, seen uint64, places []int, problems int) (filled uint64) {
	for set := o.fallbacks; set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		f := &o.fields[i]
		if seen&(1<<f.fallback) == 0 {
			continue
		}
		d.reread(d.text, places[i], func() {
			if seen&(1<<i) != 0 && !d.isFalsy() {
				return
			}
			if d.pos = places[f.fallback]; d.isZero() {
				return
			}
			d.forget(problems, f.name)
			filled |= 1 << i
			d.enter(f.name)
			f.decode(d, v.FieldByIndex(f.index))
			d.leave()
		})
	}
	return filled
}

// isZero reports whether the value at the position equals 0 in Python.
func (d *decoder) isZero() bool {
	return (d.kind() == 'f' || isNumber(d.text[d.pos:])) && d.isFalsy()
}

func (o *object) reportMissing(d *decoder, seen uint64, input []byte) {
	if o.params {
		input = []byte("null")
	}
	for set := o.required &^ seen; set != 0; set &= set - 1 {
		d.enter(o.fields[bits.TrailingZeros64(set)].name)
		d.reportInput(missing, input)
		d.leave()
	}
}

// finish puts the problems after the first n in order, or fills in what was not
// sent if there are none.
func (o *object) finish(d *decoder, v reflect.Value, seen uint64, n int) {
	if len(d.problems) == n {
		o.fillIn(d, v, ^seen)
		return
	}
	depth := d.depth()
	rank := func(p Problem) int {
		if i, ok := o.byName[p.Loc[depth].(string)]; ok {
			return i
		}
		return len(o.fields)
	}
	slices.SortStableFunc(d.problems[n:], func(a, b Problem) int { return rank(a) - rank(b) })
}

// decodeUnion sets the first field that can take the value; the names of the
// fields are those of the alternatives in a Loc.
func (o *object) decodeUnion(d *decoder, v reflect.Value) {
	start, problems := d.pos, len(d.problems)
	for _, f := range o.fields {
		before := len(d.problems)
		d.pos = start
		d.enter(f.name)
		f.decode(d, v.FieldByIndex(f.index))
		d.leave()
		if len(d.problems) == before {
			d.problems = d.problems[:problems]
			return
		}
		v.FieldByIndex(f.index).SetZero()
	}
}

// decodeParams reads the body of a request with several parameters; there may be
// none. What is no object lacks every parameter, even those with a default.
func (o *object) decodeParams(d *decoder, v reflect.Value) {
	switch {
	case len(d.text) == 0 || d.kind() == 'n':
		o.reportMissing(d, 0, nil)
		o.finish(d, v, 0, 0)
	case d.kind() != '{':
		for _, f := range o.fields {
			d.enter(f.name)
			d.reportInput(missing, []byte("null"))
			d.leave()
		}
	default:
		o.decode(d, v)
	}
}
