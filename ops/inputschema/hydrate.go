package inputschema

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"prefectd/prefect"
)

// placeholder is the member that makes an object a placeholder for a value; it
// names the kind.
const placeholder = "__prefect_kind"

// Hydrate replaces the placeholders in a value, and writes it without spaces. A
// placeholder that cannot be replaced is a *Violation.
//
// Templates are not rendered, and there are no variables yet: a placeholder that
// needs either is an error.
func Hydrate(v prefect.JSON) (prefect.JSON, error) {
	if !bytes.Contains(v, []byte(placeholder)) {
		v = v.Clone()
		return v, v.Compact(lenient)
	}
	hydrated, err := hydrate(v)
	if err == nil && hydrated == nil {
		hydrated = prefect.JSON(`{}`)
	}
	return hydrated, err
}

var lenient = jsontext.AllowDuplicateNames(true)

// hydrate answers nil for a placeholder that stands for nothing: it is left out.
func hydrate(v prefect.JSON) (prefect.JSON, error) {
	switch v.Kind() {
	case '{':
		object, err := membersOf(v)
		if err != nil {
			return nil, err
		}
		if kind, ok := object.get(placeholder); ok {
			return object.fill(kind)
		}
		return object.hydrate()
	case '[':
		return hydrateArray(v)
	}
	return v, nil
}

// fill is the value that a placeholder stands for.
func (o members) fill(kind prefect.JSON) (prefect.JSON, error) {
	name, _ := textOf(kind)
	switch name {
	case "none":
		value, ok := o.get("value")
		if !ok {
			return nil, missing("value")
		}
		return hydrate(value)
	case "json":
		value, ok, err := o.hydrated("value")
		if !ok || err != nil {
			return nil, err
		}
		return parsed(value)
	case "jinja":
		template, ok, err := o.hydrated("template")
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, missing("template")
		}
		return plainTemplate(template)
	case "workspace_variable":
		variable, ok, err := o.hydrated("variable_name")
		if !ok || err != nil {
			return nil, err
		}
		text, _ := textOf(variable)
		return nil, &Violation{"Variable '" + text + "' not found in workspace."}
	}
	if value, ok := o.get("value"); ok {
		return value, nil
	}
	return prefect.JSON("null"), nil
}

func missing(name string) error {
	return &Violation{"Missing '" + name + "' key in __prefect object"}
}

// parsed reads a text as JSON; any other value is what it is.
func parsed(v prefect.JSON) (prefect.JSON, error) {
	text, ok := textOf(v)
	if !ok {
		return v, nil
	}
	inner := prefect.JSON(text)
	if err := inner.Compact(lenient); err != nil {
		return nil, &Violation{"Invalid JSON: " + err.Error()}
	}
	return inner, nil
}

// plainTemplate is a template that has nothing to render.
func plainTemplate(v prefect.JSON) (prefect.JSON, error) {
	text, ok := textOf(v)
	if !ok {
		return nil, &Violation{"Invalid jinja: the template is no text"}
	}
	for _, mark := range []string{"{{", "{%", "{#"} {
		if strings.Contains(text, mark) {
			return nil, &Violation{"Invalid jinja: this server does not render templates yet"}
		}
	}
	return v, nil
}

func textOf(v prefect.JSON) (text string, ok bool) {
	if v.Kind() != '"' {
		return "", false
	}
	return text, prefect.Unmarshal(v, &text) == nil
}

// members are the members of an object in their order.
type members []member

type member struct {
	name  string
	value prefect.JSON
}

func membersOf(v prefect.JSON) (list members, err error) {
	dec := jsontext.NewDecoder(bytes.NewReader(v), lenient)
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		m := member{name: name.String()}
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		m.value = value.Clone()
		list = append(list, m)
	}
	return list, nil
}

func (o members) get(name string) (prefect.JSON, bool) {
	for _, m := range o {
		if m.name == name {
			return m.value, true
		}
	}
	return nil, false
}

// hydrated is a member of a placeholder, itself hydrated if it is an object; not
// ok if it is not there or stands for nothing.
func (o members) hydrated(name string) (v prefect.JSON, ok bool, err error) {
	v, ok = o.get(name)
	if ok && v.Kind() == '{' {
		v, err = hydrate(v)
	}
	return v, ok && v != nil, err
}

func (o members) hydrate() (prefect.JSON, error) {
	out := []byte{'{'}
	for _, m := range o {
		value, err := hydrate(m.value)
		if err != nil {
			return nil, err
		}
		if value == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		if out, err = jsontext.AppendQuote(out, m.name); err != nil {
			return nil, err
		}
		out = append(append(out, ':'), value...)
	}
	return compact(append(out, '}'))
}

func hydrateArray(v prefect.JSON) (prefect.JSON, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(v), lenient)
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	out := []byte{'['}
	for dec.PeekKind() != ']' {
		item, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		if item, err = hydrate(item.Clone()); err != nil {
			return nil, err
		}
		if item == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, item...)
	}
	return compact(append(out, ']'))
}

func compact(v prefect.JSON) (prefect.JSON, error) { return v, v.Compact(lenient) }
