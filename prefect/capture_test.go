package prefect_test

import (
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

// captured is what the Python server said; see testdata/capture.py.
type captured struct {
	Flows    []prefect.Flow    `json:"flows"`
	FlowRuns []prefect.FlowRun `json:"flow_runs"`
	TaskRuns []prefect.TaskRun `json:"task_runs"`
	Logs     []prefect.Log     `json:"logs"`
	Events   []prefect.Event   `json:"events"`
	Deployed []prefect.ID      `json:"deployed"` // flows

	Cases []struct {
		Kind   string         `json:"kind"`
		Filter jsontext.Value `json:"filter"`
		Want   []int          `json:"want"`
	} `json:"cases"`
	Sorts []struct {
		Kind string         `json:"kind"`
		Sort jsontext.Value `json:"sort"`
		Want []int          `json:"want"`
	} `json:"sorts"`
	Histories []struct {
		Range    prefect.HistoryRange          `json:"range"`
		FlowRuns sparse[prefect.HistoryBucket] `json:"flow_runs"`
		TaskRuns sparse[prefect.HistoryBucket] `json:"task_runs"`
	} `json:"histories"`
	EventCases []struct {
		Filter jsontext.Value `json:"filter"`
		Stored []int          `json:"stored"`
		Live   *[]int         `json:"live"`
	} `json:"event_cases"`
	Counts []struct {
		By           prefect.Countable          `json:"by"`
		TimeUnit     prefect.TimeUnit           `json:"time_unit"`
		TimeInterval prefect.Float              `json:"time_interval"`
		Want         sparse[prefect.EventCount] `json:"want"`
	} `json:"counts"`
	Token   string `json:"token"`
	Queries []struct {
		Query    string   `json:"query"`
		Include  []string `json:"include"`
		Exclude  []string `json:"exclude"`
		Required []string `json:"required"`
	} `json:"queries"`
}

// sparse is a list of which some items are known.
type sparse[T any] struct {
	Len  int       `json:"len"`
	Some map[int]T `json:"some"`
}

func (s sparse[T]) requireSame(t *testing.T, got []T) {
	require.Len(t, got, s.Len)
	for i, want := range s.Some {
		require.Equal(t, want, got[i])
	}
}

// load reads the capture and adds to the rows what the API does not tell.
func load(t testing.TB) (c *captured) {
	text, err := os.ReadFile("testdata/filters.json")
	require.NoError(t, err)
	require.NoError(t, prefect.Unmarshal(text, &c))
	subflows := map[prefect.ID]prefect.ID{}
	for i := range c.FlowRuns {
		r := &c.FlowRuns[i]
		r.StateTimestamp = r.State.Timestamp
		subflows[r.ParentTaskRunID] = r.ID
	}
	for i := range c.TaskRuns {
		r := &c.TaskRuns[i]
		r.StateTimestamp = r.State.Timestamp
		r.SubflowRunID = subflows[r.ID]
	}
	return c
}

// resolve fills in what a query looks up before it compiles a filter.
func (c *captured) resolve(f *prefect.FlowRunFilter) {
	if f.ParentFlowRunID == nil {
		return
	}
	f.ParentFlowRunID.TaskRuns = []prefect.ID{}
	for _, r := range c.TaskRuns {
		if slices.Contains(f.ParentFlowRunID.Any, r.FlowRunID) {
			f.ParentFlowRunID.TaskRuns = append(f.ParentFlowRunID.TaskRuns, r.ID)
		}
	}
}

func unmarshal[T any](t testing.TB, text []byte) *T {
	v := new(T)
	require.NoError(t, prefect.Unmarshal(text, v), string(text))
	return v
}

func TestFiltersSelectAsTheReference(t *testing.T) {
	c := load(t)
	for _, one := range c.Cases {
		switch name := one.Kind + " " + string(one.Filter); one.Kind {
		case "flows":
			f := unmarshal[prefect.FlowFilter](t, one.Filter)
			if f.Deployment != nil {
				f.Deployment.Flows = c.Deployed
			}
			requireSelects(t, name, travelled(t, f).Compile(), c.Flows, one.Want)
		case "flow_runs":
			f := unmarshal[prefect.FlowRunFilter](t, one.Filter)
			c.resolve(f)
			requireSelects(t, name, travelled(t, f).Compile(), c.FlowRuns, one.Want)
		case "task_runs":
			f := unmarshal[prefect.TaskRunFilter](t, one.Filter)
			requireSelects(t, name, travelled(t, f).Compile(), c.TaskRuns, one.Want)
		case "logs":
			f := unmarshal[prefect.LogFilter](t, one.Filter)
			requireSelects(t, name, travelled(t, f).Compile(), c.Logs, one.Want)
		}
	}
}

func TestEventFiltersSelectAsTheReference(t *testing.T) {
	c := load(t)
	for _, one := range c.EventCases {
		f := travelled(t, unmarshal[prefect.EventFilter](t, one.Filter))
		requireSelects(t, "stored "+string(one.Filter), f.Compile(), c.Events, one.Stored)
		if one.Live != nil {
			requireSelects(t, "live "+string(one.Filter), f.CompileLive(), c.Events, *one.Live)
		}
	}
}

// travelled is the filter after a journey to another node.
func travelled[T any](t testing.TB, f *T) *T {
	text, err := prefect.Marshal(f)
	require.NoError(t, err)
	return unmarshal[T](t, text)
}

// requireSelects matches all rows, full ones and parts of them, which must not
// contradict; and looks whether the plan holds for those that pass.
func requireSelects[T any](t *testing.T, name string, m *prefect.Matcher[T], rows []T, want []int) {
	random := rand.New(rand.NewPCG(1, 2))
	got := []int{}
	for i := range rows {
		verdict := m.Match(&rows[i], prefect.AllColumns)
		require.NotEqual(t, prefect.Maybe, verdict, name)
		require.Equal(t, verdict, m.Match(&rows[i], m.Columns()), name)
		if verdict == prefect.Yes {
			got = append(got, i)
			requirePlanned(t, name, m.Plan(), any(&rows[i]))
		}
		for range 5 {
			columns := prefect.Columns(random.Uint64N(1 << 60))
			part := partOf(rows[i], columns)
			if v := m.Match(&part, columns); v != prefect.Maybe {
				require.Equal(t, verdict, v, name)
			}
		}
	}
	require.Equal(t, want, got, name)
}

// partOf clears the columns of a row that are not in a set.
func partOf[T any](row T, columns prefect.Columns) T {
	v := reflect.ValueOf(&row).Elem()
	for i := range v.NumField() {
		number, err := strconv.Atoi(v.Type().Field(i).Tag.Get("row"))
		if err != nil || !columns.Has(number) {
			v.Field(i).SetZero()
		}
	}
	return row
}

func requirePlanned(t *testing.T, name string, p prefect.Plan, row any) {
	in := func(list []prefect.ID, id prefect.ID) {
		require.True(t, list == nil || slices.Contains(list, id), name)
	}
	within := func(s prefect.Span, at prefect.Time) {
		require.True(t, !s.IsBounded() || s.Has(at), name)
	}
	hasTags := func(tags []string) {
		require.Subset(t, tags, p.AllTags, name)
		some := slices.ContainsFunc(p.AnyTags, func(tag string) bool { return slices.Contains(tags, tag) })
		require.True(t, some || p.AnyTags == nil, name)
	}
	require.False(t, p.Never, name)
	switch r := row.(type) {
	case *prefect.Flow:
		in(p.IDs, r.ID)
		hasTags(r.Tags)
		require.True(t, p.Names == nil || slices.Contains(p.Names, r.Name), name)
	case *prefect.FlowRun:
		in(p.IDs, r.ID)
		in(p.DeploymentIDs, r.DeploymentID)
		in(p.ParentTaskRuns, r.ParentTaskRunID)
		within(p.Start, r.Start())
		within(p.Expected, r.ExpectedStartTime)
		within(p.Next, r.NextScheduledStartTime)
		within(p.End, r.EndTime)
		hasTags(r.Tags)
		require.True(t, p.States == 0 || p.States.Has(r.StateType), name)
		require.True(t, p.Names == nil || slices.Contains(p.Names, r.Name), name)
		require.True(t, p.IdempotencyKeys == nil || slices.Contains(p.IdempotencyKeys, *r.IdempotencyKey), name)
	case *prefect.TaskRun:
		in(p.IDs, r.ID)
		in(p.FlowRunIDs, r.FlowRunID)
		within(p.Start, r.StartTime)
		within(p.Expected, r.ExpectedStartTime)
		within(p.End, r.EndTime)
		hasTags(r.Tags)
		require.True(t, p.States == 0 || p.States.Has(r.StateType), name)
	case *prefect.Log:
		in(p.FlowRunIDs, r.FlowRunID)
		in(p.TaskRunIDs, r.TaskRunID)
		within(p.At, r.Timestamp)
	case *prefect.Event:
		in(p.IDs, r.ID)
		within(p.At, r.Occurred)
		require.True(t, p.Names == nil || slices.Contains(p.Names, r.Event), name)
		require.True(t, p.ResourceIDs == nil || slices.Contains(p.ResourceIDs, r.Resource.ID()), name)
	}
}
