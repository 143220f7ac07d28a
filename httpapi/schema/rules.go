package schema

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"prefectd/prefect"
)

// rule looks at a decoded value of a kind.
type rule struct {
	kind  reflect.Kind
	check func(v reflect.Value) *fault
}

// rules are those that a check tag can name.
var rules = map[string]rule{
	"name":             {reflect.String, checkName},
	"name_or_empty":    {reflect.String, checkNameOrEmpty},
	"parameters":       {reflect.Slice, checkParameters},
	"input_key":        {reflect.String, checkInputKey},
	"cache_key":        {reflect.String, longest(2000, "Cache key exceeded maximum allowed length of 2000 characters.")},
	"event_name":       {reflect.String, longest(1024, "Event name must be at most 1024 characters")},
	"related":          {reflect.Slice, checkRelated},
	"related_resource": {reflect.Map, checkRelatedResource},
	"jitter_factor":    {reflect.Float64, checkJitterFactor},
	"clean":            {reflect.String, clean},
	"emptyish":         {reflect.String, checkEmptyish},
	"job_template":     {reflect.Slice, checkJobTemplate},
	"artifact_key":     {reflect.String, checkArtifactKey},
	"variable_name":    {reflect.String, checkVariableName},
	"variable_value":   {reflect.Slice, checkVariableValue},
	"block_name":       {reflect.String, checkBlockName},
	"object_item":      {reflect.Slice, checkObject},

	"max_scheduled_runs": {reflect.Int, checkMaxScheduledRuns},
}

const namePattern = `^[^/%&><]+$`

var nameMismatch = &fault{
	kind: "string_pattern_mismatch",
	msg:  "String should match pattern '" + namePattern + "'",
	ctx:  context("pattern", quote(namePattern)),
}

func checkName(v reflect.Value) *fault {
	if s := v.String(); s == "" || strings.ContainsAny(s, "/%&><") {
		return nameMismatch
	}
	return nil
}

// longest limits the characters of a text.
func longest(limit int, msg string) func(reflect.Value) *fault {
	return func(v reflect.Value) *fault {
		if s := v.String(); len(s) > limit && runes(s) > limit {
			return valueError(msg)
		}
		return nil
	}
}

func checkInputKey(v reflect.Value) *fault {
	if strings.Trim(v.String(), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return valueError("value must only contain lowercase letters, numbers, and dashes.")
	}
	return nil
}

func checkJitterFactor(v reflect.Value) *fault {
	if v.Float() < 0 {
		return valueError("`retry_jitter_factor` must be >= 0.")
	}
	return nil
}

// clean removes NUL characters, which clients send in log messages.
func clean(v reflect.Value) *fault {
	if s := v.String(); strings.IndexByte(s, 0) >= 0 {
		v.SetString(strings.ReplaceAll(s, "\x00", ""))
	}
	return nil
}

func checkRelated(v reflect.Value) *fault {
	if v.Len() > 100 {
		return valueError("The maximum number of related resources is 100")
	}
	return nil
}

func checkRelatedResource(v reflect.Value) *fault {
	resource := v.Addr().Interface().(*prefect.Resource)
	role, ok := (*resource)["prefect.resource.role"]
	switch {
	case !ok:
		return valueError("Related Resources must include the prefect.resource.role label")
	case role == "":
		return valueError("The prefect.resource.role label must be non-empty")
	}
	return nil
}

const maxParameters = 524_288

// checkParameters limits the size of the parameters of a run.
func checkParameters(v reflect.Value) *fault {
	raw := v.Bytes()
	if 3*len(raw) <= maxParameters { // escapes make at most six bytes of two
		return nil
	}
	if size := pythonSize(raw); size > maxParameters {
		return valueError(fmt.Sprintf("Flow run parameters must be less than %s bytes when serialized (got %s bytes).",
			thousands(maxParameters), thousands(size)))
	}
	return nil
}

// pythonSize is the length of a JSON text as Python prints it without blanks:
// only ASCII, and floats in their shortest form.
func pythonSize(raw []byte) (size int) {
	d := decoder{text: raw}
	for d.pos < len(raw) {
		switch c := d.kind(); {
		case isSpace(c):
			d.pos++
		case c == '"':
			s, _ := text(d.raw())
			size += 2 + asciiLength(s)
		case isNumber(raw[d.pos:]):
			size += numberLength(d.raw())
		default:
			size++
			d.pos++
		}
	}
	return size
}

func asciiLength(s string) (n int) {
	for _, r := range s {
		switch {
		case r == '"' || r == '\\' || '\b' <= r && r <= '\r' && r != '\v':
			n += 2
		case r >= 0x10000:
			n += 12
		case r < ' ' || r > '~':
			n += 6
		default:
			n++
		}
	}
	return n
}

func numberLength(raw []byte) int {
	if f, err := strconv.ParseFloat(string(raw), 64); err == nil && isFloat(raw) {
		return len(prefect.AppendFloat(nil, f))
	}
	return len(raw)
}

// thousands prints a number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

const (
	maxVariableName  = 255
	maxVariableValue = 5000
)

func checkVariableName(v reflect.Value) *fault {
	name := v.String()
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return valueError("Variable name must only contain lowercase letters, numbers, and dashes or underscores.")
	}
	if len(name) > maxVariableName {
		return tooLong("Value", maxVariableName, len(name))
	}
	return nil
}

// checkBlockName looks at the slug of a block type, or the name of a document.
func checkBlockName(v reflect.Value) *fault {
	if strings.Trim(v.String(), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return valueError("Block names must only contain lowercase letters, numbers, and dashes.")
	}
	return nil
}

func checkVariableValue(v reflect.Value) *fault {
	if size := pythonSize(v.Bytes()); size > maxVariableValue {
		return valueError(fmt.Sprintf("Variable value must be less than %d characters.", maxVariableValue))
	}
	return nil
}

func checkArtifactKey(v reflect.Value) *fault {
	if strings.Trim(v.String(), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return valueError("Artifact key must only contain lowercase letters, numbers, and dashes.")
	}
	return nil
}
