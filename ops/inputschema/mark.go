package inputschema

import (
	"regexp"
	"strings"

	"prefectd/prefect"
	"prefectd/prefect/templates"
)

// alone is a template that is one expression and nothing else.
var alone = regexp.MustCompile(`^\s*\{\{((?:[^{}]|\{[^{}]*\})*)\}\}\s*$`)

// MarkTemplates puts placeholders in the place of the texts in a value that are templates.
// One that is a single expression keeps the type of its value, others become texts
// (reference/automations.md, "Templates").
func MarkTemplates(v prefect.JSON) (prefect.JSON, error) {
	switch v.Kind() {
	case '"':
		text, _ := textOf(v)
		return mark(v, text)
	case '[':
		var items []prefect.JSON
		if err := prefect.Unmarshal(v, &items); err != nil {
			return nil, err
		}
		for i, item := range items {
			marked, err := MarkTemplates(item)
			if err != nil {
				return nil, err
			}
			items[i] = marked
		}
		return prefect.Marshal(items)
	case '{':
		return markObject(v)
	}
	return v, nil
}

func mark(v prefect.JSON, text string) (prefect.JSON, error) {
	if !templates.IsTemplate(text) {
		return v, nil
	}
	kind := func(name, member string, value any) map[string]any {
		return map[string]any{placeholder: name, member: value}
	}
	if m := alone.FindStringSubmatch(text); m != nil {
		return prefect.Marshal(kind("json", "value", kind("jinja", "template", "{{ ("+strings.TrimSpace(m[1])+") | tojson }}")))
	}
	return prefect.Marshal(kind("jinja", "template", text))
}

func markObject(v prefect.JSON) (prefect.JSON, error) {
	object, err := membersOf(v)
	if err != nil {
		return nil, err
	}
	if _, ok := object.get(placeholder); ok {
		return v, nil
	}
	for i := range object {
		if object[i].value, err = MarkTemplates(object[i].value); err != nil {
			return nil, err
		}
	}
	return object.text()
}
