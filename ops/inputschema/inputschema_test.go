package inputschema

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

// readCases reads what the Python server made of values and schemas.
func readCases(t *testing.T) (cases struct {
	Validate []struct {
		Value  prefect.JSON `json:"value"`
		Schema prefect.JSON `json:"schema"`
		Error  string       `json:"error"`
	} `json:"validate"`
	Hydrate []struct {
		Value    prefect.JSON `json:"value"`
		Hydrated prefect.JSON `json:"hydrated"`
		Error    string       `json:"error"`
	} `json:"hydrate"`
}) {
	data, err := os.ReadFile("testdata/cases.json")
	require.NoError(t, err)
	require.NoError(t, prefect.Unmarshal(data, &cases))
	return cases
}

func TestValidate(t *testing.T) {
	for _, c := range readCases(t).Validate {
		t.Run(string(c.Value)+" "+string(c.Schema), func(t *testing.T) {
			err := Validate(c.Value, c.Schema)
			var v *Violation
			switch c.Error {
			case "":
				require.NoError(t, err)
			case "CIRCULAR":
				require.ErrorIs(t, err, ErrCircular)
			default:
				require.ErrorAs(t, err, &v)
				require.Equal(t, c.Error, v.Text)
			}
		})
	}
}

func TestHydrate(t *testing.T) {
	for _, c := range readCases(t).Hydrate {
		t.Run(string(c.Value), func(t *testing.T) {
			got, err := Hydrate(c.Value)
			if c.Error != "" {
				require.EqualError(t, err, c.Error)
				return
			}
			require.NoError(t, err)
			require.NoError(t, c.Hydrated.Compact())
			require.Equal(t, string(c.Hydrated), string(got))
		})
	}
}

func TestHydrateKeepsOrderAndNumbers(t *testing.T) {
	got, err := Hydrate(prefect.JSON(`{"z": 1.0, "a": [1e5, {"__prefect_kind": "none", "value": {"é": "\u00e9\n"}}]}`))
	require.NoError(t, err)
	require.Equal(t, `{"z":1.0,"a":[1e5,{"é":"\u00e9\n"}]}`, string(got))
}

func TestHydrateRefuses(t *testing.T) {
	for value, text := range map[string]string{
		`{"a": {"__prefect_kind": "jinja", "template": "{{ x }}"}}`: "Invalid jinja: this server does not render templates yet",
		`{"a": {"__prefect_kind": "jinja", "template": 5}}`:         "Invalid jinja: the template is no text",
	} {
		_, err := Hydrate(prefect.JSON(value))
		require.EqualError(t, err, text)
	}
	_, err := Hydrate(prefect.JSON(`{"a": {"__prefect_kind": "json", "value": "{no"}}`))
	require.ErrorContains(t, err, "Invalid JSON: ")
}

// A schema must not make the server read a file.
func TestReferencesLeadNowhere(t *testing.T) {
	err := Validate(prefect.JSON(`{}`), prefect.JSON(`{"$ref": "file:///etc/passwd"}`))
	require.EqualError(t, err, "Validation failed. Failure reason: Unresolvable: file:///etc/passwd")
}

func TestBadSchemas(t *testing.T) {
	for _, schema := range []string{`{"type": 5}`, `{`, `"x"`} {
		err := Validate(prefect.JSON(`{}`), prefect.JSON(schema))
		var v *Violation
		require.Error(t, err, schema)
		require.NotErrorAs(t, err, &v, schema)
	}
}
