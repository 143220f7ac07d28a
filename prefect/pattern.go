package prefect

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Like compiles a pattern for a whole text, in either case, where % stands for any
// characters and _ for one.
func Like(pattern string) func(text string) bool {
	p := pattern
	if len(p) > 1 && p[0] == '%' && p[len(p)-1] == '%' {
		if part := p[1 : len(p)-1]; !strings.ContainsAny(part, "%_") {
			return containsFold(part)
		}
	}
	g := newGlob(pattern, '%', '_', false)
	g.fold = true
	for i, t := range g.tokens {
		g.tokens[i].char = unicode.ToLower(t.char)
	}
	return g.matches
}

// containsFold looks for a part of a text in either case.
func containsFold(part string) func(text string) bool {
	want := appendLower(nil, part)
	return func(text string) bool {
		var stack [128]byte
		return bytes.Contains(appendLower(stack[:0], text), want)
	}
}

// glob is a compiled pattern with wildcards, for a whole text.
type glob struct {
	tokens []globToken
	fold   bool // the tokens are lower case, and the text's case does not matter
}

type globToken struct {
	kind globKind
	char rune    // of a literal
	set  runeSet // of a set
}

type globKind byte

const (
	literal  globKind = iota
	oneRune           // any character
	anyRunes          // any number of them
	oneOfSet
)

// newGlob compiles a pattern with the two wildcards; with sets, [abc], [a-z] and
// [!abc] are sets of characters, as in a shell.
func newGlob(pattern string, many, one rune, sets bool) *glob {
	g := &glob{}
	for runes := []rune(pattern); len(runes) > 0; {
		t, n := globToken{char: runes[0]}, 1
		switch {
		case runes[0] == many:
			t.kind = anyRunes
		case runes[0] == one:
			t.kind = oneRune
		case runes[0] == '[' && sets:
			if set, length, ok := parseRuneSet(runes); ok {
				t.kind, t.set, n = oneOfSet, set, length
			}
		}
		g.tokens = append(g.tokens, t)
		runes = runes[n:]
	}
	return g
}

// isLiteral reports whether the pattern has no wildcards.
func (g *glob) isLiteral() bool {
	return !slices.ContainsFunc(g.tokens, func(t globToken) bool { return t.kind != literal })
}

// matches tries the tokens in turn; what does not fit is left to the last token
// that takes any characters.
func (g *glob) matches(text string) bool {
	at, pos := 0, 0          // in the tokens and in the text
	retry, retryPos := -1, 0 // where to go on after a mismatch
	for pos < len(text) {
		if at < len(g.tokens) && g.tokens[at].kind == anyRunes {
			at++
			retry, retryPos = at, pos
			continue
		}
		r, size := decodeRune(text[pos:])
		if g.fold {
			r = unicode.ToLower(r)
		}
		switch {
		case at < len(g.tokens) && g.tokens[at].takes(r):
			at++
			pos += size
		case retry < 0:
			return false
		default:
			_, size = decodeRune(text[retryPos:])
			retryPos += size
			at, pos = retry, retryPos
		}
	}
	for at < len(g.tokens) && g.tokens[at].kind == anyRunes {
		at++
	}
	return at == len(g.tokens)
}

func (t *globToken) takes(r rune) bool {
	switch t.kind {
	case literal:
		return t.char == r
	case oneOfSet:
		return t.set.has(r)
	}
	return t.kind == oneRune
}

// runeSet is a set of characters in a pattern.
type runeSet struct {
	ranges  [][2]rune
	negated bool
}

func (s *runeSet) has(r rune) bool {
	in := slices.ContainsFunc(s.ranges, func(x [2]rune) bool { return x[0] <= r && r <= x[1] })
	return in != s.negated
}

// parseRuneSet reads a set that begins with a bracket; without a closing one it is
// no set.
func parseRuneSet(pattern []rune) (set runeSet, length int, ok bool) {
	start := 1
	if len(pattern) > start && pattern[start] == '!' {
		set.negated = true
		start++
	}
	if start+1 > len(pattern) {
		return set, 0, false
	}
	n := slices.Index(pattern[start+1:], ']') // a bracket that comes first is a member
	if n < 0 {
		return set, 0, false
	}
	members := pattern[start : start+1+n]
	for i := 0; i < len(members); i++ {
		first, last := members[i], members[i]
		if i+2 < len(members) && members[i+1] == '-' {
			last = members[i+2]
			i += 2
		}
		set.ranges = append(set.ranges, [2]rune{first, last}) // empty when the wrong way round
	}
	return set, start + n + 2, true
}

// decodeRune is utf8.DecodeRuneInString with a short cut for ASCII.
func decodeRune(s string) (rune, int) {
	if c := s[0]; c < utf8.RuneSelf {
		return rune(c), 1
	}
	return utf8.DecodeRuneInString(s)
}

// appendLower appends a text in lower case.
func appendLower[S string | JSON](b []byte, text S) []byte {
	start := len(b)
	b = slices.Grow(b, len(text))[:start+len(text)]
	for i, out := 0, b[start:]; i < len(out); i++ {
		c := text[i]
		if c >= utf8.RuneSelf {
			return appendLowerRunes(b[:start+i], text[i:])
		}
		if c-'A' < 26 {
			c += 'a' - 'A'
		}
		out[i] = c
	}
	return b
}

func appendLowerRunes[S string | JSON](b []byte, text S) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(string(text[:min(utf8.UTFMax, len(text))]))
		b = utf8.AppendRune(b, unicode.ToLower(r))
		text = text[size:]
	}
	return b
}

// lowered is a text in lower case that is put together in order to be searched.
type lowered struct{ bytes []byte }

// loweredTexts are those that wait to be used again: filters look at many rows.
var loweredTexts = sync.Pool{New: func() any { return new(lowered) }}

func newLowered() *lowered { return loweredTexts.Get().(*lowered) }

// release gives the text back; a very long one is left to the collector.
func (t *lowered) release() {
	if cap(t.bytes) <= 1<<20 {
		t.bytes = t.bytes[:0]
		loweredTexts.Put(t)
	}
}

// add appends a word, set off by a blank.
func (t *lowered) add(word string) {
	if len(t.bytes) > 0 {
		t.bytes = append(t.bytes, ' ')
	}
	t.bytes = appendLower(t.bytes, word)
}
