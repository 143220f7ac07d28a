package prefect

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Enum is a type with a fixed list of wire names, in the order in which the API
// declares them. The decoder of requests uses it for its messages.
type Enum interface{ EnumValues() []string }

func enumIndex(names []string, text []byte) (int, error) {
	for i, name := range names {
		if i > 0 && name == string(text) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("unknown value %q", text)
}

func (t RetryType) String() string { return retryTypeNames[t] }

// EnumValues lists the accepted texts.
func (RetryType) EnumValues() []string { return retryTypeNames[1:] }

// MarshalJSONTo prints the name or null.
func (t RetryType) MarshalJSONTo(enc *jsontext.Encoder) error {
	if t == NoRetryType {
		return enc.WriteToken(jsontext.Null)
	}
	return enc.WriteToken(jsontext.String(retryTypeNames[t]))
}

// UnmarshalText reads the wire name.
func (t *RetryType) UnmarshalText(text []byte) error {
	n, err := enumIndex(retryTypeNames[:], text)
	*t = RetryType(n)
	return err
}

// StringSet is a list of texts that may be null.
type StringSet []string

// MarshalJSONTo prints null for a nil set.
func (s StringSet) MarshalJSONTo(enc *jsontext.Encoder) error {
	if s == nil {
		return enc.WriteToken(jsontext.Null)
	}
	return json.MarshalEncode(enc, []string(s))
}

// choose reads a value of an Enum that is a text.
func choose[E interface {
	~string
	Enum
}](dst *E, text []byte) error {
	if !slices.Contains((*dst).EnumValues(), string(text)) {
		return fmt.Errorf("unknown value %q", text)
	}
	*dst = E(text)
	return nil
}
