package ops

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"prefectd/ops/inputschema"
	"prefectd/prefect"
	"prefectd/store"
)

// What the parameters and the job variables of deployments and their runs have to
// conform to.

// hydrate fills in the placeholders of parameters; 400 if that cannot be done.
func hydrate(parameters prefect.JSON, from *inputschema.Sources, prefix string) (prefect.JSON, error) {
	hydrated, err := inputschema.Hydrate(orObject(parameters), from)
	if err != nil {
		return nil, BadRequest(prefix + err.Error())
	}
	return hydrated, nil
}

// ReadVariableValues reads the values of all variables.
type ReadVariableValues struct{}

// Read answers a map[string]prefect.JSON by name.
func (q *ReadVariableValues) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	values := map[string]prefect.JSON{}
	for v := range store.Variables.Rows(tx, store.Range{}) {
		values[v.Name] = v.Value
	}
	return values, nil
}

// sourcesFor reads what the placeholders in some parameters may stand for.
func sourcesFor(ctx context.Context, b Backend, parameters prefect.JSON) (*inputschema.Sources, error) {
	from := &inputschema.Sources{}
	if !inputschema.HasPlaceholders(parameters) {
		return from, nil
	}
	var err error
	from.Variables, err = Ask[map[string]prefect.JSON](ctx, b, Coordination, &ReadVariableValues{})
	return from, err
}

// sourcesFor does the same in an operation of the coordination group.
func (c *Context) sourcesFor(parameters prefect.JSON) (from *inputschema.Sources, err error) {
	from = &inputschema.Sources{}
	if inputschema.HasPlaceholders(parameters) {
		from.Variables, err = as[map[string]prefect.JSON]((&ReadVariableValues{}).Read(c.Tx, c.Now))
	}
	return from, err
}

// checkParameters holds parameters to the schema of a deployment; what is required is only
// asked for in the end, by a run. 409 if they do not conform.
func checkParameters(parameters, schema prefect.JSON, required bool, prefix string) error {
	if schema.Kind() != '{' {
		return Conflict("Error updating deployment: Cannot update parameters because parameter schema enforcement is enabled and the deployment does not have a valid parameter schema.")
	}
	return asRefusal(CheckParameters(parameters, schema, required), Conflict, prefix)
}

// CheckParameters holds parameters to a schema. What does not conform is an
// *inputschema.Violation.
func CheckParameters(parameters, schema prefect.JSON, required bool) (err error) {
	if !required {
		if schema, err = withoutRequired(schema); err != nil {
			return err
		}
	}
	return inputschema.Validate(parameters, schema)
}

// asRefusal makes a refusal of a violation; 422 if it is the schema that is wrong.
func asRefusal(err error, refuse func(string) *Error, prefix string) error {
	var wrong *inputschema.Violation
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return refuse(prefix + wrong.Text)
	case errors.Is(err, inputschema.ErrCircular):
		return Unprocessable("Invalid schema: Unable to validate schema with circular references.")
	}
	return Unprocessable("Invalid schema: " + err.Error())
}

// pythonError words a violation as the reference prints the error itself.
func pythonError(err error) error {
	var wrong *inputschema.Violation
	if !errors.As(err, &wrong) {
		return err
	}
	_, reason, _ := strings.Cut(wrong.Text, "Failure reason: ")
	quoted := strconv.Quote(reason)
	if !strings.Contains(reason, "'") {
		quoted = "'" + reason + "'"
	}
	return &inputschema.Violation{Text: "<ValidationError: " + quoted + ">"}
}

// CheckValues lists what a schema does not allow in some values, in which placeholders may
// stand; 422 if it is the schema that is wrong.
func CheckValues(ctx context.Context, b Backend, values, schema prefect.JSON) ([]inputschema.Fault, error) {
	from, err := sourcesFor(ctx, b, values)
	if err != nil {
		return nil, err
	}
	found, err := inputschema.Faults(values, schema, from)
	switch {
	case errors.Is(err, inputschema.ErrCircular):
		return nil, Unprocessable("Invalid schema: Unable to validate schema with circular references.")
	case err != nil:
		return nil, Unprocessable("Invalid schema: " + err.Error())
	}
	return found, nil
}

// checkJobVariables holds job variables, the last of which win, to the schema in the job
// template of a work pool; without one everything is allowed. Defaults that break the
// schema are left out, and then nothing is required.
func checkJobVariables(template prefect.JSON, required bool, sent ...prefect.JSON) error {
	schema := variablesOf(template)
	if isEmpty(schema) {
		return nil
	}
	values, broken, err := defaultVariables(schema)
	if err != nil {
		return err
	}
	for _, v := range sent {
		if values, err = mergeObjects(values, v); err != nil {
			return err
		}
	}
	if broken || !required {
		if schema, err = withoutRequired(schema); err != nil {
			return err
		}
	}
	return inputschema.ValidateVariables(values, schema)
}

// variablesOf is the schema of the job variables in a job template.
func variablesOf(template prefect.JSON) prefect.JSON {
	var parts struct {
		Variables prefect.JSON `json:"variables"`
	}
	if template.Kind() != '{' || prefect.Unmarshal(template, &parts) != nil {
		return nil
	}
	return parts.Variables
}

// defaultVariables are the defaults in a schema of job variables, without those that it
// does not allow itself, and those that stand for blocks.
func defaultVariables(schema prefect.JSON) (values prefect.JSON, broken bool, err error) {
	var parts struct {
		Properties map[string]jobVariable `json:"properties"`
	}
	if err := prefect.Unmarshal(schema, &parts); err != nil {
		return nil, false, err
	}
	lenient, err := withoutRequired(schema)
	if err != nil {
		return nil, false, err
	}
	defaults := map[string]prefect.JSON{}
	for name, variable := range parts.Properties {
		if len(variable.Default) == 0 || isReference(variable.Default) {
			continue
		}
		one, err := prefect.Marshal(map[string]prefect.JSON{name: variable.Default})
		if err != nil {
			return nil, false, err
		}
		if inputschema.Validate(one, lenient) != nil {
			broken = true
			continue
		}
		defaults[name] = variable.Default
	}
	values, err = prefect.Marshal(defaults)
	return values, broken, err
}

// mergeObjects lays the members of one object over those of another, in the order of both.
func mergeObjects(under, over prefect.JSON) (prefect.JSON, error) {
	if isEmpty(over) {
		return orObject(under), nil
	}
	var names []string
	values := map[string]prefect.JSON{}
	for _, object := range []prefect.JSON{orObject(under), over} {
		dec := jsontext.NewDecoder(bytes.NewReader(object), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		if _, err := dec.ReadToken(); err != nil {
			return nil, err
		}
		for dec.PeekKind() == '"' {
			name, err := dec.ReadToken()
			if err != nil {
				return nil, err
			}
			key := name.String()
			value, err := dec.ReadValue()
			if err != nil {
				return nil, err
			}
			if _, known := values[key]; !known {
				names = append(names, key)
			}
			values[key] = value.Clone()
		}
	}
	merged := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			merged = append(merged, ',')
		}
		merged, _ = jsontext.AppendQuote(merged, name) // the error only tells of bad UTF-8
		merged = append(append(merged, ':'), values[name]...)
	}
	return append(merged, '}'), nil
}
