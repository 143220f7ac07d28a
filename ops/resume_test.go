package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

// pausedForInput makes a run that waits for input of a schema; an empty schema is
// not stored.
func (c *testCluster) pausedForInput(schema string) prefect.ID {
	run := c.runningFlowRun(prefect.FlowRunPolicy{})
	pause := c.paused("", "k")
	pause.Details.RunInputKeyset = prefect.StringMap{"schema": "k-schema", "response": "k-response"}
	c.setFlowRun(run.ID, pause).accepted(c.t, "Paused")
	if schema != "" {
		must[any](c, c.layout.Of(run.ID), &CreateInput{RunID: run.ID, Body: prefect.FlowRunInputCreate{Key: "k-schema", Value: schema}})
	}
	return run.ID
}

func (c *testCluster) resume(id prefect.ID, input string) (*Orchestration, error) {
	return ResumeRun(c.t.Context(), c, id, prefect.JSON(input), ClientInfo{})
}

// answerTo reads what a resume stored for the run; empty if nothing.
func (c *testCluster) answerTo(id prefect.ID) string {
	in, err := Ask[*prefect.FlowRunInput](c.t.Context(), c, c.layout.Of(id), &ReadInput{RunID: id, Key: "k-response"})
	if err != nil {
		return ""
	}
	return in.Value
}

func TestResumeWithInput(t *testing.T) {
	const numbers = `{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}`
	for name, tc := range map[string]struct{ schema, input, refusal, stored string }{
		"fits":                  {numbers, `{"n": 4}`, "", `{"n":4}`},
		"a placeholder fits":    {numbers, `{"n": {"__prefect_kind": "json", "value": "5"}}`, "", `{"n":5}`},
		"nothing is needed":     {`{"type": "object"}`, ``, "", ""},
		"an empty one":          {`{"type": "object"}`, `{ }`, "", ""},
		"does not fit":          {numbers, `{"n": "x"}`, "Reason: Validation failed for field 'n'. Failure reason: 'x' is not of type 'integer'", ""},
		"is missing":            {numbers, `null`, "Reason: Validation failed. Failure reason: 'n' is a required property", ""},
		"no schema":             {"", `{"n": 4}`, "Run input schema not found.", ""},
		"broken schema":         {"{", `{"n": 4}`, "Run input schema is not valid JSON.", ""},
		"circular schema":       {`{"$ref": "#"}`, `{"n": 4}`, "Invalid schema: Unable to validate schema with circular references.", ""},
		"a variable":            {numbers, `{"n": {"__prefect_kind": "workspace_variable", "variable_name": "v"}}`, "Error hydrating run input: Variable 'v' not found in workspace.", ""},
		"an empty placeholder":  {numbers, `{"n": {"__prefect_kind": "none"}}`, "Error hydrating run input: Missing 'value' key in __prefect object", ""},
		"a schema that is none": {`{"type": 5}`, `{"n": 4}`, "Invalid schema: ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestCluster(t, 2)
			id := c.pausedForInput(tc.schema)
			o, err := c.resume(id, tc.input)
			require.NoError(t, err)
			require.Equal(t, tc.stored, c.answerTo(id))
			if tc.refusal == "" {
				o.accepted(t, "Running")
				return
			}
			require.Equal(t, rejected, o.Status)
			require.Equal(t, "abort_details", o.Details.Type)
			require.Contains(t, *o.Details.Reason, tc.refusal)
			require.Equal(t, "Paused", o.State.Name)
			require.Equal(t, prefect.Paused, c.readFlowRun(id).StateType)
		})
	}
}

func TestResumeOfARunThatIsNotPaused(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.runningFlowRun(prefect.FlowRunPolicy{})
	o, err := c.resume(run.ID, ``)
	require.NoError(t, err)
	o.refused(t, aborted, "Cannot resume a flow run that is not paused.")
	require.Nil(t, o.State)
}

// An answer that is there already is not overwritten: nothing happens.
func TestResumeTwiceAnswered(t *testing.T) {
	c := newTestCluster(t, 1)
	id := c.pausedForInput(`{}`)
	must[any](c, 1, &CreateInput{RunID: id, Body: prefect.FlowRunInputCreate{Key: "k-response", Value: "1"}})
	_, err := c.resume(id, `{"n": 1}`)
	var refusal *Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, 409, refusal.Status)
	require.Equal(t, prefect.Paused, c.readFlowRun(id).StateType)
	require.Equal(t, "1", c.answerTo(id))
}

// Without a keyset the input is not looked at.
func TestResumeIgnoresUnaskedInput(t *testing.T) {
	c := newTestCluster(t, 1)
	run := c.runningFlowRun(prefect.FlowRunPolicy{})
	c.setFlowRun(run.ID, c.paused("", "k"))
	o, err := c.resume(run.ID, `{"n": {"__prefect_kind": "none"}}`)
	require.NoError(t, err)
	o.accepted(t, "Running")
}
