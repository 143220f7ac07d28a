package schema

import (
	"bytes"
	"fmt"
	"reflect"

	"prefectd/prefect"
)

// slice returns the decoder of a list; with the set check it drops what comes
// again.
func (c *compiler) slice(t reflect.Type, k check) decodeFunc {
	decode := c.compile(t.Elem(), k.item())
	name, wrongType, wrongText := "List", listType, listType
	switch {
	case k.set:
		name, wrongType, wrongText = "Set", setType, setType
	case t.Implements(reflect.TypeFor[sequence]()):
		wrongType, wrongText = sequenceInstance, sequenceText
	}
	return func(d *decoder, v reflect.Value) {
		start, problems := d.pos, len(d.problems)
		if kind := d.kind(); kind != '[' {
			d.skip()
			if kind == '"' {
				d.report(wrongText, start)
			} else {
				d.report(wrongType, start)
			}
			return
		}
		n := decodeItems(d, v, decode)
		if k.set && len(d.problems) == problems {
			n = dropDuplicates(v)
		}
		switch {
		case k.maxLen >= 0 && n > k.maxLen: // this is told alone
			d.problems = d.problems[:problems]
			d.report(tooLong(name, k.maxLen, n), start)
		case k.minLen >= 0 && n < k.minLen && len(d.problems) == problems:
			d.report(tooShort(name, k.minLen, n), start)
		}
	}
}

// decodeItems reads the items of a list into a slice.
func decodeItems(d *decoder, v reflect.Value, decode decodeFunc) (n int) {
	v.Set(reflect.MakeSlice(v.Type(), 0, 0)) // an empty list is not null
	for d.open(); d.more(); n++ {
		if n == v.Cap() {
			v.Grow(1)
		}
		v.SetLen(n + 1)
		item := v.Index(n)
		item.SetZero()
		d.enterItem(n)
		decode(d, item)
		d.leave()
	}
	return n
}

// tuple returns the decoder of a list of fixed length.
func (c *compiler) tuple(t reflect.Type, k check) decodeFunc {
	decode := c.compile(t.Elem(), k.item())
	return func(d *decoder, v reflect.Value) {
		start, problems := d.pos, len(d.problems)
		if d.kind() != '[' {
			d.skip()
			d.report(tupleType, start)
			return
		}
		n := 0
		for d.open(); d.more(); n++ {
			if n >= v.Len() {
				d.skip()
				continue
			}
			d.enterItem(n)
			decode(d, v.Index(n))
			d.leave()
		}
		if n > v.Len() { // this is told alone
			d.problems = d.problems[:problems]
			d.report(tooLong("Tuple", v.Len(), n), start)
		}
		for ; n < v.Len(); n++ {
			d.enterItem(n)
			d.report(missing, start)
			d.leave()
		}
	}
}

func dropDuplicates(v reflect.Value) (n int) {
	seen := make(map[any]bool, v.Len())
	for i := range v.Len() {
		item := v.Index(i)
		if key := item.Interface(); !seen[key] {
			seen[key] = true
			v.Index(n).Set(item)
			n++
		}
	}
	v.SetLen(n)
	return n
}

// mapping returns the decoder of an object with free keys.
func (c *compiler) mapping(t reflect.Type, k check) decodeFunc {
	if t.Key().Kind() != reflect.String {
		panic(fmt.Sprintf("schema: the keys of %s are no texts", t))
	}
	fill := c.entries(t, k)
	return func(d *decoder, v reflect.Value) {
		start, problems := d.pos, len(d.problems)
		if d.kind() != '{' {
			d.skip()
			d.report(dictType, start)
			return
		}
		fill(d, v)
		n := v.Len()
		switch {
		case len(d.problems) > problems:
		case k.maxLen >= 0 && n > k.maxLen:
			d.report(tooLong("Dictionary", k.maxLen, n), start)
		case k.minLen >= 0 && n < k.minLen:
			d.report(tooShort("Dictionary", k.minLen, n), start)
		}
	}
}

// entries returns what fills a map. Maps of texts are common enough to do
// without reflection.
func (c *compiler) entries(t reflect.Type, k check) decodeFunc {
	if t.Elem() == reflect.TypeFor[string]() && t.Key() == reflect.TypeFor[string]() && len(k.each) == 0 {
		return func(d *decoder, v reflect.Value) {
			m := make(map[string]string)
			v.Set(reflect.ValueOf(m).Convert(t))
			eachEntry(d, func(key string) {
				start := d.pos
				if raw := d.raw(); isString(raw) {
					m[key], _ = text(raw)
				} else {
					d.report(stringType, start)
				}
			})
		}
	}
	decode := c.compile(t.Elem(), k.item())
	return func(d *decoder, v reflect.Value) {
		v.Set(reflect.MakeMap(t))
		eachEntry(d, func(key string) {
			item := reflect.New(t.Elem()).Elem()
			decode(d, item)
			v.SetMapIndex(reflect.ValueOf(key).Convert(t.Key()), item)
		})
	}
}

// eachEntry reads an object; read gets each key and reads its value.
func eachEntry(d *decoder, read func(key string)) {
	again := repeats{first: len(d.problems)}
	for d.open(); d.more(); {
		raw := d.key()
		again.next(d, raw)
		key := string(raw)
		d.enter(key)
		read(key)
		d.leave()
	}
	again.forget(d)
}

// rawOf returns the decoder of a value that is kept as it was sent.
func rawOf(k check) decodeFunc {
	switch k.format {
	case "retry_delay":
		return decodeRetryDelay
	case "schedule":
		return decodeSchedule
	}
	return func(d *decoder, v reflect.Value) {
		start := d.pos
		raw := d.raw()
		if k.object && raw[0] != '{' {
			d.report(dictType, start)
			return
		}
		v.SetBytes(bytes.Clone(raw))
	}
}

// decodeLabels reads labels, whose values are simple and kept as they are.
func decodeLabels(d *decoder, v reflect.Value) {
	start := d.pos
	if d.kind() != '{' {
		d.skip()
		d.report(dictType, start)
		return
	}
	labels := prefect.Labels{}
	eachEntry(d, func(key string) {
		start := d.pos
		switch raw := d.raw(); raw[0] {
		case 'n', '{', '[':
			for _, alternative := range labelTypes {
				d.enter(alternative.name)
				d.report(alternative.fault, start)
				d.leave()
			}
		default:
			labels[key] = bytes.Clone(raw)
		}
	})
	*v.Addr().Interface().(*prefect.Labels) = labels
}

// labelTypes are the types that the value of a label can have.
var labelTypes = []struct {
	name  string
	fault *fault
}{{"bool", boolType}, {"int", intType}, {"float", floatType}, {"str", stringType}}
