package inputschema

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"prefectd/prefect"
)

// repr writes a value as Python's repr writes it.
func repr(v prefect.JSON) string {
	dec := jsontext.NewDecoder(bytes.NewReader(v), lenient)
	var b strings.Builder
	writeRepr(&b, dec)
	return b.String()
}

func writeRepr(b *strings.Builder, dec *jsontext.Decoder) {
	token, err := dec.ReadToken()
	if err != nil {
		return
	}
	switch token.Kind() {
	case 'n':
		b.WriteString("None")
	case 't':
		b.WriteString("True")
	case 'f':
		b.WriteString("False")
	case '"':
		b.WriteString(quote(token.String()))
	case '0':
		b.WriteString(number(token.String()))
	case '[':
		b.WriteByte('[')
		writeItems(b, dec, ']', false)
	case '{':
		b.WriteByte('{')
		writeItems(b, dec, '}', true)
	}
}

// writeItems writes what an array or an object holds, up to its end.
func writeItems(b *strings.Builder, dec *jsontext.Decoder, end jsontext.Kind, named bool) {
	for first := true; ; first = false {
		switch dec.PeekKind() {
		case 0: // the text ends before the value does
			return
		case end:
			dec.ReadToken()
			b.WriteByte(byte(end))
			return
		}
		if !first {
			b.WriteString(", ")
		}
		if named {
			writeRepr(b, dec)
			b.WriteString(": ")
		}
		writeRepr(b, dec)
	}
}

// number writes an integer as it is, any other number as a float.
func number(text string) string {
	if !strings.ContainsAny(text, ".eE") {
		return text
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return string(prefect.AppendFloat(nil, f))
}

// quote writes a text as Python's repr writes it.
func quote(s string) string {
	mark := '\''
	if strings.ContainsRune(s, '\'') && !strings.ContainsRune(s, '"') {
		mark = '"'
	}
	var b strings.Builder
	b.WriteRune(mark)
	for _, r := range s {
		switch {
		case r == mark || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			b.WriteString(`\x` + hex(r, 2))
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xff:
			b.WriteString(`\x` + hex(r, 2))
		case r <= 0xffff:
			b.WriteString(`\u` + hex(r, 4))
		default:
			b.WriteString(`\U` + hex(r, 8))
		}
	}
	b.WriteRune(mark)
	return b.String()
}

func hex(r rune, width int) string {
	digits := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", max(0, width-len(digits))) + digits
}

func quoteAll(texts []string) string {
	quoted := make([]string, len(texts))
	for i, s := range texts {
		quoted[i] = quote(s)
	}
	return strings.Join(quoted, ", ")
}
