package inputschema

import (
	"bytes"
	"errors"
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"prefectd/prefect"
	"prefectd/prefect/templates"
)

// Fault is what is wrong with a value, or with a part of it: a text, or a Part.
type Fault any

// Part are the faults of a property, or of an item of a list.
type Part struct {
	Property *string `json:"property,omitzero"`
	Index    *int    `json:"index,omitzero"`
	Errors   []Fault `json:"errors"`
}

// Faults lists all that is wrong with a value under a schema. Placeholders are filled in as
// far as they can be; templates are not rendered, so nothing is said of what they stand
// for. An error is about the schema.
func Faults(value, schema prefect.JSON, from *Sources) ([]Fault, error) {
	f := &faults{from: from, list: []Fault{}}
	filled, err := f.fill(value, nil)
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, err
	}
	amend(document, false)
	compiled, err := compile(document)
	if err != nil {
		return nil, schemaError(err, document)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(filled))
	if err != nil {
		return nil, err
	}
	var invalid *jsonschema.ValidationError
	switch err := compiled.Validate(instance); {
	case err == nil:
	case !errors.As(err, &invalid):
		return nil, err
	case isCircular(invalid):
		return nil, ErrCircular
	default:
		for _, p := range flatten(invalid) {
			f.problem(p, document, filled)
		}
	}
	for _, told := range f.told {
		f.list = add(f.list, told.path, told.text)
	}
	return f.list, nil
}

// schemaError says what is wrong with a schema.
func schemaError(err error, document any) error {
	var wrong *jsonschema.SchemaValidationError
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &wrong) || !errors.As(wrong.Err, &invalid) {
		return err
	}
	text, encodingErr := prefect.Marshal(document)
	if encodingErr != nil {
		return err
	}
	p := best(flatten(invalid))
	_, part := follow(p.path, text)
	return errors.New(reason(p, repr(part), nil))
}

// faults collects what is wrong.
type faults struct {
	from    *Sources
	list    []Fault
	told    []fault
	unknown [][]any // where there is a placeholder of which nothing is known
}

type fault struct {
	path []any
	text string
}

// fill fills in the placeholders in a value at a path, and notes those that it cannot.
func (f *faults) fill(v prefect.JSON, path []any) (prefect.JSON, error) {
	switch v.Kind() {
	case '{':
		object, err := membersOf(v)
		if err != nil {
			return nil, err
		}
		if kind, ok := object.get(placeholder); ok {
			return f.placeholder(object, kind, path)
		}
		var filled members
		for _, m := range object {
			value, err := f.fill(m.value, append(slices.Clone(path), m.name))
			if err != nil {
				return nil, err
			}
			if value != nil {
				filled = append(filled, member{m.name, value})
			}
		}
		return filled.text()
	case '[':
		var items []prefect.JSON
		if err := prefect.Unmarshal(v, &items); err != nil {
			return nil, err
		}
		for i := range items {
			value, err := f.fill(items[i], append(slices.Clone(path), i))
			if err != nil {
				return nil, err
			}
			if items[i] = value; value == nil {
				items[i] = prefect.JSON("null")
			}
		}
		return prefect.Marshal(items)
	}
	return v, nil
}

func (f *faults) placeholder(o members, kind prefect.JSON, path []any) (prefect.JSON, error) {
	if name, _ := textOf(kind); name == "jinja" {
		f.unknown = append(f.unknown, path)
		template, ok := o.get("template")
		text, isText := textOf(template)
		switch err := templates.Validate(text); {
		case !ok:
			f.told = append(f.told, fault{path, missing("template").Error()})
		case isText && err != nil:
			f.told = append(f.told, fault{path, "Invalid jinja: " + err.Error()})
		}
		return prefect.JSON("null"), nil
	}
	value, err := f.from.fill(o, kind)
	var wrong *Violation
	if errors.As(err, &wrong) {
		f.unknown = append(f.unknown, path)
		f.told = append(f.told, fault{path, wrong.Text})
		return prefect.JSON("null"), nil
	}
	return value, err
}

// problem notes what a schema does not allow, unless it is about a placeholder.
func (f *faults) problem(p problem, document any, value prefect.JSON) {
	_, part := follow(p.path, value)
	path := stepsOf(p.path, value)
	text := reason(p, repr(part), schemaAt(document, p.schema))
	if name := p.missing(); name != "" {
		path = append(path, name)
	}
	for _, u := range f.unknown {
		if len(path) >= len(u) && slices.Equal(path[:len(u)], u) {
			return
		}
	}
	f.list = add(f.list, path, text)
}

// stepsOf tells the numbers of items from names in a path.
func stepsOf(path []string, value prefect.JSON) []any {
	var steps []any
	for i, step := range path {
		_, above := follow(path[:i], value)
		if n, err := strconv.Atoi(step); err == nil && above.Kind() == '[' {
			steps = append(steps, n)
			continue
		}
		steps = append(steps, step)
	}
	return steps
}

// add puts a text where it belongs among some faults.
func add(list []Fault, path []any, text string) []Fault {
	if len(path) == 0 {
		return append(list, text)
	}
	if len(path) > 1 {
		for _, one := range list {
			if part, ok := one.(*Part); ok && part.is(path[0]) {
				part.Errors = add(part.Errors, path[1:], text)
				return list
			}
		}
	}
	part := &Part{}
	switch step := path[0].(type) {
	case int:
		part.Index = &step
	case string:
		part.Property = &step
	}
	part.Errors = add([]Fault{}, path[1:], text)
	return append(list, part)
}

func (p *Part) is(step any) bool {
	switch step := step.(type) {
	case int:
		return p.Index != nil && *p.Index == step
	case string:
		return p.Property != nil && *p.Property == step
	}
	return false
}
