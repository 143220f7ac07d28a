package prefect_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

func TestWindow(t *testing.T) {
	limited := func(n int) prefect.RowLimit { return prefect.RowLimit{Limit: &n} }
	for _, c := range []struct {
		limit         prefect.RowLimit
		offset        int
		rows, skipped int
		err           string
	}{
		{prefect.RowLimit{}, 5, 200, 5, ""},
		{limited(0), 0, 0, 0, ""},
		{limited(200), 1, 200, 1, ""},
		{limited(201), 0, 0, 0, "Invalid limit: must be less than or equal to 200."},
		{limited(-1), 0, 0, 0, "Invalid limit: must be greater than or equal to 0."},
		{limited(7), math.MaxInt, 7, 1 << 40, ""},
	} {
		q := prefect.FlowsQuery{RowLimit: c.limit, RowOffset: prefect.RowOffset{Offset: c.offset}}
		rows, skipped, err := q.Window(prefect.DefaultLimit)
		if c.err != "" {
			require.EqualError(t, err, c.err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, [2]int{c.rows, c.skipped}, [2]int{rows, skipped})
	}
}

func TestPages(t *testing.T) {
	ten := 10
	q := prefect.FlowRunsPageQuery{RowLimit: prefect.RowLimit{Limit: &ten}, RowPage: prefect.RowPage{Page: 3}}
	limit, offset, err := q.Window(prefect.DefaultLimit)
	require.NoError(t, err)
	require.Equal(t, [2]int{10, 20}, [2]int{limit, offset})
	q.Page = math.MaxInt
	_, offset, err = q.Window(prefect.DefaultLimit)
	require.NoError(t, err)
	require.Positive(t, offset)

	page := prefect.NewPage([]int{1, 2}, 12, 10, 2)
	require.Equal(t, prefect.PageOf[int]{Results: []int{1, 2}, Count: 12, Limit: 10, Pages: 2, Page: 2}, page)
	require.Zero(t, prefect.NewPage([]int{}, 12, 0, 1).Pages)
}

func TestInputsWithoutLimit(t *testing.T) {
	require.Equal(t, 3, (&prefect.FlowRunInputFilter{Limit: -1}).Rows(3))
	require.Equal(t, 2, (&prefect.FlowRunInputFilter{Limit: 2}).Rows(3))
	require.Equal(t, 0, (&prefect.FlowRunInputFilter{Limit: 0}).Rows(3))
	require.Equal(t, 3, (&prefect.FlowRunInputFilter{Limit: 5}).Rows(3))
}

func TestCompute(t *testing.T) {
	const now = 100
	for _, c := range []struct {
		name       string
		run        prefect.FlowRun
		time, late prefect.Duration
	}{
		{"scheduled", prefect.FlowRun{StateType: prefect.Scheduled, ExpectedStartTime: 150}, 0, 0},
		{"late", prefect.FlowRun{StateType: prefect.Scheduled, ExpectedStartTime: 70}, 0, 30},
		{"running", prefect.FlowRun{StateType: prefect.Running, ExpectedStartTime: 70, StartTime: 75, StateTimestamp: 90, TotalRunTime: 3}, 13, 5},
		{"early", prefect.FlowRun{StateType: prefect.Completed, ExpectedStartTime: 70, StartTime: 60, StateTimestamp: 90, TotalRunTime: 30}, 30, 0},
		{"cancelled before", prefect.FlowRun{StateType: prefect.Cancelled, ExpectedStartTime: 70, StateTimestamp: 90}, 0, 0},
		{"never expected", prefect.FlowRun{StateType: prefect.Pending}, 0, 0},
	} {
		task := prefect.TaskRun{
			StateType: c.run.StateType, ExpectedStartTime: c.run.ExpectedStartTime, StartTime: c.run.StartTime,
			StateTimestamp: c.run.StateTimestamp, TotalRunTime: c.run.TotalRunTime,
		}
		c.run.Compute(now)
		task.Compute(now)
		require.Equal(t, [2]prefect.Duration{c.time, c.late}, [2]prefect.Duration{c.run.EstimatedRunTime, c.run.EstimatedStartTimeDelta}, c.name)
		require.Equal(t, [2]prefect.Duration{c.time, c.late}, [2]prefect.Duration{task.EstimatedRunTime, task.EstimatedStartTimeDelta}, c.name)
	}
}
