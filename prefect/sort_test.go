package prefect_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

// TestOrdersAsTheReference compares by the key of an order: among equals the
// reference has no order.
func TestOrdersAsTheReference(t *testing.T) {
	c := load(t)
	now := prefect.TimeOf(c.Logs[0].Created.Go())
	for _, one := range c.Sorts {
		switch one.Kind {
		case "flows":
			s := *unmarshal[prefect.FlowSort](t, one.Sort)
			requireOrder(t, one.Kind+string(s), s.Order(), c.Flows, one.Want, func(r *prefect.Flow) any {
				return map[prefect.FlowSort]any{"CREATED_DESC": r.Created, "UPDATED_DESC": r.Updated, "NAME_ASC": r.Name, "NAME_DESC": r.Name}[s]
			})
		case "flow_runs":
			s := *unmarshal[prefect.FlowRunSort](t, one.Sort)
			requireOrder(t, one.Kind+string(s), s.Order(), c.FlowRuns, one.Want, func(r *prefect.FlowRun) any {
				return map[prefect.FlowRunSort]any{
					"ID_DESC": r.ID, "START_TIME_ASC": r.Start(), "START_TIME_DESC": r.Start(),
					"EXPECTED_START_TIME_ASC": r.ExpectedStartTime, "EXPECTED_START_TIME_DESC": r.ExpectedStartTime,
					"NAME_ASC": r.Name, "NAME_DESC": r.Name, "NEXT_SCHEDULED_START_TIME_ASC": r.NextScheduledStartTime,
					"END_TIME_DESC": r.EndTime,
				}[s]
			})
		case "task_runs":
			s := *unmarshal[prefect.TaskRunSort](t, one.Sort)
			requireOrder(t, one.Kind+string(s), s.Order(now), c.TaskRuns, one.Want, func(r *prefect.TaskRun) any {
				r.Compute(now)
				return map[prefect.TaskRunSort]any{
					"ID_DESC": r.ID, "EXPECTED_START_TIME_ASC": r.ExpectedStartTime, "EXPECTED_START_TIME_DESC": r.ExpectedStartTime,
					"NAME_ASC": r.Name, "NAME_DESC": r.Name, "NEXT_SCHEDULED_START_TIME_ASC": r.NextScheduledStartTime,
					"END_TIME_DESC": r.EndTime,
					"DURATION_ASC":  [2]any{r.EstimatedRunTime, r.ExpectedStartTime}, "DURATION_DESC": [2]any{r.EstimatedRunTime, r.ExpectedStartTime},
				}[s]
			})
		case "logs":
			s := *unmarshal[prefect.LogSort](t, one.Sort)
			requireOrder(t, one.Kind+string(s), s.Order(), c.Logs, one.Want, func(r *prefect.Log) any { return r.Timestamp })
		}
	}
}

// requireOrder sorts the rows and compares the keys with those of the order that is
// wanted; equal rows must differ by their id alone.
func requireOrder[T any](t *testing.T, name string, order func(a, b *T) int, rows []T, want []int, key func(*T) any) {
	var sorted []*T
	for i := range rows {
		sorted = append(sorted, &rows[i])
	}
	slices.SortFunc(sorted, order)
	for i, row := range sorted {
		require.Equal(t, key(&rows[want[i]]), key(row), name)
		require.Zero(t, order(row, row), name)
		if i > 0 {
			require.Negative(t, order(sorted[i-1], row), name)
			require.Positive(t, order(row, sorted[i-1]), name)
		}
	}
}

func TestRunningTasksGrowLonger(t *testing.T) {
	short := &prefect.TaskRun{ID: prefect.ID{1}, TotalRunTime: 5}
	running := &prefect.TaskRun{ID: prefect.ID{2}, StateType: prefect.Running, StateTimestamp: 100}
	require.Positive(t, prefect.TaskRunDurationAsc.Order(106)(running, short))
	require.Negative(t, prefect.TaskRunDurationDesc.Order(106)(running, short))
	require.Negative(t, prefect.TaskRunDurationAsc.Order(104)(running, short))
}

func TestEventsInTheOrderOfTheStream(t *testing.T) {
	first, second := &prefect.Event{Occurred: 5, Sequence: 1}, &prefect.Event{Occurred: 5, Sequence: 2}
	later := &prefect.Event{Occurred: 6}
	require.Negative(t, prefect.EventsAsc.Order()(first, second))
	require.Negative(t, prefect.EventsDesc.Order()(second, first))
	require.Negative(t, prefect.EventsDesc.Order()(later, second))
	require.Negative(t, prefect.EventOrder("").Order()(later, second))
}

func TestEnumsRefuseOtherTexts(t *testing.T) {
	var order prefect.EventOrder
	require.NoError(t, order.UnmarshalText([]byte("ASC")))
	require.Equal(t, prefect.EventsAsc, order)
	require.Error(t, order.UnmarshalText([]byte("asc")))
	require.Equal(t, prefect.EventsAsc, order)
}
