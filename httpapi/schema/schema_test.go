package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/httpapi/schema"
	"prefectd/prefect"
)

var atBody = []any{"body"}

// decode reads a body into a T and returns the problems as type and place.
func decode[T any](body string) (value T, problems []string) {
	for _, p := range schema.Decode([]byte(body), atBody, &value) {
		problems = append(problems, fmt.Sprint(p.Type, p.Loc))
	}
	return value, problems
}

func TestTexts(t *testing.T) {
	texts, problems := decode[[]string](`["\u00e9\ud83d\ude00\n\"\\\/\b\f\r\t", "\ud800", "\udc00\u0041", "\ufffd", "\ud800\ud800"]`)
	require.Empty(t, problems)
	require.Equal(t, []string{"é😀\n\"\\/\b\f\r\t", "\ufffd", "\ufffdA", "\ufffd", "\ufffd\ufffd"}, texts)

	// Where the reference looks closer at a text it refuses half a character.
	_, problems = decode[prefect.FlowCreate](`{"name": "\ud800"}`)
	require.Equal(t, []string{"string_unicode[body name]"}, problems)
	_, problems = decode[prefect.ID](`"\ud800"`)
	require.Equal(t, []string{"string_unicode[body]"}, problems)
}

func TestLogsLoseNUL(t *testing.T) {
	logs, problems := decode[[]prefect.LogCreate](`[{"name": "a\u0000b", "level": 1, "message": "\u0000", "timestamp": 0}]`)
	require.Empty(t, problems)
	require.Equal(t, "ab", logs[0].Name)
	require.Empty(t, logs[0].Message)
}

func TestRawValuesStayAsTheyAre(t *testing.T) {
	body := `{"flow_id": "` + anID + `", "parameters": {"a": 1.0, "a" : 1e400, "b":"\ud800", "c": 123456789012345678901234567890},
		"labels": {"x": 1.50, "y": "é\u00e9"}, "state": {"type": "PENDING", "data": null}}`
	run, problems := decode[prefect.FlowRunCreate](body)
	require.Empty(t, problems)
	require.Equal(t, `{"a": 1.0, "a" : 1e400, "b":"\ud800", "c": 123456789012345678901234567890}`, string(run.Parameters))
	require.Equal(t, prefect.Labels{"x": prefect.JSON("1.50"), "y": prefect.JSON(`"é\u00e9"`)}, run.Labels)
	require.Equal(t, "{}", string(run.Context))
	require.Nil(t, run.State.Data)
	require.Equal(t, "Pending", *run.State.Name)
}

func TestNothingRefersToTheBody(t *testing.T) {
	body := []byte(`[{"occurred": 1, "event": "event", "id": "` + anID + `", "payload": {"a": "payload"},
		"resource": {"prefect.resource.id": "resource"}, "zz": "other"}]`)
	var events []prefect.Event
	require.Empty(t, schema.Decode(body, atBody, &events))
	problems := schema.Decode(body, atBody, new([]prefect.FlowCreate))
	before := fmt.Sprint(events, problems)
	for i := range body {
		body[i] = 'x'
	}
	require.Equal(t, before, fmt.Sprint(events, problems))
}

func TestPartialUpdate(t *testing.T) {
	update, problems := decode[prefect.FlowRunUpdate](`{"name": "", "tags": [], "job_variables": null, "empirical_policy": {}}`)
	require.Empty(t, problems)
	require.Equal(t, prefect.Opt[*string]{Set: true}, update.Name)
	require.Equal(t, prefect.Opt[[]string]{Set: true, Value: []string{}}, update.Tags)
	require.Equal(t, prefect.Opt[prefect.JSON]{Set: true}, update.JobVariables)
	require.Equal(t, prefect.StringSet{}, update.EmpiricalPolicy.Value.PauseKeys)
	require.False(t, update.Parameters.Set)
}

// TestWhatTheReferenceCrashesOn has the cases that it answers with a 500.
func TestWhatTheReferenceCrashesOn(t *testing.T) {
	run := `{"flow_id": "` + anID + `", "empirical_policy": %s}`
	for body, want := range map[string]string{
		fmt.Sprintf(run, `null`):                         "model_attributes_type[body empirical_policy]",
		fmt.Sprintf(run, `"x"`):                          "model_attributes_type[body empirical_policy]",
		fmt.Sprintf(run, `{"retries": -1e400}`):          "finite_number[body empirical_policy retries]",
		fmt.Sprintf(run, `{"retries": 1`+zeros(30)+`}`):  "int_parsing_size[body empirical_policy retries]",
		fmt.Sprintf(run, `{"retry_delay_seconds": NaN}`): "json_invalid[body 96]",
		fmt.Sprintf(run, `[-Infinity]`):                  "json_invalid[body 73]",
		`{"flow_id": "` + anID + `", "name": Infinity}`:  "json_invalid[body 60]",
	} {
		_, problems := decode[prefect.FlowRunCreate](body)
		require.Equal(t, []string{want}, problems, body)
	}
	_, problems := decode[[]prefect.LogCreate](`[{"name": "n", "level": 32768, "message": "m", "timestamp": "9999-12-31T23:59:59-01:00"}]`)
	require.Equal(t, []string{"less_than_equal[body 0 level]", "value_error[body 0 timestamp]"}, problems)
	_, problems = decode[prefect.FlowRunInputCreate](`{"key": "A b", "value": "x"}`)
	require.Equal(t, []string{"value_error[body key]"}, problems)
}

func zeros(n int) string { return strings.Repeat("0", n) }

func TestUnreadable(t *testing.T) {
	for name, body := range map[string]string{
		"no UTF-8":    "{\"name\": \"\xff\"}",
		"too deep":    `{"a":` + strings.Repeat("[", 900) + strings.Repeat("]", 900) + `}`,
		"long number": `{"a": 1` + zeros(4300) + `}`,
	} {
		_, problems := decode[prefect.FlowCreate](body)
		require.Equal(t, []string{"unreadable[body]"}, problems, name)
	}
	_, problems := decode[prefect.JSON](strings.Repeat("[", 900) + strings.Repeat("]", 900))
	require.Empty(t, problems)
}

func TestParametersMayNotBeTooLarge(t *testing.T) {
	decode := func(parameters string) []schema.Problem {
		return schema.Decode([]byte(`{"flow_id": "`+anID+`", "parameters": `+parameters+`}`), atBody, new(prefect.FlowRunCreate))
	}
	text := func(char string, n int) string { return strings.Repeat(char, n) }

	require.Empty(t, decode(`{"a": "`+text("x", 524_280)+`"}`))
	require.Empty(t, decode(`{"a": "`+text(`\u0041`, 524_280)+`"}`))
	require.Empty(t, decode(`{"a": [1.50`+text(" ", 600_000)+`]}`))
	for parameters, size := range map[string]string{
		`{"a": "` + text("x", 524_281) + `"}`:       "524,289",
		`{"a": "` + text("é", 90_000) + `"}`:        "540,008",
		`{"a": "` + text("😀", 50_000) + `"}`:        "600,008",
		`{"a": "` + text(`\n\u0001`, 70_000) + `"}`: "560,008",
		`{"a": [` + text(`1.50, `, 131_072) + `2]}`: "524,297",
	} {
		problems := decode(parameters)
		require.Len(t, problems, 1)
		require.Equal(t, "Value error, Flow run parameters must be less than 524,288 bytes when serialized (got "+size+" bytes).", problems[0].Msg)
	}
}

func TestTooManyProblems(t *testing.T) {
	problems := schema.Decode([]byte("["+strings.Repeat("0,", 5000)+"0]"), atBody, new([]prefect.LogCreate))
	require.Len(t, problems, 1000)
}

func TestRepeatedKeys(t *testing.T) {
	flow, problems := decode[prefect.FlowCreate](`{"name": "/", "zz": 1, "tags": ["a", "b"], "labels": {"a": null, "b": [], "a": 1}, "name": "n", "zz": 2, "tags": ["c"]}`)
	require.Equal(t, "n", flow.Name)
	require.Equal(t, []string{"c"}, flow.Tags)
	require.Equal(t, []string{
		"bool_type[body labels b bool]", "int_type[body labels b int]", "float_type[body labels b float]", "string_type[body labels b str]",
		"extra_forbidden[body zz]",
	}, problems)
}

func TestOptionalBody(t *testing.T) {
	for _, body := range []string{"", "null", " null "} {
		update, problems := decode[*prefect.FlowUpdate](body)
		require.Empty(t, problems)
		require.Nil(t, update)
	}
	update, problems := decode[*prefect.FlowUpdate]("{}")
	require.Empty(t, problems)
	require.NotNil(t, update)
}

// The hooks of a type.
type (
	span struct {
		From int `json:"from" check:"required"`
		To   int `json:"to"`
	}
	word string
)

func (s *span) SetDefaults() {
	if s.To == 0 {
		s.To = s.From + 1
	}
}

func (s *span) Check() error {
	if s.To < s.From {
		return errors.New("ends before it begins")
	}
	return nil
}

func (w word) Check() error {
	if w == "bad" {
		return errors.New("a bad word")
	}
	return nil
}

func TestHooks(t *testing.T) {
	s, problems := decode[span](`{"from": 1}`)
	require.Empty(t, problems)
	require.Equal(t, span{1, 2}, s)
	_, problems = decode[span](`{"from": 2, "to": 1}`)
	require.Equal(t, []string{"value_error[body]"}, problems)
	_, problems = decode[span](`{"to": 1}`) // the rule is not looked at
	require.Equal(t, []string{"missing[body from]"}, problems)
	_, problems = decode[map[string][]*word](`{"a": ["good", null, "bad"]}`)
	require.Equal(t, []string{"value_error[body a 2]"}, problems)
}

func TestContainers(t *testing.T) {
	type body struct {
		Set    []string       `json:"set" check:"set,maxlen=2"`
		Short  []int          `json:"short" check:"minlen=2"`
		Object map[string]int `json:"object" check:"minlen=1,maxlen=1"`
		Null   map[string]int `json:"null" check:"nullable"`
		Must   *int           `json:"must" check:"notnull"`
	}
	b, problems := decode[body](`{"set": ["b", "a", "b"], "short": [1, 2], "object": {"a": 1}, "null": null}`)
	require.Empty(t, problems)
	require.Equal(t, body{Set: []string{"b", "a"}, Short: []int{1, 2}, Object: map[string]int{"a": 1}}, b)

	_, problems = decode[body](`{"set": ["a", "b", "c", 1], "short": [1], "object": {"a": 1, "b": 2}, "null": 5, "must": null}`)
	require.Equal(t, []string{
		"too_long[body set]", "too_short[body short]", "too_long[body object]", "dict_type[body null]", "int_type[body must]",
	}, problems)
}

func TestNumbersThatDoNotFit(t *testing.T) {
	type body struct {
		Small int8  `json:"small"`
		Level int16 `json:"level" check:"int16"`
	}
	_, problems := decode[body](`{"small": 128, "level": "-32769"}`)
	require.Equal(t, []string{"int_parsing_size[body small]", "greater_than_equal[body level]"}, problems)
}

func TestCompileRefusesMistakes(t *testing.T) {
	type (
		unsupported struct {
			C chan int `json:"c"`
		}
		anything struct {
			A any `json:"a"`
		}
		unnamed  struct{ A int }
		misspelt struct {
			A int `json:"a" check:"requird"`
		}
		badStruct struct {
			_ struct{} `check:"open"`
		}
		badPreset struct {
			A int `json:"a" check:"default=x"`
		}
		badFallback struct {
			A int `json:"a" check:"fallback=b"`
		}
		badNull struct {
			A int `json:"a" check:"falsy"`
		}
		badSuit struct {
			A string `json:"a" check:"ge=1"`
		}
		badRule struct {
			A int `json:"a" check:"name"`
		}
		badKey struct {
			A map[int]string `json:"a"`
		}
	)
	for name, compile := range map[string]func(){
		"a channel": schema.Compile[unsupported], "any": schema.Compile[anything], "no name": schema.Compile[unnamed],
		"unknown check": schema.Compile[misspelt], "unknown flag": schema.Compile[badStruct], "default": schema.Compile[badPreset],
		"fallback": schema.Compile[badFallback], "falsy": schema.Compile[badNull], "key": schema.Compile[badKey],
		"unsuited check": schema.Compile[badSuit], "unsuited rule": schema.Compile[badRule],
	} {
		require.Panics(t, compile, name)
	}
	schema.Compile[prefect.FlowRunCreate]()
}

// tree is a type that contains itself.
type tree struct {
	Name     string  `json:"name" check:"required"`
	Children []*tree `json:"children"`
}

func TestRecursiveType(t *testing.T) {
	_, problems := decode[tree](`{"name": "a", "children": [{"name": "b", "children": [{}]}]}`)
	require.Equal(t, []string{"missing[body children 0 children 0 name]"}, problems)
}

func TestQuery(t *testing.T) {
	type query struct {
		_       struct{}     `check:"params"`
		Run     prefect.ID   `json:"flow_run_id" check:"required"`
		Secrets bool         `json:"include_secrets"`
		Since   prefect.Time `json:"since"`
		Limit   int          `json:"limit" check:"ge=1,default=200"`
		Text    *string      `json:"query"`
	}
	get := func(pairs ...string) func(string) (string, bool) {
		return func(name string) (string, bool) {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1], true
				}
			}
			return "", false
		}
	}
	var q query
	require.Empty(t, schema.DecodeQuery(get("flow_run_id", anID, "include_secrets", "true", "since", "2024-01-02T03:04:05Z", "query", `a"b`), &q))
	text := `a"b`
	require.Equal(t, query{Run: q.Run, Secrets: true, Since: q.Since, Limit: 200, Text: &text}, q)
	require.Equal(t, anID, q.Run.String())
	require.Equal(t, "2024-01-02T03:04:05Z", q.Since.String())

	problems := schema.DecodeQuery(get("include_secrets", "x", "limit", "0", "since", "soon"), new(query))
	answer, err := prefect.Marshal(problems)
	require.NoError(t, err)
	require.JSONEq(t, `[
		{"type": "missing", "loc": ["query", "flow_run_id"], "msg": "Field required", "input": null},
		{"type": "bool_parsing", "loc": ["query", "include_secrets"], "msg": "Input should be a valid boolean, unable to interpret input", "input": "x"},
		{"type": "value_error", "loc": ["query", "since"], "msg": "Value error, Unable to parse string [soon]", "input": "soon", "ctx": {"error": {}}},
		{"type": "greater_than_equal", "loc": ["query", "limit"], "msg": "Input should be greater than or equal to 1", "input": "0", "ctx": {"ge": 1}}
	]`, string(answer))
	require.Panics(t, func() { schema.DecodeQuery(get(), new(prefect.FlowCreate)) })
}

func TestRefusal(t *testing.T) {
	for _, c := range []struct {
		body   string
		status int
		answer string
	}{
		{`{"name":"x","foo":1.50}`, 422, `{"exception_message":"Invalid request received.","exception_detail":[{"type":"extra_forbidden","loc":["body","foo"],"msg":"Extra inputs are not permitted","input":1.50}],"request_body":{"name":"x","foo":1.50}}`},
		{"\ufeff[]", 422, `{"exception_message":"Invalid request received.","exception_detail":[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","input":[]}],"request_body":[]}`},
		{`{bad`, 422, `{"exception_message":"Invalid request received.","exception_detail":[{"type":"json_invalid","loc":["body",1],"msg":"JSON decode error","input":{},"ctx":{"error":"Expecting property name enclosed in double quotes"}}],"request_body":"{bad"}`},
		{``, 422, `{"exception_message":"Invalid request received.","exception_detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}],"request_body":null}`},
		{"\"\xff\"", 400, `{"detail":"There was an error parsing the body"}`},
	} {
		problems := schema.Decode([]byte(c.body), atBody, new(prefect.FlowCreate))
		status, answer, err := schema.Refusal([]byte(c.body), problems)
		require.NoError(t, err)
		require.Equal(t, c.status, status)
		require.Equal(t, c.answer, string(answer))
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]prefect.Duration{
		`5`: 5 * prefect.Second, `5.5`: 5500 * prefect.Millisecond, `-5`: -5 * prefect.Second, `true`: prefect.Second, `false`: 0,
		`0.0000005`: 1, `"PT5S"`: 5 * prefect.Second, `"P1D"`: prefect.Day, `"P1DT1H"`: 25 * prefect.Hour, `"-P1D"`: -prefect.Day,
		`"+P1D"`: prefect.Day, `"P1W"`: 7 * prefect.Day, `"P1Y"`: 365 * prefect.Day, `"P1M"`: 30 * prefect.Day, `"P1.5D"`: 36 * prefect.Hour,
		`"PT1.5H"`: 90 * prefect.Minute, `"PT1,5S"`: 1500 * prefect.Millisecond, `"P1DT"`: prefect.Day, `"PT1H1H"`: 2 * prefect.Hour,
		`"PT0.0000001S"`: 0, `"1 day, 00:00:01"`: prefect.Day + prefect.Second, `"1 days 01:00:00"`: 25 * prefect.Hour,
		`"2d 00:01"`: 48*prefect.Hour + prefect.Minute, `"01:00"`: prefect.Hour, `"01:02:03.5"`: 3723500 * prefect.Millisecond,
		`"-01:02:03"`: -3723 * prefect.Second, `"25:00:00"`: 25 * prefect.Hour, `"1d"`: prefect.Day, `"1 d"`: prefect.Day, `"1 day,"`: prefect.Day,
	} {
		d, problems := decode[prefect.Duration](text)
		require.Empty(t, problems, text)
		require.Equal(t, want, d, text)
	}
	for text, reason := range map[string]string{
		`"5"`: `"day" identifier in duration not correctly formatted`, `"1e3"`: `"day" identifier in duration not correctly formatted`,
		`"P"`: "input is too short", `"PT"`: "input is too short", `""`: "input is too short", `"x"`: "invalid digit in duration",
		`"24:60:00"`: "minute value is outside expected range of 0-59", `"1:2:3"`: "invalid character in minute",
		`"P9999999999D"`: "a numeric value in the duration is too large", `"P1S"`: "quantity invalid in date part of duration",
		`"PT1D"`: "quantity invalid in time part of duration", `"pt5s"`: "invalid digit in duration", `" 5"`: "invalid digit in duration",
	} {
		var d prefect.Duration
		problems := schema.Decode([]byte(text), atBody, &d)
		require.Len(t, problems, 1, text)
		require.Equal(t, "time_delta_parsing", problems[0].Type)
		require.Equal(t, "Input should be a valid timedelta, "+reason, problems[0].Msg, text)
	}
	_, problems := decode[prefect.Duration](`[]`)
	require.Equal(t, []string{"time_delta_type[body]"}, problems)
}

func TestTimesOfToday(t *testing.T) {
	now, problems := decode[prefect.Time](`"now"`)
	require.Empty(t, problems)
	require.False(t, now.IsNull())
	at, problems := decode[prefect.Time](`"10:11:12.5"`)
	require.Empty(t, problems)
	require.Contains(t, at.String(), "T10:11:12.500000Z")
}

// FuzzDecode feeds bodies to every type: none may panic, and what is accepted
// must be printable.
func FuzzDecode(f *testing.F) {
	for _, c := range captures(f) {
		f.Add([]byte(c.Body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for name, new := range bodyTypes {
			dst := new()
			problems := schema.Decode(body, atBody, dst)
			if len(problems) == 0 {
				_, err := prefect.Marshal(dst)
				require.NoError(t, err, name)
				continue
			}
			_, answer, err := schema.Refusal(body, problems)
			require.NoError(t, err, name)
			require.True(t, prefect.JSON(answer).IsValid() || !prefect.JSON(body).IsValid(), name)
		}
	})
}
