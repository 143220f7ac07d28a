package schema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	json2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"prefectd/httpapi/schema"
	"prefectd/prefect"
)

// The bodies that prefect does not declare.
type (
	setState struct {
		_     struct{}            `check:"params"`
		State prefect.StateCreate `json:"state" check:"required"`
		Force bool                `json:"force"`
	}
	bulkSetState struct {
		_        struct{}            `check:"params"`
		FlowRuns *flowRunFilter      `json:"flow_runs"`
		State    prefect.StateCreate `json:"state" check:"required"`
		Force    bool                `json:"force"`
		Limit    int                 `json:"limit" check:"ge=1,le=50,default=50"`
	}
	resume struct {
		_        struct{}     `check:"params"`
		RunInput prefect.JSON `json:"run_input" check:"object,nullable"`
	}
	flowRunsFilter struct {
		_      struct{}    `check:"params"`
		Limit  *int        `json:"limit"`
		Sort   flowRunSort `json:"sort" check:"default=ID_DESC"`
		Offset int         `json:"offset" check:"ge=0,default=0"`
		filters
	}
	flowRunsHistory struct {
		_        struct{}       `check:"params"`
		Start    prefect.Time   `json:"history_start" check:"required"`
		End      prefect.Time   `json:"history_end" check:"required"`
		Interval prefect.Float  `json:"history_interval_seconds" check:"required"`
		Flows    *flowFilter    `json:"flows"`
		FlowRuns *flowRunFilter `json:"flow_runs"`
		others
		WorkQueues *empty `json:"work_queues"`
	}
	filters struct {
		Flows    *flowFilter    `json:"flows"`
		FlowRuns *flowRunFilter `json:"flow_runs"`
		others
		WorkPoolQueues *empty `json:"work_pool_queues"`
	}
	others struct {
		TaskRuns    *empty `json:"task_runs"`
		Deployments *empty `json:"deployments"`
		WorkPools   *empty `json:"work_pools"`
	}
	empty struct {
		_ struct{} `check:"closed"`
	}
	flowFilter struct {
		_        struct{} `check:"closed"`
		Operator operator `json:"operator" check:"default=and_"`
		ID       *anyID   `json:"id"`
		Name     *anyText `json:"name"`
		Tags     *tags    `json:"tags"`
	}
	flowRunFilter struct {
		_         struct{}  `check:"closed"`
		Operator  operator  `json:"operator" check:"default=and_"`
		ID        *anyID    `json:"id"`
		Name      *anyText  `json:"name"`
		Tags      *tags     `json:"tags"`
		State     *state    `json:"state"`
		StartTime *timeSpan `json:"start_time"`
	}
	anyID struct {
		_      struct{}     `check:"closed,nullable"`
		Any    []prefect.ID `json:"any_"`
		NotAny []prefect.ID `json:"not_any_"`
	}
	anyText struct {
		_    struct{} `check:"closed,nullable"`
		Any  []string `json:"any_"`
		Like *string  `json:"like_"`
	}
	tags struct {
		_        struct{} `check:"closed,nullable"`
		Operator operator `json:"operator" check:"default=and_"`
		All      []string `json:"all_"`
		Any      []string `json:"any_"`
		IsNull   *bool    `json:"is_null_"`
	}
	state struct {
		_        struct{}   `check:"closed"`
		Operator operator   `json:"operator" check:"default=and_"`
		Type     *stateType `json:"type"`
	}
	stateType struct {
		_   struct{}            `check:"closed,nullable"`
		Any []prefect.StateType `json:"any_"`
	}
	timeSpan struct {
		_      struct{}     `check:"closed"`
		Before prefect.Time `json:"before_"`
		After  prefect.Time `json:"after_"`
		IsNull *bool        `json:"is_null_"`
	}
	logsFilter struct {
		_      struct{}   `check:"params"`
		Limit  *int       `json:"limit"`
		Offset int        `json:"offset" check:"ge=0,default=0"`
		Logs   *logFilter `json:"logs"`
		Sort   logSort    `json:"sort" check:"default=TIMESTAMP_ASC"`
	}
	logFilter struct {
		_        struct{} `check:"closed"`
		Operator operator `json:"operator" check:"default=and_"`
		Level    *level   `json:"level"`
		Text     *query   `json:"text"`
	}
	level struct {
		_  struct{} `check:"closed"`
		GE *int     `json:"ge_"`
		LE *int     `json:"le_"`
	}
	query struct {
		_     struct{} `check:"closed"`
		Query string   `json:"query" check:"required,maxlen=200"`
	}
	eventsFilter struct {
		_      struct{}     `check:"params"`
		Filter *eventFilter `json:"filter"`
		Limit  int          `json:"limit" check:"ge=0,le=50,default=50"`
	}
	eventFilter struct {
		_        struct{}      `check:"closed"`
		Occurred *timeSpan     `json:"occurred" check:"notnull"`
		Resource *resourceSpec `json:"resource"`
		Order    order         `json:"order" check:"default=DESC"`
	}
	resourceSpec struct {
		_        struct{}               `check:"closed,nullable"`
		Labels   map[string]textOrTexts `json:"labels"`
		Distinct bool                   `json:"distinct" check:"default=false"`
	}
	textOrTexts struct {
		_    struct{} `check:"union"`
		One  *string  `json:"str"`
		Many []string `json:"list[str]"`
	}
	lease struct {
		_        struct{}      `check:"params"`
		Slots    int           `json:"slots" check:"required,gt=0"`
		Names    []string      `json:"names" check:"required,minlen=1"`
		Mode     string        `json:"mode" check:"oneof=concurrency|rate_limit,default=concurrency"`
		Duration prefect.Float `json:"lease_duration" check:"ge=60,le=86400,default=300"`
		Holder   *holder       `json:"holder"`
	}
	holder struct {
		_    struct{}   `check:"closed"`
		Type string     `json:"type" check:"required,oneof=flow_run|task_run|deployment"`
		ID   prefect.ID `json:"id" check:"required"`
	}
)

func (u textOrTexts) MarshalJSONTo(enc *jsontext.Encoder) error {
	if u.One != nil {
		return enc.WriteToken(jsontext.String(*u.One))
	}
	return json2.MarshalEncode(enc, u.Many)
}

// enums of the test.
type (
	operator    string
	order       string
	logSort     string
	flowRunSort string
)

func (operator) EnumValues() []string { return []string{"and_", "or_"} }
func (order) EnumValues() []string    { return []string{"ASC", "DESC"} }
func (logSort) EnumValues() []string  { return []string{"TIMESTAMP_ASC", "TIMESTAMP_DESC"} }
func (flowRunSort) EnumValues() []string {
	return strings.Fields("ID_DESC START_TIME_ASC START_TIME_DESC EXPECTED_START_TIME_ASC EXPECTED_START_TIME_DESC NAME_ASC NAME_DESC NEXT_SCHEDULED_START_TIME_ASC END_TIME_DESC")
}

func (e *operator) UnmarshalText(b []byte) error    { return oneOf((*string)(e), e.EnumValues(), b) }
func (e *order) UnmarshalText(b []byte) error       { return oneOf((*string)(e), e.EnumValues(), b) }
func (e *logSort) UnmarshalText(b []byte) error     { return oneOf((*string)(e), e.EnumValues(), b) }
func (e *flowRunSort) UnmarshalText(b []byte) error { return oneOf((*string)(e), e.EnumValues(), b) }

func oneOf(dst *string, allowed []string, text []byte) error {
	for _, s := range allowed {
		if s == string(text) {
			*dst = s
			return nil
		}
	}
	return errors.New("unknown")
}

// bodyTypes are the types of the captured bodies.
var bodyTypes = map[string]func() any{
	"FlowCreate":      func() any { return new(prefect.FlowCreate) },
	"FlowUpdate":      func() any { return new(prefect.FlowUpdate) },
	"FlowRunCreate":   func() any { return new(prefect.FlowRunCreate) },
	"FlowRunUpdate":   func() any { return new(prefect.FlowRunUpdate) },
	"TaskRunCreate":   func() any { return new(prefect.TaskRunCreate) },
	"TaskRunUpdate":   func() any { return new(prefect.TaskRunUpdate) },
	"Logs":            func() any { return new(schema.Sequence[prefect.LogCreate]) },
	"Events":          func() any { return new([]prefect.Event) },
	"SetState":        func() any { return new(setState) },
	"BulkSetState":    func() any { return new(bulkSetState) },
	"FlowRunsFilter":  func() any { return new(flowRunsFilter) },
	"FlowRunsHistory": func() any { return new(flowRunsHistory) },
	"LogsFilter":      func() any { return new(logsFilter) },
	"Resume":          func() any { return new(resume) },
	"Input":           func() any { return new(prefect.FlowRunInputCreate) },
	"EventsFilter":    func() any { return new(eventsFilter) },
	"Lease":           func() any { return new(lease) },
}

// capture is what the reference said about a body: what is wrong with it, or
// what it read.
type capture struct {
	Type   string                     `json:"type"`
	Body   string                     `json:"body"`
	Detail json.RawMessage            `json:"detail"`
	Value  map[string]json.RawMessage `json:"value"`
}

func captures(t testing.TB) (all []capture) {
	text, err := os.ReadFile("testdata/cases.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &all))
	return all
}

func TestAnswersAsTheReference(t *testing.T) {
	for _, c := range captures(t) {
		t.Run("", func(t *testing.T) {
			dst := bodyTypes[c.Type]()
			problems := schema.Decode([]byte(c.Body), []any{"body"}, dst)
			name := c.Type + " " + c.Body[:min(len(c.Body), 300)]
			if c.Detail != nil {
				require.Equal(t, decodeNumbers(t, c.Detail), plain(t, problems), name)
				return
			}
			require.Empty(t, problems, name)
			requireValue(t, c, dst, name)
		})
	}
}

// plain is v as a JSON value without Go types.
func plain(t testing.TB, v any) (out any) {
	text, err := prefect.Marshal(v)
	require.NoError(t, err)
	return decodeNumbers(t, text)
}

func decodeNumbers(t testing.TB, text []byte) (out any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	require.NoError(t, d.Decode(&out))
	return normal(out)
}

// requireValue compares what was decoded with what the reference read: the only
// parameter, or several by their names.
func requireValue(t *testing.T, c capture, dst any, name string) {
	if v := reflect.TypeOf(dst).Elem(); v.Kind() == reflect.Struct {
		if flags, _ := v.FieldByName("_"); flags.Tag.Get("check") == "params" {
			want, err := json.Marshal(c.Value)
			require.NoError(t, err)
			requireSame(t, decodeNumbers(t, want), plain(t, dst), name)
			return
		}
	}
	for _, want := range c.Value {
		requireSame(t, decodeNumbers(t, want), plain(t, sent(dst)), name)
	}
}

// sent makes a map of the fields of a partial update that were sent.
func sent(dst any) any {
	v := reflect.ValueOf(dst).Elem()
	if v.Kind() != reflect.Struct || !strings.HasSuffix(v.Type().Name(), "Update") {
		return dst
	}
	fields := map[string]any{}
	for i := 1; i < v.NumField(); i++ {
		if v.Field(i).FieldByName("Set").Bool() {
			fields[v.Type().Field(i).Tag.Get("json")] = v.Field(i).FieldByName("Value").Interface()
		}
	}
	return fields
}

// requireSame compares two JSON values; the reference may know more fields.
func requireSame(t *testing.T, want, got any, where string) {
	switch got := got.(type) {
	case map[string]any:
		if want == nil && strings.HasSuffix(where, ".labels") { // no labels are an empty object here
			want = map[string]any{}
		}
		require.IsType(t, got, want, where)
		for key, value := range got {
			if key != "received" {
				require.Contains(t, want, key, where)
				requireSame(t, want.(map[string]any)[key], value, where+"."+key)
			}
		}
	case []any:
		if want == nil && len(got) == 0 { // so prints a null list
			return
		}
		require.Len(t, want, len(got), where)
		if strings.HasSuffix(where, ".pause_keys") { // a set
			require.ElementsMatch(t, want, got, where)
			return
		}
		for i := range got {
			requireSame(t, want.([]any)[i], got[i], where)
		}
	case nil:
		// A generated name, or a default that is made of the clock.
		if want != "" && !strings.HasSuffix(where, ".occurred") {
			require.Nil(t, want, where)
		}
	default:
		require.Equal(t, want, got, where)
	}
}

// normal makes equal what differs only in its notation, in place.
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = normal(value)
		}
	case []any:
		for i, value := range v {
			v[i] = normal(value)
		}
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return f
		}
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return at.UTC()
		}
	}
	return v
}
