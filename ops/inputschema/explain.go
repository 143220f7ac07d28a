package inputschema

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"prefectd/prefect"
)

// explain says of a value what is wrong with it.
func explain(p problem, document any, value prefect.JSON) string {
	path, part := follow(p.path, value)
	if path == "$" {
		path = "Validation failed."
	} else {
		path = "Validation failed for field " + quote(strings.ReplaceAll(path, "$.", "")) + "."
	}
	return path + " Failure reason: " + reason(p, repr(part), schemaAt(document, p.schema))
}

// follow finds a part of a value, and how its path is written.
func follow(steps []string, value prefect.JSON) (path string, part prefect.JSON) {
	path, part = "$", value
	for _, step := range steps {
		if part.Kind() == '[' {
			var items []prefect.JSON
			n, err := strconv.Atoi(step)
			if err != nil || prefect.Unmarshal(part, &items) != nil || n >= len(items) {
				return path, part
			}
			path, part = path+"["+step+"]", items[n]
			continue
		}
		object, err := membersOf(part)
		if err != nil {
			return path, part
		}
		part, _ = object.get(step)
		if plainName.MatchString(step) {
			path += "." + step
		} else {
			path += "['" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(step) + "']"
		}
	}
	return path, part
}

var plainName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*$`)

// schemaAt finds the schema that was violated; empty if it is not in the document.
func schemaAt(document any, url string) map[string]any {
	_, pointer, _ := strings.Cut(url, "#")
	at := document
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if step == "" {
			continue
		}
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch node := at.(type) {
		case map[string]any:
			at = node[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(node) {
				return nil
			}
			at = node[n]
		}
	}
	schema, _ := at.(map[string]any)
	return schema
}

// reason says what is wrong with a part of a value that a schema does not allow.
func reason(p problem, part string, schema map[string]any) string {
	limit := func(keyword string) string { return reprOf(schema[keyword]) }
	switch k := p.kind.(type) {
	case *kind.Type:
		return part + " is not of type " + quoteAll(k.Want)
	case *kind.Required:
		return quote(k.Missing[0]) + " is a required property"
	case *kind.AdditionalProperties:
		verb := "were"
		if len(k.Properties) == 1 {
			verb = "was"
		}
		names := slices.Sorted(slices.Values(k.Properties))
		return "Additional properties are not allowed (" + quoteAll(names) + " " + verb + " unexpected)"
	case *kind.Enum:
		return part + " is not one of " + limit("enum")
	case *kind.Const:
		return limit("const") + " was expected"
	case *kind.Pattern:
		return part + " does not match " + quote(k.Want)
	case *kind.Minimum:
		return part + " is less than the minimum of " + limit("minimum")
	case *kind.Maximum:
		return part + " is greater than the maximum of " + limit("maximum")
	case *kind.ExclusiveMinimum:
		return part + " is less than or equal to the minimum of " + limit("exclusiveMinimum")
	case *kind.ExclusiveMaximum:
		return part + " is greater than or equal to the maximum of " + limit("exclusiveMaximum")
	case *kind.MultipleOf:
		return part + " is not a multiple of " + limit("multipleOf")
	case *kind.UniqueItems:
		return part + " has non-unique elements"
	case *kind.Contains:
		return part + " does not contain items matching the given schema"
	case *kind.AnyOf:
		return part + " is not valid under any of the given schemas"
	case *kind.OneOf:
		if len(k.Subschemas) == 0 {
			return part + " is not valid under any of the given schemas"
		}
	case *kind.Not:
		return part + " should not be valid under " + limit("not")
	case *kind.FalseSchema:
		return "False schema does not allow " + part
	}
	if text := size(p, part); text != "" {
		return text
	}
	return p.kind.LocalizedString(message.NewPrinter(language.English))
}

// size says of a part of a value that it is too small or too big; empty if that is
// not what is wrong.
func size(p problem, part string) string {
	switch k := p.kind.(type) {
	case *kind.MinLength:
		return part + tooSmall(k.Want, " is too short")
	case *kind.MaxLength:
		return part + tooBig(k.Want, " is too long")
	case *kind.MinItems:
		return part + tooSmall(k.Want, " is too short")
	case *kind.MaxItems:
		return part + tooBig(k.Want, " is too long")
	case *kind.MinProperties:
		return part + tooSmall(k.Want, " does not have enough properties")
	case *kind.MaxProperties:
		return part + tooBig(k.Want, " has too many properties")
	}
	return ""
}

func tooSmall(least int, text string) string {
	if least == 1 {
		return " should be non-empty"
	}
	return text
}

func tooBig(most int, text string) string {
	if most == 0 {
		return " is expected to be empty"
	}
	return text
}

// reprOf writes a part of a schema as Python writes it.
func reprOf(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return repr(data)
}
