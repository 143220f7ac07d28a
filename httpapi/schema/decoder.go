package schema

import (
	"bytes"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"prefectd/prefect"
)

// decoder walks over a text that is known to be well-formed and gathers the
// problems. Each decodeFunc reads exactly one value, right or wrong.
type decoder struct {
	text []byte
	pos  int

	base     []any
	path     []step
	problems []Problem
}

// maxProblems are enough for a person to read and for a server to remember; what
// is left of the request is not looked at.
const maxProblems = 1000

// tooMany unwinds the decoding of a request with more problems than that.
type tooMany struct{}

// decodeFunc reads the value at the position of d into v.
type decodeFunc func(d *decoder, v reflect.Value)

// step is a part of a Loc below its base: a key, or a position in a list.
type step struct {
	key   string
	index int // -1 for a key
}

func (d *decoder) enter(key string) { d.path = append(d.path, step{key, -1}) }
func (d *decoder) enterItem(i int)  { d.path = append(d.path, step{index: i}) }
func (d *decoder) leave()           { d.path = d.path[:len(d.path)-1] }

// depth is the position that the next step has in a Loc.
func (d *decoder) depth() int { return len(d.base) + len(d.path) }

// report notes that the value that began at start, and has been read, is wrong.
func (d *decoder) report(f *fault, start int) { d.reportInput(f, d.text[start:d.pos]) }

func (d *decoder) reportInput(f *fault, input []byte) {
	if len(d.problems) == maxProblems {
		panic(tooMany{})
	}
	loc := make([]any, 0, d.depth())
	loc = append(loc, d.base...)
	for _, s := range d.path {
		if s.index < 0 {
			loc = append(loc, s.key)
		} else {
			loc = append(loc, s.index)
		}
	}
	d.problems = append(d.problems, Problem{Type: f.kind, Loc: loc, Msg: f.msg, Input: prefect.JSON(bytes.Clone(input)), Ctx: f.ctx})
}

// repeats finds the problems of values that a later one of the same key replaces.
type repeats struct {
	first int            // problems before the object
	start map[string]int // problems before the last value of a key, if not first
}

// next notes that a value of a key comes next.
func (r *repeats) next(d *decoder, key []byte) {
	if len(d.problems) == r.first {
		return
	}
	if r.start == nil {
		r.start = map[string]int{}
	}
	r.start[string(key)] = len(d.problems)
}

// forget drops the problems of values that were replaced.
func (r *repeats) forget(d *decoder) {
	if r.start == nil {
		return
	}
	depth, kept := d.depth(), d.problems[:r.first]
	for i, p := range d.problems[r.first:] {
		if r.first+i >= r.start[p.Loc[depth].(string)] {
			kept = append(kept, p)
		}
	}
	d.problems = kept
}

// forget drops the problems after the first n that lie below a key.
func (d *decoder) forget(n int, key string) {
	depth := d.depth()
	kept := slices.DeleteFunc(d.problems[n:], func(p Problem) bool { return p.Loc[depth] == key })
	d.problems = d.problems[:n+len(kept)]
}

// reread runs read over another text, or another place in the same one.
func (d *decoder) reread(text []byte, pos int, read func()) {
	oldText, oldPos := d.text, d.pos
	d.text, d.pos = text, pos
	read()
	d.text, d.pos = oldText, oldPos
}

func (d *decoder) space() {
	for d.pos < len(d.text) && isSpace(d.text[d.pos]) {
		d.pos++
	}
}

// kind is the first byte of the value at the position.
func (d *decoder) kind() byte { return d.text[d.pos] }

// raw reads a value and returns its bytes, which belong to the request.
func (d *decoder) raw() []byte {
	start := d.pos
	d.skip()
	return d.text[start:d.pos]
}

// skip reads a value.
func (d *decoder) skip() {
	switch d.kind() {
	case '"':
		d.skipString()
	case '{', '[':
		d.skipNested()
	default:
		for d.pos < len(d.text) && !isDelimiter(d.text[d.pos]) {
			d.pos++
		}
	}
}

func isDelimiter(c byte) bool { return c == ',' || c == '}' || c == ']' || isSpace(c) }

func (d *decoder) skipString() {
	for d.pos++; ; {
		rest := d.text[d.pos:]
		end := bytes.IndexByte(rest, '"')
		d.pos += end + 1
		escapes := 0
		for end > escapes && rest[end-escapes-1] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return
		}
	}
}

func (d *decoder) skipNested() {
	for depth := 0; ; {
		switch d.text[d.pos] {
		case '"':
			d.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if d.pos++; depth == 0 {
			return
		}
	}
}

// open enters an object or list; more moves to its next item, or past its end.
func (d *decoder) open() { d.pos++ }

func (d *decoder) more() bool {
	d.space()
	switch d.text[d.pos] {
	case '}', ']':
		d.pos++
		return false
	case ',':
		d.pos++
		d.space()
	}
	return true
}

// key reads the key of an item, up to its value. The bytes may belong to the
// request.
func (d *decoder) key() []byte {
	start := d.pos
	d.skipString()
	key := d.text[start+1 : d.pos-1]
	d.space()
	d.pos++ // the colon
	d.space()
	if bytes.IndexByte(key, '\\') >= 0 {
		key, _ = unescape(key)
	}
	return key
}

// text reads the contents of a raw JSON string; whole is false if a lone
// surrogate was replaced.
func text(raw []byte) (s string, whole bool) {
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw), true
	}
	b, whole := unescape(raw)
	return string(b), whole
}

// unescape replaces the escapes of a well-formed string.
func unescape(raw []byte) (b []byte, whole bool) {
	b, whole = make([]byte, 0, len(raw)), true
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(b, raw...), whole
		}
		b = append(b, raw[:i]...)
		raw = raw[i:]
		n := 2
		switch c := raw[1]; c {
		case 'u':
			var r rune
			r, n = unescapeRune(raw)
			if r == utf8.RuneError && hexRune(raw[2:6]) != r {
				whole = false
			}
			b = utf8.AppendRune(b, r)
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		default:
			b = append(b, c)
		}
		raw = raw[n:]
	}
}

// unescapeRune reads \uXXXX, or two of them that make a pair; n is their length.
func unescapeRune(raw []byte) (r rune, n int) {
	r = hexRune(raw[2:6])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(raw) >= 12 && raw[6] == '\\' && raw[7] == 'u' {
		if pair := utf16.DecodeRune(r, hexRune(raw[8:12])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

func hexRune(digits []byte) (r rune) {
	for _, c := range digits {
		r = r<<4 | rune(hexValue[c])
	}
	return r
}

// hexValue are the values of the hexadecimal digits, 255 for what is none.
var hexValue = func() (v [256]byte) {
	for c := range v {
		n, err := strconv.ParseUint(string(rune(c)), 16, 8)
		if v[c] = byte(n); err != nil {
			v[c] = 255
		}
	}
	return v
}()
