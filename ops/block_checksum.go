package ops

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"prefectd/prefect"
)

// blockChecksum identifies the fields of a block schema, by the same text that clients
// hash (reference/blocks.md, "Checksum").
func blockChecksum(fields prefect.JSON) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(fields))
	dec.UseNumber()
	var all map[string]any
	if err := dec.Decode(&all); err != nil {
		return "", fmt.Errorf("fields of a block schema: %w", err)
	}
	hashed := withoutSecretFields(all).(map[string]any)
	if kept := definitionsOf(hashed); len(kept) > 0 {
		hashed["definitions"] = kept
	} else {
		delete(hashed, "definitions")
	}
	sum := sha256.Sum256(appendPython([]byte("[["), hashed, "], {}]"))
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// withoutSecretFields copies a value without the keys secret_fields, except in lists.
func withoutSecretFields(v any) any {
	object, ok := v.(map[string]any)
	if !ok {
		return v
	}
	kept := make(map[string]any, len(object))
	for name, value := range object {
		if name != "secret_fields" {
			kept[name] = withoutSecretFields(value)
		}
	}
	return kept
}

// definitionsOf are the definitions that some fields need, other than those of blocks and
// empty ones.
func definitionsOf(fields map[string]any) map[string]any {
	all, _ := fields["definitions"].(map[string]any)
	kept := map[string]any{}
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				follow(item)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				name := strings.TrimPrefix(ref, "#/definitions/")
				definition, _ := all[name].(map[string]any)
				_, done := kept[name]
				if len(definition) > 0 && definition["block_type_slug"] == nil && !done {
					kept[name] = definition
					follow(definition)
				}
			}
			for _, value := range v {
				follow(value)
			}
		}
	}
	follow(fields)
	return kept
}

// appendPython writes a value as Python's json module does, with its keys in order, and
// then some text.
func appendPython(b []byte, v any, after string) []byte {
	switch v := v.(type) {
	case map[string]any:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(appendPythonText(b, name), ": "...)
			b = appendPython(b, v[name], "")
		}
		b = append(b, '}')
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendPython(b, item, "")
		}
		b = append(b, ']')
	case string:
		b = appendPythonText(b, v)
	case json.Number:
		b = appendPythonNumber(b, v)
	case bool:
		b = strconv.AppendBool(b, v)
	case nil:
		b = append(b, "null"...)
	}
	return append(b, after...)
}

// appendPythonNumber writes whole numbers as they are, and others as floats.
func appendPythonNumber(b []byte, n json.Number) []byte {
	if !strings.ContainsAny(n.String(), ".eE") {
		return append(b, n...)
	}
	f, err := n.Float64()
	if err != nil {
		return append(b, n...) // out of range: there is no such schema
	}
	return prefect.AppendFloat(b, f)
}

// appendPythonText writes a text in ASCII.
func appendPythonText(b []byte, text string) []byte {
	b = append(b, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\b':
			b = append(b, `\b`...)
		case r == '\f':
			b = append(b, `\f`...)
		case r >= ' ' && r <= '~':
			b = append(b, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return append(b, '"')
}
