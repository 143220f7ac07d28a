package inputschema

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"prefectd/prefect"
	"prefectd/prefect/templates"
)

// placeholder is the member that makes an object a placeholder for a value; it
// names the kind.
const placeholder = "__prefect_kind"

// Sources is what placeholders may stand for.
type Sources struct {
	Variables map[string]prefect.JSON // by name
	Values    map[string]any          // what templates see
}

// HasPlaceholders reports whether a value may have placeholders.
func HasPlaceholders(v prefect.JSON) bool { return bytes.Contains(v, []byte(placeholder)) }

// Hydrate replaces the placeholders in a value, and writes it without spaces. A
// placeholder that cannot be replaced is a *Violation.
func Hydrate(v prefect.JSON, from *Sources) (prefect.JSON, error) {
	if !HasPlaceholders(v) {
		v = v.Clone()
		return v, v.Compact(lenient)
	}
	hydrated, err := from.hydrate(v)
	if err == nil && hydrated == nil {
		hydrated = prefect.JSON(`{}`)
	}
	return hydrated, err
}

var lenient = jsontext.AllowDuplicateNames(true)

// hydrate answers nil for a placeholder that stands for nothing: it is left out.
func (s *Sources) hydrate(v prefect.JSON) (prefect.JSON, error) {
	switch v.Kind() {
	case '{':
		object, err := membersOf(v)
		if err != nil {
			return nil, err
		}
		if kind, ok := object.get(placeholder); ok {
			return s.fill(object, kind)
		}
		return s.hydrateObject(object)
	case '[':
		return s.hydrateArray(v)
	}
	return v, nil
}

// fill is the value that a placeholder stands for.
func (s *Sources) fill(o members, kind prefect.JSON) (prefect.JSON, error) {
	name, _ := textOf(kind)
	switch name {
	case "none":
		value, ok := o.get("value")
		if !ok {
			return nil, missing("value")
		}
		return s.hydrate(value)
	case "json":
		value, ok, err := s.member(o, "value")
		if !ok || err != nil {
			return nil, err
		}
		return parsed(value)
	case "jinja":
		template, ok, err := s.member(o, "template")
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, missing("template")
		}
		return s.render(template)
	case "workspace_variable":
		variable, ok, err := s.member(o, "variable_name")
		if !ok || err != nil {
			return nil, err
		}
		text, _ := textOf(variable)
		if value, ok := s.Variables[text]; ok {
			return value, nil
		}
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
		return nil, &Violation{"Invalid JSON: " + pythonSyntaxError(text, err)}
	}
	return inner, nil
}

// pythonSyntaxError words an error in JSON as Python's json module does.
func pythonSyntaxError(text string, err error) string {
	var at *jsontext.SyntacticError
	if !errors.As(err, &at) {
		return err.Error()
	}
	said, where := "Expecting value", at.Error()
	for part, words := range map[string]string{
		"expecting ',' or": "Expecting ',' delimiter", "at start of string": "Expecting property name enclosed in double quotes", "after object name": "Expecting ':' delimiter",
		"after object value": "Expecting ',' delimiter", "after array element": "Expecting ',' delimiter", "after top-level value": "Extra data",
	} {
		if strings.Contains(where, part) {
			said = words
		}
	}
	before := text[:min(int(at.ByteOffset), len(text))]
	if strings.Contains(where, "unexpected EOF") && strings.HasSuffix(strings.TrimSpace(before), "{") {
		said = "Expecting property name enclosed in double quotes"
	}
	if strings.Contains(where, "in literal") {
		before = strings.TrimRight(before, "abcdefghijklmnopqrstuvwxyz") // Python tells where it begins
	}
	char := utf8.RuneCountInString(before)
	column := char + 1
	if i := strings.LastIndex(before, "\n"); i >= 0 {
		column = utf8.RuneCountInString(before[i+1:]) + 1
	}
	return fmt.Sprintf("%s: line %d column %d (char %d)", said, strings.Count(before, "\n")+1, column, char)
}

// render renders a template.
func (s *Sources) render(v prefect.JSON) (prefect.JSON, error) {
	text, ok := textOf(v)
	if !ok {
		return nil, &Violation{"Invalid jinja: the template is no text"}
	}
	rendered, err := templates.Render(text, s.Values)
	if err != nil {
		return nil, &Violation{"Invalid jinja: " + err.Error()}
	}
	return prefect.Marshal(rendered)
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

// member is one of a placeholder, itself hydrated if it is an object; not
// ok if it is not there or stands for nothing.
func (s *Sources) member(o members, name string) (v prefect.JSON, ok bool, err error) {
	v, ok = o.get(name)
	if ok && v.Kind() == '{' {
		v, err = s.hydrate(v)
	}
	return v, ok && v != nil, err
}

func (s *Sources) hydrateObject(o members) (prefect.JSON, error) {
	var hydrated members
	for _, m := range o {
		value, err := s.hydrate(m.value)
		if err != nil {
			return nil, err
		}
		if value != nil {
			hydrated = append(hydrated, member{m.name, value})
		}
	}
	return hydrated.text()
}

// text writes the members as an object.
func (o members) text() (v prefect.JSON, err error) {
	out := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = jsontext.AppendQuote(out, m.name); err != nil {
			return nil, err
		}
		out = append(append(out, ':'), m.value...)
	}
	return compact(append(out, '}'))
}

func (s *Sources) hydrateArray(v prefect.JSON) (prefect.JSON, error) {
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
		if item, err = s.hydrate(item.Clone()); err != nil {
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
