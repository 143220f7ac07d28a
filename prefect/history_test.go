package prefect_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

func TestHistoryAsTheReference(t *testing.T) {
	c := load(t)
	for _, one := range c.Histories {
		flowRuns, err := one.Range.Buckets()
		require.NoError(t, err)
		taskRuns, err := one.Range.Buckets()
		require.NoError(t, err)
		for i := range c.FlowRuns {
			flowRuns.AddFlowRun(&c.FlowRuns[i], c.FlowRuns[i].EndTime)
		}
		for i := range c.TaskRuns {
			taskRuns.AddTaskRun(&c.TaskRuns[i], c.TaskRuns[i].EndTime)
		}
		counted(one.FlowRuns).requireSame(t, withoutSums(flowRuns))
		counted(one.TaskRuns).requireSame(t, withoutSums(taskRuns))
	}
}

// withoutSums drops the sums, which depend on the time.
func withoutSums(h prefect.History) []prefect.HistoryBucket {
	for _, b := range h {
		for i := range b.States {
			b.States[i].RunTime, b.States[i].Lateness = 0, 0
		}
	}
	return h
}

func counted(s sparse[prefect.HistoryBucket]) sparse[prefect.HistoryBucket] {
	for _, b := range s.Some {
		withoutSums(prefect.History{b})
	}
	return s
}

func TestHistorySums(t *testing.T) {
	at := func(s int) prefect.Time { return prefect.Time(1_000_000 * s) }
	name, other := "Done", "Ran"
	h, err := prefect.HistoryRange{Start: at(100), End: at(121), Seconds: 10}.Buckets()
	require.NoError(t, err)
	require.Len(t, h, 3)
	from, to := h.Span()
	require.Equal(t, [2]prefect.Time{at(100), at(130)}, [2]prefect.Time{from, to})

	run := func(expected, start prefect.Time, state prefect.StateType, name *string, total prefect.Duration) {
		h.AddFlowRun(&prefect.FlowRun{
			ExpectedStartTime: expected, StartTime: start, StateType: state, StateName: name, TotalRunTime: total, StateTimestamp: at(200),
		}, at(300))
	}
	run(at(100), at(101), prefect.Completed, &name, 2*prefect.Second)
	run(at(109), at(108), prefect.Completed, &name, 3*prefect.Second) // early, not late
	run(at(110), 0, prefect.Running, &other, 0)
	run(at(99), 0, prefect.Running, &other, 0)  // before
	run(at(130), 0, prefect.Running, &other, 0) // after
	run(0, 0, prefect.Running, &other, 0)       // never expected
	second, err := prefect.HistoryRange{Start: at(100), End: at(121), Seconds: 10}.Buckets()
	require.NoError(t, err)
	second.Merge(h)
	second.Merge(h)
	require.Equal(t, []prefect.HistoryState{
		{Type: prefect.Completed, Name: "Done", Count: 4, RunTime: 10 * prefect.Second, Lateness: 2 * prefect.Second},
	}, second[0].States)
	require.Equal(t, []prefect.HistoryState{
		{Type: prefect.Running, Name: "Ran", Count: 2, RunTime: 200 * prefect.Second, Lateness: 380 * prefect.Second},
	}, second[1].States)
	require.Empty(t, second[2].States)
	answer, err := prefect.Marshal(second[2:])
	require.NoError(t, err)
	require.JSONEq(t, `[{"interval_start": "0001-01-01T00:02:00Z", "interval_end": "0001-01-01T00:02:10Z", "states": []}]`, string(answer))
}

func TestHistoryLimits(t *testing.T) {
	_, err := prefect.HistoryRange{Start: 1, End: 2, Seconds: 0.999}.Buckets()
	require.EqualError(t, err, "History interval must not be less than 1 second.")
	h, err := prefect.HistoryRange{Start: 1, End: 1 << 60, Seconds: 1}.Buckets()
	require.NoError(t, err)
	require.Len(t, h, 500)
	h, err = prefect.HistoryRange{Start: prefect.Time(prefect.Day), End: 1 << 60, Seconds: 1e300}.Buckets()
	require.NoError(t, err)
	require.Len(t, h, 1)
	require.Equal(t, "9999-12-31T23:59:59.999999Z", h[0].End.String())
	from, to := prefect.History{}.Span()
	require.Zero(t, from+to)
}
