package schema

import (
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"prefectd/prefect"
)

// Problem is one thing that is wrong with a request: an item of the
// exception_detail of a 422 answer.
type Problem struct {
	Type  string       `json:"type"`
	Loc   []any        `json:"loc"` // texts, and whole numbers for positions in lists
	Msg   string       `json:"msg"`
	Input prefect.JSON `json:"input"`
	Ctx   prefect.JSON `json:"ctx,omitempty"`
}

// Unreadable is the Type of the only problem of a body that the reference does
// not even parse: it answers 400 instead of 422.
const Unreadable = "unreadable"

// fault is a Problem without its place.
type fault struct {
	kind, msg string
	ctx       prefect.JSON
}

var (
	missing          = &fault{kind: "missing", msg: "Field required"}
	extraForbidden   = &fault{kind: "extra_forbidden", msg: "Extra inputs are not permitted"}
	modelType        = &fault{kind: "model_attributes_type", msg: "Input should be a valid dictionary or object to extract fields from"}
	listType         = &fault{kind: "list_type", msg: "Input should be a valid list"}
	setType          = &fault{kind: "set_type", msg: "Input should be a valid set"}
	tupleType        = &fault{kind: "tuple_type", msg: "Input should be a valid tuple"}
	dictType         = &fault{kind: "dict_type", msg: "Input should be a valid dictionary"}
	stringType       = &fault{kind: "string_type", msg: "Input should be a valid string"}
	stringUnicode    = &fault{kind: "string_unicode", msg: "Input should be a valid string, unable to parse raw data as a unicode string"}
	bytesType        = &fault{kind: "bytes_type", msg: "Input should be a valid bytes"}
	boolType         = &fault{kind: "bool_type", msg: "Input should be a valid boolean"}
	boolParsing      = &fault{kind: "bool_parsing", msg: "Input should be a valid boolean, unable to interpret input"}
	intType          = &fault{kind: "int_type", msg: "Input should be a valid integer"}
	intParsing       = &fault{kind: "int_parsing", msg: "Input should be a valid integer, unable to parse string as an integer"}
	intParsingSize   = &fault{kind: "int_parsing_size", msg: "Unable to parse input string as an integer, exceeded maximum size"}
	intFromFloat     = &fault{kind: "int_from_float", msg: "Input should be a valid integer, got a number with a fractional part"}
	floatType        = &fault{kind: "float_type", msg: "Input should be a valid number"}
	floatParsing     = &fault{kind: "float_parsing", msg: "Input should be a valid number, unable to parse string as a number"}
	finiteNumber     = &fault{kind: "finite_number", msg: "Input should be a finite number"}
	uuidType         = &fault{kind: "uuid_type", msg: "UUID input should be a string, bytes or UUID object"}
	notDatetime      = &fault{kind: "value_error", msg: "value is not a valid datetime"}
	timeDeltaType    = &fault{kind: "time_delta_type", msg: "Input should be a valid timedelta"}
	sequenceInstance = &fault{kind: "is_instance_of", msg: "Input should be an instance of Sequence", ctx: prefect.JSON(`{"class":"Sequence"}`)}
	sequenceText     = &fault{kind: "sequence_str", msg: "'str' instances are not allowed as a Sequence value", ctx: prefect.JSON(`{"type_name":"str"}`)}
)

// valueError is a domain rule that does not hold.
func valueError(msg string) *fault {
	return &fault{kind: "value_error", msg: "Value error, " + msg, ctx: prefect.JSON(`{"error":{}}`)}
}

// choice is a text that is none of the allowed ones; kind is enum or
// literal_error.
func choice(kind string, allowed []string) *fault {
	list := ""
	for i, s := range allowed {
		switch {
		case i == 0:
		case i == len(allowed)-1:
			list += " or "
		default:
			list += ", "
		}
		list += "'" + s + "'"
	}
	return &fault{kind: kind, msg: "Input should be " + list, ctx: context("expected", quote(list))}
}

// parsing is a text that a type could not read, with the reason.
func parsing(kind, msg, reason string) *fault {
	return &fault{kind: kind, msg: msg + reason, ctx: context("error", quote(reason))}
}

// tooShort and tooLong say that a container has the wrong number of items.
func tooShort(container string, limit, actual int) *fault {
	return &fault{
		kind: "too_short",
		msg:  container + " should have at least " + plural(limit, "item") + " after validation, not " + strconv.Itoa(actual),
		ctx:  context("field_type", quote(container), "min_length", strconv.Itoa(limit), "actual_length", strconv.Itoa(actual)),
	}
}

func tooLong(container string, limit, actual int) *fault {
	return &fault{
		kind: "too_long",
		msg:  container + " should have at most " + plural(limit, "item") + " after validation, not " + strconv.Itoa(actual),
		ctx:  context("field_type", quote(container), "max_length", strconv.Itoa(limit), "actual_length", strconv.Itoa(actual)),
	}
}

func stringTooShort(limit int) *fault {
	return &fault{kind: "string_too_short", msg: "String should have at least " + plural(limit, "character"),
		ctx: context("min_length", strconv.Itoa(limit))}
}

func stringTooLong(limit int) *fault {
	return &fault{kind: "string_too_long", msg: "String should have at most " + plural(limit, "character"),
		ctx: context("max_length", strconv.Itoa(limit))}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// context makes the ctx object from names and JSON values.
func context(pairs ...string) prefect.JSON {
	b := []byte{'{'}
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, quote(pairs[i])...), ':'), pairs[i+1]...)
	}
	return append(b, '}')
}

// quote makes a JSON string; what is no UTF-8 becomes U+FFFD.
func quote(s string) string {
	b, _ := jsontext.AppendQuote(nil, s) // the error only tells of bad UTF-8
	return string(b)
}

// Refusal makes the answer to a request with problems: its status and its JSON.
// body is that of the request, nil when the problems are in the query.
func Refusal(body []byte, problems []Problem) (status int, answer []byte, err error) {
	if len(problems) == 1 && problems[0].Type == Unreadable {
		return 400, []byte(`{"detail":"There was an error parsing the body"}`), nil
	}
	echo := prefect.JSON(trimBOM(body))
	switch {
	case len(echo) == 0:
		echo = nil
	case len(problems) == 1 && problems[0].Type == jsonInvalid:
		echo = prefect.JSON(quote(string(body)))
	}
	answer, err = prefect.Marshal(struct {
		Message string       `json:"exception_message"`
		Detail  []Problem    `json:"exception_detail"`
		Body    prefect.JSON `json:"request_body"`
	}{"Invalid request received.", problems, echo})
	return 422, answer, err
}

// runes counts characters, as Python counts the length of a text.
func runes(s string) int { return utf8.RuneCountInString(s) }
