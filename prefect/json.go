package prefect

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// JSON is a JSON value kept as the bytes in which it arrived, so that 1.0 stays
// 1.0 and big integers keep their digits.
type JSON = jsontext.Value

// options accept what Python's decoder accepts (duplicate names, lone
// surrogates) and print maps in a stable order.
var options = json.JoinOptions(
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
	json.Deterministic(true),
)

// Marshal encodes v as the API prints it.
func Marshal(v any) ([]byte, error) { return json.Marshal(v, options) }

// AppendJSON encodes v into buf.
func AppendJSON(buf *bytes.Buffer, v any) error { return json.MarshalWrite(buf, v, options) }

// Unmarshal decodes trusted JSON (rows, settings, golden files). Requests go
// through the validating decoder of the HTTP layer instead.
func Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v, options) }

// IsNull reports whether v is absent or the JSON null.
func IsNull(v JSON) bool { return len(v) == 0 || v.Kind() == 'n' }

// StringMap is an object of texts that may be null.
type StringMap map[string]string

// MarshalJSONTo prints null for a nil map.
func (m StringMap) MarshalJSONTo(enc *jsontext.Encoder) error {
	if m == nil {
		return enc.WriteToken(jsontext.Null)
	}
	return json.MarshalEncode(enc, map[string]string(m))
}

// Labels are the key-value labels of flows and runs; each value is a JSON
// boolean, number or string.
type Labels map[string]JSON

// Merge returns the union of labels; those of later maps win.
func (l Labels) Merge(others ...Labels) Labels {
	merged := make(Labels, len(l))
	for _, m := range append([]Labels{l}, others...) {
		for k, v := range m {
			merged[k] = v
		}
	}
	return merged
}
