package node

import (
	_ "embed"
	"fmt"
	"strings"

	"prefectd/prefect"
)

// defaultDocument is what GET /admin/settings of a Python server says when
// nothing was configured. Settings that prefectd does not have keep these values,
// because programs look for them.
//
//go:embed settings.json
var defaultDocument []byte

// branch is an object of the document: branches, and values as JSON.
type branch map[string]any

// Document is the answer of GET /admin/settings: the settings in effect.
func (s *Settings) Document() (prefect.JSON, error) {
	root, err := grow(defaultDocument)
	if err != nil {
		return nil, fmt.Errorf("settings document: %w", err)
	}
	for _, row := range s.rows() {
		value, err := row.json()
		if err != nil {
			return nil, fmt.Errorf("setting %s: %w", row.path, err)
		}
		if err := root.(branch).set(row.path, value); err != nil {
			return nil, err
		}
	}
	return prefect.Marshal(root)
}

// grow makes branches of the objects in a value.
func grow(v prefect.JSON) (any, error) {
	if v.Kind() != '{' {
		return v, nil
	}
	var fields map[string]prefect.JSON
	if err := prefect.Unmarshal(v, &fields); err != nil {
		return nil, err
	}
	b := branch{}
	for name, field := range fields {
		part, err := grow(field)
		if err != nil {
			return nil, err
		}
		b[name] = part
	}
	return b, nil
}

// set replaces the value at a path, which must be there.
func (b branch) set(path string, value prefect.JSON) error {
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		b, _ = b[name].(branch)
	}
	last := names[len(names)-1]
	if _, ok := b[last]; !ok {
		return fmt.Errorf("the settings document has no %s", path)
	}
	b[last] = value
	return nil
}
