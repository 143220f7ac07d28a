package schema

import "reflect"

// Decode reads the body of a request into dst, a pointer to a value that the
// package comment describes, and returns all problems with it, in the order in
// which the reference tells them. loc is where they are, such as {"body"}. body
// may be empty, and nothing of dst refers to it afterwards. After a problem dst
// holds nothing of use.
func Decode(body []byte, loc []any, dst any) []Problem {
	v := reflect.ValueOf(dst).Elem()
	p := programOf(v.Type())
	d := &decoder{base: loc}
	if d.text = trimBOM(body); len(body) > 0 {
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

// DecodeQuery reads the query of a request into dst, a pointer to a struct whose
// fields are the parameters. get returns the text of a parameter, if it is there.
func DecodeQuery(get func(name string) (value string, ok bool), dst any) []Problem {
	v := reflect.ValueOf(dst).Elem()
	c := programOf(v.Type())
	d := &decoder{base: []any{"query"}}
	var seen uint64
	for i, f := range c.params.fields {
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
	c.params.reportMissing(d, seen, nil)
	c.params.finish(d, v, seen, 0)
	return d.problems
}
