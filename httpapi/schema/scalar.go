package schema

import (
	"bytes"
	"encoding"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"prefectd/prefect"
)

// scalar makes a decodeFunc of a function that converts the bytes of a value.
func scalar[T any](convert func(raw []byte) (T, *fault), set func(v reflect.Value, value T)) decodeFunc {
	return func(d *decoder, v reflect.Value) {
		start := d.pos
		value, f := convert(d.raw())
		if f != nil {
			d.report(f, start)
			return
		}
		set(v, value)
	}
}

// scalarOf returns the decoder of a Go type that reads one simple value.
func scalarOf(t reflect.Type, c check) decodeFunc {
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return scalar(c.bounds.integer(t.Bits()), reflect.Value.SetInt)
	case reflect.Float32, reflect.Float64:
		return scalar(c.bounds.float(), reflect.Value.SetFloat)
	case reflect.Bool:
		return scalar(parseBool, reflect.Value.SetBool)
	case reflect.String:
		return scalar(c.text(), reflect.Value.SetString)
	}
	return nil
}

// isString reports whether a raw value is a text.
func isString(raw []byte) bool { return raw[0] == '"' }

func isNumber(raw []byte) bool { return raw[0] == '-' || isDigit(raw[0]) }

// isFloat reports whether a raw number has a fraction or an exponent, which makes
// it a float in Python.
func isFloat(raw []byte) bool {
	for _, c := range raw {
		if c == '.' || c|0x20 == 'e' {
			return true
		}
	}
	return false
}

func parseInt(raw []byte) (int64, *fault) {
	switch c := raw[0]; {
	case isString(raw):
		return intOfText(raw)
	case c == 't':
		return 1, nil
	case c == 'f':
		return 0, nil
	case !isNumber(raw):
		return 0, intType
	case isFloat(raw):
		return intOfFloat(raw)
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return 0, intParsingSize
	}
	return n, nil
}

func intOfFloat(raw []byte) (int64, *fault) {
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil:
		return 0, finiteNumber
	case f != math.Trunc(f):
		return 0, intFromFloat
	case math.Abs(f) >= 1<<63:
		return 0, intParsingSize
	}
	return int64(f), nil
}

// intOfText reads a decimal number with an optional sign, single underscores
// between digits, and an optional fraction of zeros.
func intOfText(raw []byte) (int64, *fault) {
	s, _ := text(raw)
	s = strings.TrimSpace(s)
	if len(s) > maxDigits {
		return 0, intParsingSize
	}
	if whole, zeros, ok := strings.Cut(s, "."); ok {
		if zeros == "" || strings.Trim(zeros, "0") != "" {
			return 0, intParsing
		}
		s = whole
	}
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || !separated(digits) || strings.Trim(digits, "0123456789_") != "" {
		return 0, intParsing
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
	if err != nil {
		return 0, intParsingSize
	}
	return n, nil
}

// separated reports whether every underscore stands between two characters.
func separated(s string) bool {
	return s != "" && s[0] != '_' && s[len(s)-1] != '_' && !strings.Contains(s, "__")
}

func parseFloat(raw []byte) (float64, *fault) {
	switch c := raw[0]; {
	case isString(raw):
		return floatOfText(raw)
	case c == 't':
		return 1, nil
	case c == 'f':
		return 0, nil
	case !isNumber(raw):
		return 0, floatType
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err == nil:
		return f, nil
	case isFloat(raw):
		return 0, finiteNumber
	}
	return 0, floatType
}

func floatOfText(raw []byte) (float64, *fault) {
	s, _ := text(raw)
	s = strings.TrimSpace(s)
	if !separated(s) || strings.ContainsAny(s, "xXpP") {
		return 0, floatParsing
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	switch {
	case math.IsInf(f, 0) || math.IsNaN(f):
		return 0, finiteNumber // JSON could not hold it
	case err != nil:
		return 0, floatParsing
	}
	return f, nil
}

var truths = map[string]bool{
	"1": true, "t": true, "true": true, "y": true, "yes": true, "on": true,
	"0": false, "f": false, "false": false, "n": false, "no": false, "off": false,
}

func parseBool(raw []byte) (bool, *fault) {
	switch c := raw[0]; {
	case c == 't' || c == 'f':
		return c == 't', nil
	case isString(raw):
		s, _ := text(raw)
		truth, ok := truths[strings.ToLower(s)]
		if !ok {
			return false, boolParsing
		}
		return truth, nil
	case !isNumber(raw):
		return false, boolType
	}
	n, f := parseInt(raw)
	switch {
	case f != nil:
		return false, boolType
	case n == 0 || n == 1:
		return n == 1, nil
	}
	return false, boolParsing
}

// text returns the converter of texts.
func (c check) text() func(raw []byte) (string, *fault) {
	wrongType := stringType
	if c.bytes {
		wrongType = bytesType
	}
	var unlisted *fault
	if c.oneOf != nil {
		unlisted = choice("literal_error", c.oneOf)
		wrongType = unlisted
	}
	minLen, maxLen := c.minLen, c.maxLen
	return func(raw []byte) (string, *fault) {
		if !isString(raw) {
			return "", wrongType
		}
		s, whole := text(raw)
		switch {
		case unlisted != nil && !slices.Contains(c.oneOf, s):
			return "", unlisted
		case c.name && !whole:
			return "", stringUnicode
		case minLen >= 0 && runes(s) < minLen:
			return "", stringTooShort(minLen)
		case maxLen >= 0 && len(s) > maxLen && runes(s) > maxLen:
			return "", stringTooLong(maxLen)
		}
		return s, nil
	}
}

// enum returns the decoder of a prefect.Enum.
func enum(t reflect.Type, c check) decodeFunc {
	kind := "enum"
	if c.literal {
		kind = "literal_error"
	}
	unlisted := choice(kind, reflect.Zero(t).Interface().(prefect.Enum).EnumValues())
	return func(d *decoder, v reflect.Value) {
		start := d.pos
		raw := d.raw()
		if isString(raw) {
			value := raw[1 : len(raw)-1]
			if bytes.IndexByte(value, '\\') >= 0 {
				value, _ = unescape(value)
			}
			if v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(value) == nil {
				return
			}
		}
		d.report(unlisted, start)
	}
}

// bounds are the limits of a number; nil means none.
type bounds struct {
	ge, gt, le, lt *float64
}

// check compares a number with the limits; show prints a limit as the type does.
func (b *bounds) check(n float64, show func(float64) string) *fault {
	limit := func(kind, word, name string, x float64) *fault {
		return &fault{kind: kind, msg: "Input should be " + word + " " + strconv.FormatFloat(x, 'f', -1, 64), ctx: context(name, show(x))}
	}
	switch {
	case b.ge != nil && n < *b.ge:
		return limit("greater_than_equal", "greater than or equal to", "ge", *b.ge)
	case b.gt != nil && n <= *b.gt:
		return limit("greater_than", "greater than", "gt", *b.gt)
	case b.le != nil && n > *b.le:
		return limit("less_than_equal", "less than or equal to", "le", *b.le)
	case b.lt != nil && n >= *b.lt:
		return limit("less_than", "less than", "lt", *b.lt)
	}
	return nil
}

func (b bounds) integer(bits int) func(raw []byte) (int64, *fault) {
	show := func(x float64) string { return strconv.FormatInt(int64(x), 10) }
	return func(raw []byte) (int64, *fault) {
		n, f := parseInt(raw)
		if f == nil {
			f = b.check(float64(n), show)
		}
		if shift := 64 - bits; f == nil && n<<shift>>shift != n {
			f = intParsingSize
		}
		return n, f
	}
}

func (b bounds) float() func(raw []byte) (float64, *fault) {
	show := func(x float64) string { return string(prefect.AppendFloat(nil, x)) }
	return func(raw []byte) (float64, *fault) {
		n, f := parseFloat(raw)
		if f == nil {
			f = b.check(n, show)
		}
		return n, f
	}
}
