package node

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"prefectd/prefect"
)

// vacuumTypes is what is removed when it is old.
type vacuumTypes []string

// UnmarshalText reads names with commas between or as a JSON list; true stands for
// all of them, and false, as there, for events alone.
func (v *vacuumTypes) UnmarshalText(text []byte) error {
	known := []string{"events", "flow_runs", "orphans"}
	switch s := strings.ToLower(strings.TrimSpace(string(text))); {
	case s == "true" || s == "1":
		*v = known
		return nil
	case s == "false" || s == "0":
		*v = known[:1]
		return nil
	case s == "null":
		*v = vacuumTypes{}
		return nil
	case strings.HasPrefix(s, "["):
		*v = vacuumTypes{}
		if err := prefect.Unmarshal(text, (*[]string)(v)); err != nil {
			return fmt.Errorf("%q is no list: %w", text, err)
		}
	default:
		*v = vacuumTypes{}
		for name := range strings.SplitSeq(string(text), ",") {
			*v = append(*v, strings.TrimSpace(name))
		}
	}
	for _, name := range *v {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%q is none of %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// retentions says how long events of some names are kept.
type retentions map[string]prefect.Duration

// UnmarshalText reads an object of durations.
func (r *retentions) UnmarshalText(text []byte) error {
	var object map[string]prefect.JSON
	if err := prefect.Unmarshal(text, &object); err != nil {
		return fmt.Errorf("%q is no object of names and durations: %w", text, err)
	}
	*r = retentions{}
	for name, value := range object {
		d, err := parseDuration(unquoted(value))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if d <= 0 {
			return fmt.Errorf("%s: %s must be more than 0", name, value)
		}
		(*r)[name] = d
	}
	return nil
}

// unquoted is the text of a JSON string, and other values as they are written.
func unquoted(v prefect.JSON) string {
	if text, err := strconv.Unquote(string(v)); err == nil {
		return text
	}
	return string(v)
}

// MarshalJSON shows durations as the settings document does.
func (r *retentions) MarshalJSON() ([]byte, error) {
	shown := map[string]string{}
	for name, d := range *r {
		shown[name] = formatDuration(d)
	}
	return prefect.Marshal(shown)
}
