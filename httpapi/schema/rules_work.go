package schema

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"prefectd/prefect"
)

// checkEmptyish refuses the name of a work pool that has nothing but blanks and quotes.
func checkEmptyish(v reflect.Value) *fault {
	if strings.Trim(v.String(), "' \"") == "" {
		return valueError("name cannot be an empty string")
	}
	return nil
}

// placeholder is where a job template takes the value of a variable.
var placeholder = regexp.MustCompile(`\{\{\s*([\w.\-\[\]$]+)\s*\}\}`)

// checkJobTemplate looks whether the job template of a work pool declares the variables
// that it uses. An empty one is none.
func checkJobTemplate(v reflect.Value) *fault {
	var template map[string]prefect.JSON
	if err := prefect.Unmarshal(v.Bytes(), &template); err != nil {
		return valueError(err.Error())
	}
	if len(template) == 0 {
		return nil
	}
	job, variables := members(template["job_configuration"]), members(template["variables"])
	if len(job) == 0 || len(variables) == 0 {
		return valueError("The `base_job_template` must contain both a `job_configuration` key and a `variables` key.")
	}
	declared, missing := members(variables["properties"]), map[string]bool{}
	for _, part := range job {
		for _, m := range placeholder.FindAllSubmatch(part, -1) {
			if name := string(m[1]); declared[name] == nil {
				missing[name] = true
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return valueError("The variables specified in the job configuration template must be present as properties in the variables schema. " +
		"Your job configuration uses the following undeclared variable(s): " + strings.Join(slices.Sorted(maps.Keys(missing)), " ,") + ".")
}

// members are those of an object; what is none has none.
func members(v prefect.JSON) (object map[string]prefect.JSON) {
	if v.Kind() == '{' && prefect.Unmarshal(v, &object) != nil {
		return nil
	}
	return object
}
