package prefect

import (
	"bytes"
	"strings"
	"unicode"
)

// TextQuery is what a person types to search logs and events: words or "phrases in
// quotes", of which one must occur; those after + must all occur, those after - or
// ! must not. Case does not matter.
type TextQuery struct {
	Include, Exclude, Required [][]byte // in lower case
}

// ParseTextQuery reads a query; every text is one.
func ParseTextQuery(query string) (q TextQuery) {
	for rest := []rune(query); ; {
		rest = trimSpace(rest)
		if len(rest) == 0 {
			return q
		}
		var prefix rune
		if strings.ContainsRune("-!+", rest[0]) {
			prefix, rest = rest[0], rest[1:]
			if len(rest) == 0 || isSpace(rest[0]) {
				continue // a sign of its own means nothing
			}
		}
		var term string
		term, rest = nextTerm(rest)
		q.add(prefix, term)
	}
}

func (q *TextQuery) add(prefix rune, term string) {
	if strings.TrimFunc(term, isSpace) == "" {
		return
	}
	list := &q.Include
	switch prefix {
	case '-', '!':
		list = &q.Exclude
	case '+':
		list = &q.Required
	}
	*list = append(*list, appendLower(nil, term))
}

// nextTerm splits a word or a phrase off a query.
func nextTerm(query []rune) (term string, rest []rune) {
	if query[0] == '"' {
		return nextPhrase(query[1:])
	}
	end := 0
	for end < len(query) && !isSpace(query[end]) && query[end] != '"' {
		end++
	}
	return string(query[:end]), query[end:]
}

// nextPhrase reads up to the closing quote, if there is one; a backslash protects a
// quote and itself.
func nextPhrase(query []rune) (phrase string, rest []rune) {
	var b strings.Builder
	for i := 0; i < len(query); i++ {
		r := query[i]
		if r == '"' {
			return b.String(), query[i+1:]
		}
		if r == '\\' && i+1 < len(query) {
			if next := query[i+1]; next != '"' && next != '\\' {
				b.WriteRune(r)
			}
			i++
			r = query[i]
		}
		b.WriteRune(r)
	}
	return b.String(), nil
}

// IsEmpty reports whether the query asks for nothing.
func (q *TextQuery) IsEmpty() bool {
	return len(q.Include)+len(q.Exclude)+len(q.Required) == 0
}

// Matches searches a text that is in lower case.
func (q *TextQuery) Matches(text []byte) bool {
	for _, term := range q.Required {
		if !bytes.Contains(text, term) {
			return false
		}
	}
	for _, term := range q.Exclude {
		if bytes.Contains(text, term) {
			return false
		}
	}
	for _, term := range q.Include {
		if bytes.Contains(text, term) {
			return true
		}
	}
	return len(q.Include) == 0
}

func trimSpace(s []rune) []rune {
	for len(s) > 0 && isSpace(s[0]) {
		s = s[1:]
	}
	return s
}

// isSpace knows what Python takes for a blank: the separators of ASCII, too.
func isSpace(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }
