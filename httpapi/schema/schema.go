package schema

import (
	"fmt"
	"reflect"
)

// Decode reads the body of a request into dst, a pointer to a value that the
// package comment describes, and returns all problems with it, in the order in
// which the reference tells them. loc is where they are, such as {"body"}. body
// may be empty, and nothing of dst refers to it afterwards. After a problem dst
// holds nothing of use.
func Decode(body []byte, loc []any, dst any) (problems []Problem) {
	v := reflect.ValueOf(dst).Elem()
	p := programOf(v.Type())
	d := &decoder{base: loc, text: trimBOM(body)}
	defer d.stop(&problems)
	if len(body) > 0 {
		if bad := checkSyntax(d.text); bad != nil {
			bad.Loc = append(append([]any{}, loc...), bad.Loc...)
			return []Problem{*bad}
		}
		d.space()
	}
	switch {
	case p.params != nil:
		p.params.decodeParams(d, v)
	case len(d.text) > 0 && d.kind() != 'n':
		p.decode(d, v)
	case p.absent:
		v.SetZero()
	default:
		d.reportInput(missing, []byte("null"))
	}
	return d.problems
}

// stop ends a decoding that found too many problems.
func (d *decoder) stop(problems *[]Problem) {
	switch r := recover(); r {
	case nil:
	case tooMany{}:
		*problems = d.problems
	default:
		panic(r)
	}
}

// DecodeQuery reads the query of a request into dst, a pointer to a struct of
// parameters. get returns the text of a parameter, if it is there.
func DecodeQuery(get func(name string) (value string, ok bool), dst any) []Problem {
	v := reflect.ValueOf(dst).Elem()
	o := programOf(v.Type()).params
	if o == nil {
		panic(fmt.Sprintf("schema: %s is no struct of parameters", v.Type()))
	}
	d := &decoder{base: []any{"query"}}
	var seen uint64
	for i, f := range o.fields {
		value, ok := get(f.name)
		if !ok {
			continue
		}
		seen |= 1 << i
		d.enter(f.name)
		d.text, d.pos = []byte(quote(value)), 0
		f.decode(d, v.FieldByIndex(f.index))
		d.leave()
	}
	o.reportMissing(d, seen, nil)
	o.finish(d, v, seen, 0)
	return d.problems
}
