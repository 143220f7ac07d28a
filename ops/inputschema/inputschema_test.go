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
			got, err := Hydrate(c.Value, &Sources{})
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
	got, err := Hydrate(prefect.JSON(`{"z": 1.0, "a": [1e5, {"__prefect_kind": "none", "value": {"é": "\u00e9\n"}}]}`), &Sources{})
	require.NoError(t, err)
	require.Equal(t, `{"z":1.0,"a":[1e5,{"é":"\u00e9\n"}]}`, string(got))
}

func TestHydrateRefuses(t *testing.T) {
	for value, text := range map[string]string{
		`{"a": {"__prefect_kind": "jinja", "template": 5}}`:                        "Invalid jinja: the template is no text",
		`{"a": {"__prefect_kind": "workspace_variable", "variable_name": "gone"}}`: "Variable 'gone' not found in workspace.",
		`{"a": {"__prefect_kind": "json", "value": "{no"}}`:                        "Invalid JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
		`{"a": {"__prefect_kind": "json", "value": "{\"a\"\n 1}"}}`:                "Invalid JSON: Expecting ':' delimiter: line 2 column 2 (char 6)",
		`{"a": {"__prefect_kind": "json", "value": "[1 2]"}}`:                      "Invalid JSON: Expecting ',' delimiter: line 1 column 4 (char 3)",
		`{"a": {"__prefect_kind": "json", "value": "1 2"}}`:                        "Invalid JSON: Extra data: line 1 column 3 (char 2)",
		`{"a": {"__prefect_kind": "json", "value": "nope"}}`:                       "Invalid JSON: Expecting value: line 1 column 1 (char 0)",
	} {
		_, err := Hydrate(prefect.JSON(value), &Sources{})
		require.EqualError(t, err, text)
	}
}

// Templates and variables fill in parameters; a template that is one expression keeps the
// type of its value if it stands in the parameters of an action.
func TestSources(t *testing.T) {
	from := &Sources{
		Variables: map[string]prefect.JSON{"v": prefect.JSON(`[1]`)},
		Values:    map[string]any{"event": map[string]any{"n": 1, "list": []any{1, "a"}}},
	}
	marked, err := MarkTemplates(prefect.JSON(`{"n": "{{ event.n }}", "text": "n is {{ event.n }}", "deep": [{"list": "{{ event.list }}"}], "plain": "x",
		"kept": {"__prefect_kind": "jinja", "template": "{{ event.n }}"}, "v": {"__prefect_kind": "workspace_variable", "variable_name": "v"}}`))
	require.NoError(t, err)
	got, err := Hydrate(marked, from)
	require.NoError(t, err)
	require.JSONEq(t, `{"n": 1, "text": "n is 1", "deep": [{"list": [1, "a"]}], "plain": "x", "kept": "1", "v": [1]}`, string(got))
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

// All that is wrong is told where it is, and nothing of what a template will make.
func TestFaults(t *testing.T) {
	const schema = `{"type":"object","properties":{"n":{"type":"integer"},"l":{"type":"array","items":{"type":"string"}},"o":{"type":"object","required":["d"]}},"required":["n"]}`
	for value, want := range map[string]string{
		`{"n":1}`: `[]`,
		`{}`:      `[{"property":"n","errors":["'n' is a required property"]}]`,
		`{"n":"x","l":["a",2,3],"o":{}}`: `[{"property":"l","errors":[{"index":1,"errors":["2 is not of type 'string'"]},{"index":2,"errors":["3 is not of type 'string'"]}]},` +
			`{"property":"n","errors":["'x' is not of type 'integer'"]},{"property":"o","errors":[{"property":"d","errors":["'d' is a required property"]}]}]`,
		`{"n":{"__prefect_kind":"jinja","template":"{{ x }}"}}`:                        `[]`,
		`{"n":{"__prefect_kind":"jinja","template":"{{ x"}}`:                           `[{"property":"n","errors":["Invalid jinja: unexpected end of template, expected 'end of print statement'."]}]`,
		`{"n":{"__prefect_kind":"workspace_variable","variable_name":"v"}}`:            `[]`,
		`{"n":1,"l":[{"__prefect_kind":"workspace_variable","variable_name":"none"}]}`: `[{"property":"l","errors":[{"index":0,"errors":["Variable 'none' not found in workspace."]}]}]`,
	} {
		got, err := Faults(prefect.JSON(value), prefect.JSON(schema), &Sources{Variables: map[string]prefect.JSON{"v": prefect.JSON("1")}})
		require.NoError(t, err)
		text, err := prefect.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, want, string(text), value)
	}
	_, err := Faults(prefect.JSON(`{}`), prefect.JSON(`{"type":"nonsense"}`), &Sources{})
	require.EqualError(t, err, "'nonsense' is not valid under any of the given schemas")
}
