package schema

import (
	"bytes"
	"unicode/utf8"

	"prefectd/prefect"
)

const (
	jsonInvalid = "json_invalid"

	// maxDepth and maxDigits are about where Python's parser gives up; what it
	// cannot read must not be stored, or no client could read the answers.
	maxDepth  = 900
	maxDigits = 4300
)

var bom = []byte("\xef\xbb\xbf")

func trimBOM(body []byte) []byte { return bytes.TrimPrefix(body, bom) }

// syntax checks a text against the grammar of Python's JSON parser, and finds
// the messages and places that it would report.
type syntax struct {
	text []byte
	pos  int

	depth      int
	failure    string
	at         int // byte offset of the failure
	unreadable bool
}

// checkSyntax returns the problem of a text that is no JSON, if it is none.
func checkSyntax(text []byte) *Problem {
	if !utf8.Valid(text) {
		return &Problem{Type: Unreadable}
	}
	s := syntax{text: text}
	s.space()
	if s.value() {
		if s.space(); s.pos == len(text) {
			return nil
		}
		s.fail("Extra data", s.pos)
	}
	if s.unreadable {
		return &Problem{Type: Unreadable}
	}
	return &Problem{
		Type:  jsonInvalid,
		Loc:   []any{utf8.RuneCount(text[:s.at])},
		Msg:   "JSON decode error",
		Input: prefect.JSON("{}"),
		Ctx:   context("error", quote(s.failure)),
	}
}

func (s *syntax) fail(message string, at int) bool {
	s.failure, s.at = message, at
	return false
}

// giveUp is for what Python's parser does not report as a syntax error.
func (s *syntax) giveUp() bool {
	s.unreadable = true
	return false
}

func (s *syntax) space() {
	for s.pos < len(s.text) && isSpace(s.text[s.pos]) {
		s.pos++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// peek returns the next byte, 0 at the end.
func (s *syntax) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

// value reads one value and reports whether it is well-formed.
func (s *syntax) value() bool {
	switch c := s.peek(); {
	case c == '"':
		return s.str()
	case c == '{':
		return s.nested((*syntax).object)
	case c == '[':
		return s.nested((*syntax).array)
	case c == '-' || isDigit(c):
		return s.number()
	case c == 'n':
		return s.word("null")
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'N':
		return s.notFinite("NaN")
	case c == 'I':
		return s.notFinite("Infinity")
	}
	return s.fail("Expecting value", s.pos)
}

func (s *syntax) word(word string) bool {
	if !bytes.HasPrefix(s.text[s.pos:], []byte(word)) {
		return s.fail("Expecting value", s.pos)
	}
	s.pos += len(word)
	return true
}

// notFinite refuses the numbers that Python reads but no JSON can hold.
func (s *syntax) notFinite(word string) bool {
	if !bytes.HasPrefix(s.text[s.pos:], []byte(word)) {
		return s.fail("Expecting value", s.pos)
	}
	return s.fail("Out of range float values are not JSON compliant: "+word, s.pos)
}

func (s *syntax) nested(read func(*syntax) bool) bool {
	if s.depth++; s.depth > maxDepth {
		return s.giveUp()
	}
	ok := read(s)
	s.depth--
	return ok
}

func (s *syntax) object() bool {
	s.pos++
	if s.space(); s.peek() == '}' {
		s.pos++
		return true
	}
	for {
		if s.peek() != '"' {
			return s.fail("Expecting property name enclosed in double quotes", s.pos)
		}
		if !s.str() {
			return false
		}
		if s.space(); s.peek() != ':' {
			return s.fail("Expecting ':' delimiter", s.pos)
		}
		s.pos++
		s.space()
		if !s.value() {
			return false
		}
		s.space()
		switch s.peek() {
		case '}':
			s.pos++
			return true
		case ',':
			s.pos++
			s.space()
		default:
			return s.fail("Expecting ',' delimiter", s.pos)
		}
	}
}

func (s *syntax) array() bool {
	s.pos++
	if s.space(); s.peek() == ']' {
		s.pos++
		return true
	}
	for {
		if !s.value() {
			return false
		}
		s.space()
		switch s.peek() {
		case ']':
			s.pos++
			return true
		case ',':
			s.pos++
			s.space()
		default:
			return s.fail("Expecting ',' delimiter", s.pos)
		}
	}
}

func (s *syntax) str() bool {
	begin := s.pos
	s.pos++
	for {
		for s.pos < len(s.text) && plain[s.text[s.pos]] {
			s.pos++
		}
		switch {
		case s.pos == len(s.text):
			return s.fail("Unterminated string starting at", begin)
		case s.text[s.pos] == '"':
			s.pos++
			return true
		case s.text[s.pos] != '\\':
			return s.fail("Invalid control character at", s.pos)
		case !s.escape(begin):
			return false
		}
	}
}

// plain are the bytes that stand for themselves in a string.
var plain = func() (p [256]bool) {
	for c := range p {
		p[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return p
}()

func (s *syntax) escape(begin int) bool {
	backslash := s.pos
	if s.pos++; s.pos == len(s.text) {
		return s.fail("Unterminated string starting at", begin)
	}
	c := s.text[s.pos]
	s.pos++
	if c != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), c) < 0 {
			return s.fail("Invalid \\escape", backslash)
		}
		return true
	}
	// Python wants a character after the four digits, too: the quote, at least.
	rest := s.text[s.pos:]
	if utf8.RuneCount(rest[:min(len(rest), 20)]) < 5 {
		return s.fail("Invalid \\uXXXX escape", s.pos-1)
	}
	for range 4 {
		if !isHex(s.text[s.pos]) {
			return s.fail("Invalid \\uXXXX escape", backslash+1)
		}
		s.pos++
	}
	return true
}

func (s *syntax) number() bool {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	digits := s.pos
	switch c := s.peek(); {
	case c == '0':
		s.pos++
	case isDigit(c):
		s.digits()
	case c == 'I':
		s.pos = start
		return s.notFinite("-Infinity")
	default:
		return s.fail("Expecting value", start)
	}
	whole := s.pos - digits
	float := s.fraction()
	float = s.exponent() || float
	if whole > maxDigits && !float {
		return s.giveUp()
	}
	return true
}

func (s *syntax) digits() {
	for s.pos < len(s.text) && isDigit(s.text[s.pos]) {
		s.pos++
	}
}

// fraction and exponent read a part of a number, if it is there and complete.
func (s *syntax) fraction() bool {
	if rest := s.text[s.pos:]; len(rest) < 2 || rest[0] != '.' || !isDigit(rest[1]) {
		return false
	}
	s.pos++
	s.digits()
	return true
}

func (s *syntax) exponent() bool {
	rest := s.text[s.pos:]
	n := 1
	if len(rest) > 1 && (rest[1] == '+' || rest[1] == '-') {
		n = 2
	}
	if len(rest) <= n || rest[0]|0x20 != 'e' || !isDigit(rest[n]) {
		return false
	}
	s.pos += n
	s.digits()
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return hexValue[c] < 16 }
