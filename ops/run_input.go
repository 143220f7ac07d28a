package ops

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"prefectd/prefect"
)

// violation holds a value to a JSON schema and answers what is wrong, empty if
// nothing is.
func violation(schema, value prefect.JSON) string {
	const name = "schema.json"
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return "Run input schema is not valid JSON."
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(name, document); err != nil {
		return fmt.Sprintf("Invalid schema: %v", err)
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		return fmt.Sprintf("Invalid schema: %v", err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return "Reason: the run input is not valid JSON."
	}
	if err := compiled.Validate(instance); err != nil {
		lines := strings.Split(err.Error(), "\n")
		return "Reason: " + strings.TrimSpace(lines[len(lines)-1])
	}
	return ""
}
