package schema_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/httpapi/schema"
	"prefectd/prefect"
)

// The bodies that prefect does not declare.
type (
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
	"SetState":        func() any { return new(prefect.SetState) },
	"BulkSetState":    func() any { return new(prefect.FlowRunsBulkSetState) },
	"FlowRunsFilter":  func() any { return new(prefect.FlowRunsQuery) },
	"FlowRunsHistory": func() any { return new(prefect.FlowRunsHistoryQuery) },
	"LogsFilter":      func() any { return new(prefect.LogsQuery) },
	"Resume":          func() any { return new(prefect.Resume) },
	"Input":           func() any { return new(prefect.FlowRunInputCreate) },
	"EventsFilter":    func() any { return new(prefect.EventsQuery) },
	"Lease":           func() any { return new(lease) },
	"FlowsFilter":     func() any { return new(prefect.FlowsQuery) },
	"FlowsPage":       func() any { return new(prefect.FlowsPageQuery) },
	"FlowsCount":      func() any { return new(prefect.FlowsCountQuery) },
	"FlowsDelete":     func() any { return new(prefect.FlowsBulkDelete) },
	"FlowRunsPage":    func() any { return new(prefect.FlowRunsPageQuery) },
	"FlowRunsCount":   func() any { return new(prefect.FlowRunsCountQuery) },
	"FlowRunsDelete":  func() any { return new(prefect.FlowRunsBulkDelete) },
	"InputFilter":     func() any { return new(prefect.FlowRunInputFilter) },
	"TaskRunsFilter":  func() any { return new(prefect.TaskRunsQuery) },
	"TaskRunsPage":    func() any { return new(prefect.TaskRunsPageQuery) },
	"TaskRunsCount":   func() any { return new(prefect.TaskRunsCountQuery) },
	"TaskRunsHistory": func() any { return new(prefect.TaskRunsHistoryQuery) },
	"EventsCount":     func() any { return new(prefect.EventCountQuery) },
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
