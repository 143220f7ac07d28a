package inputschema

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"prefectd/prefect"
)

// ErrCircular is the error for a schema that refers to itself without end.
var ErrCircular = errors.New("the schema has circular references")

// Violation is the error for a value that is not allowed, with a text for the
// person who entered it.
type Violation struct {
	Text string
}

func (v *Violation) Error() string { return v.Text }

// Validate holds a value to a schema. A value that is not allowed is a *Violation;
// any other error is about the schema.
func Validate(value, schema prefect.JSON) error { return validate(value, schema, false) }

// ValidateVariables does the same for job variables: null is also a value of what has a
// default, since old clients print what is not set as null.
func ValidateVariables(value, schema prefect.JSON) error { return validate(value, schema, true) }

func validate(value, schema prefect.JSON, nullable bool) error {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	amend(document, nullable)
	compiled, err := compile(document)
	if err != nil {
		return err
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return &Violation{"Validation failed. Failure reason: the value is not valid JSON"}
	}
	var invalid *jsonschema.ValidationError
	switch err := compiled.Validate(instance); {
	case err == nil:
		return nil
	case !errors.As(err, &invalid):
		return err
	}
	if isCircular(invalid) {
		return ErrCircular
	}
	return &Violation{explain(best(flatten(invalid)), document, value)}
}

func isCircular(e *jsonschema.ValidationError) bool {
	if _, ok := e.ErrorKind.(*kind.RefCycle); ok {
		return true
	}
	return slices.ContainsFunc(e.Causes, isCircular)
}

// location is where a schema is compiled from; nothing is ever read from there.
const location = "schema:///input"

func compile(document any) (*jsonschema.Schema, error) {
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(noLoader{})
	if err := compiler.AddResource(location, document); err != nil {
		return nil, err
	}
	compiled, err := compiler.Compile(location)
	var elsewhere *jsonschema.LoadURLError
	var nowhere *jsonschema.JSONPointerNotFoundError
	switch {
	case errors.As(err, &elsewhere):
		return nil, &Violation{"Validation failed. Failure reason: Unresolvable: " + elsewhere.URL}
	case errors.As(err, &nowhere):
		_, pointer, _ := strings.Cut(nowhere.URL, "#")
		return nil, &Violation{"Validation failed. Failure reason: PointerToNowhere: " + quote(pointer) + " does not exist"}
	}
	return compiled, err
}

// noLoader keeps schemas from making the server read files or call others.
type noLoader struct{}

func (noLoader) Load(string) (any, error) { return nil, errors.New("references go nowhere else") }

// amend turns what old clients made of optional fields and tuples into what JSON
// Schema 2020-12 calls them, and lets blocks be referred to. The dialect that a
// schema names is not looked at. With nullable, what has a default may be null too.
func amend(document any, nullable bool) {
	schema, ok := document.(map[string]any)
	if !ok {
		return
	}
	delete(schema, "$schema")
	amendProperties(schema, nullable)
	definitions, _ := schema["definitions"].(map[string]any)
	blocks := map[string]any{}
	for _, d := range definitions {
		definition, ok := d.(map[string]any)
		if !ok {
			continue
		}
		amendProperties(definition, nullable)
		title, _ := definition["title"].(string)
		if _, ok := definition["block_type_slug"]; ok && title != "" {
			blocks[title] = map[string]any{"oneOf": []any{definition, blockReference()}}
		}
	}
	for title, either := range blocks {
		definitions[title] = either
	}
}

// blockReference is the schema of a block that is named by its id.
func blockReference() map[string]any {
	return map[string]any{
		"type": "object",
		"properties": map[string]any{"$ref": map[string]any{"oneOf": []any{
			map[string]any{"type": "string", "format": "uuid"},
			map[string]any{
				"type": "object", "additionalProperties": map[string]any{"type": "string"},
				"minProperties": 1,
			},
		}}},
		"required": []any{"$ref"},
	}
}

func amendProperties(schema map[string]any, nullable bool) {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for name, p := range properties {
		property, ok := p.(map[string]any)
		if !ok {
			continue
		}
		kind, typed := property["type"]
		_, defaulted := property["default"]
		if typed && kind != "null" && (!defaulted || nullable) && !slices.Contains(required, any(name)) {
			property["anyOf"] = []any{map[string]any{"type": kind}, map[string]any{"type": "null"}}
			delete(property, "type")
		}
		if items, ok := property["items"].([]any); ok && len(items) > 0 && property["prefixItems"] == nil {
			property["prefixItems"] = items
			delete(property, "items")
		}
		amendProperties(property, nullable)
	}
}
