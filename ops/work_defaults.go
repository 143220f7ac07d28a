package ops

import (
	"errors"

	"prefectd/ops/inputschema"
	"prefectd/prefect"
)

// jobVariable is what the schema of job variables says of one of them.
type jobVariable struct {
	Default prefect.JSON `json:"default"`
}

// checkJobDefaults holds the defaults of a work pool's job variables to their schema;
// 422 if they break it. What is required need not have a default, null stands for
// none, and a default that refers to a block is looked at when it is used.
func checkJobDefaults(template prefect.JSON) error {
	var parts struct {
		Variables prefect.JSON `json:"variables"`
	}
	if prefect.IsNull(template) || prefect.Unmarshal(template, &parts) != nil || prefect.IsNull(parts.Variables) {
		return nil
	}
	var schema struct {
		Properties map[string]jobVariable `json:"properties"`
	}
	if err := prefect.Unmarshal(parts.Variables, &schema); err != nil {
		return Unprocessable("Invalid schema: " + err.Error())
	}
	defaults := map[string]prefect.JSON{}
	for name, variable := range schema.Properties {
		if !prefect.IsNull(variable.Default) && !isReference(variable.Default) {
			defaults[name] = variable.Default
		}
	}
	if len(defaults) == 0 {
		return nil
	}
	value, err := prefect.Marshal(defaults)
	if err != nil {
		return err
	}
	lenient, err := withoutRequired(parts.Variables)
	if err != nil {
		return err
	}
	err = inputschema.Validate(value, lenient)
	var wrong *inputschema.Violation
	switch {
	case errors.As(err, &wrong):
		return Unprocessable("Validation failed for work pool's job variable defaults: " + wrong.Text)
	case err != nil:
		return Unprocessable("Invalid schema: " + err.Error())
	}
	return nil
}

// isReference reports whether a default stands for a block.
func isReference(v prefect.JSON) bool {
	var object map[string]prefect.JSON
	return v.Kind() == '{' && prefect.Unmarshal(v, &object) == nil && object["$ref"] != nil
}

// withoutRequired drops what a schema, and those in it, say about keys that must be
// there.
func withoutRequired(schema prefect.JSON) (prefect.JSON, error) {
	switch schema.Kind() {
	case '{':
		var object map[string]prefect.JSON
		if err := prefect.Unmarshal(schema, &object); err != nil {
			return nil, err
		}
		for k, v := range object {
			if k == "required" && v.Kind() == '[' {
				delete(object, k)
				continue
			}
			inner, err := withoutRequired(v)
			if err != nil {
				return nil, err
			}
			object[k] = inner
		}
		return prefect.Marshal(object)
	case '[':
		var list []prefect.JSON
		if err := prefect.Unmarshal(schema, &list); err != nil {
			return nil, err
		}
		for i, v := range list {
			inner, err := withoutRequired(v)
			if err != nil {
				return nil, err
			}
			list[i] = inner
		}
		return prefect.Marshal(list)
	}
	return schema, nil
}
