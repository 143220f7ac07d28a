package prefect

import "cmp"

// Orders compare as SQLite does: null comes before everything, texts by their
// bytes. What is equal is told apart by its id, in the direction of the order, so
// that pages neither repeat nor lose a row.

// FlowSort is an order of flows. The zero value is by name.
type FlowSort string

// The orders of flows.
const (
	FlowCreatedDesc FlowSort = "CREATED_DESC"
	FlowUpdatedDesc FlowSort = "UPDATED_DESC"
	FlowNameAsc     FlowSort = "NAME_ASC"
	FlowNameDesc    FlowSort = "NAME_DESC"
)

// EnumValues lists the accepted texts.
func (FlowSort) EnumValues() []string {
	return []string{"CREATED_DESC", "UPDATED_DESC", "NAME_ASC", "NAME_DESC"}
}

// UnmarshalText reads the wire name.
func (s *FlowSort) UnmarshalText(text []byte) error { return choose(s, text) }

// Order returns the comparison of the order.
func (s FlowSort) Order() func(a, b *Flow) int {
	id := func(a, b *Flow) int { return a.ID.Compare(b.ID) }
	name := func(a, b *Flow) int { return cmp.Or(cmp.Compare(a.Name, b.Name), id(a, b)) }
	switch s {
	case FlowCreatedDesc:
		return descending(byTime(func(r *Flow) Time { return r.Created }, id))
	case FlowUpdatedDesc:
		return descending(byTime(func(r *Flow) Time { return r.Updated }, id))
	case FlowNameDesc:
		return descending(name)
	}
	return name
}

// FlowRunSort is an order of flow runs. The zero value is by id, descending.
type FlowRunSort string

// The orders of flow runs. START_TIME is the expected one of a run that has not
// started.
const (
	FlowRunIDDesc            FlowRunSort = "ID_DESC"
	FlowRunStartTimeAsc      FlowRunSort = "START_TIME_ASC"
	FlowRunStartTimeDesc     FlowRunSort = "START_TIME_DESC"
	FlowRunExpectedStartAsc  FlowRunSort = "EXPECTED_START_TIME_ASC"
	FlowRunExpectedStartDesc FlowRunSort = "EXPECTED_START_TIME_DESC"
	FlowRunNameAsc           FlowRunSort = "NAME_ASC"
	FlowRunNameDesc          FlowRunSort = "NAME_DESC"
	FlowRunNextStartAsc      FlowRunSort = "NEXT_SCHEDULED_START_TIME_ASC"
	FlowRunEndTimeDesc       FlowRunSort = "END_TIME_DESC"
)

// EnumValues lists the accepted texts.
func (FlowRunSort) EnumValues() []string {
	return []string{"ID_DESC", "START_TIME_ASC", "START_TIME_DESC", "EXPECTED_START_TIME_ASC", "EXPECTED_START_TIME_DESC",
		"NAME_ASC", "NAME_DESC", "NEXT_SCHEDULED_START_TIME_ASC", "END_TIME_DESC"}
}

// UnmarshalText reads the wire name.
func (s *FlowRunSort) UnmarshalText(text []byte) error { return choose(s, text) }

// Order returns the comparison of the order.
func (s FlowRunSort) Order() func(a, b *FlowRun) int {
	id := func(a, b *FlowRun) int { return a.ID.Compare(b.ID) }
	name := func(a, b *FlowRun) int { return cmp.Or(cmp.Compare(a.Name, b.Name), id(a, b)) }
	expected := byTime(func(r *FlowRun) Time { return r.ExpectedStartTime }, id)
	switch s {
	case FlowRunStartTimeAsc:
		return byTime((*FlowRun).Start, id)
	case FlowRunStartTimeDesc:
		return descending(byTime((*FlowRun).Start, id))
	case FlowRunExpectedStartAsc:
		return expected
	case FlowRunExpectedStartDesc:
		return descending(expected)
	case FlowRunNameAsc:
		return name
	case FlowRunNameDesc:
		return descending(name)
	case FlowRunNextStartAsc:
		return byTime(func(r *FlowRun) Time { return r.NextScheduledStartTime }, id)
	case FlowRunEndTimeDesc:
		return descending(byTime(func(r *FlowRun) Time { return r.EndTime }, id))
	}
	return descending(id)
}

// TaskRunSort is an order of task runs. The zero value is by id, descending.
type TaskRunSort string

// The orders of task runs. DURATION is the estimated run time.
const (
	TaskRunIDDesc            TaskRunSort = "ID_DESC"
	TaskRunExpectedStartAsc  TaskRunSort = "EXPECTED_START_TIME_ASC"
	TaskRunExpectedStartDesc TaskRunSort = "EXPECTED_START_TIME_DESC"
	TaskRunNameAsc           TaskRunSort = "NAME_ASC"
	TaskRunNameDesc          TaskRunSort = "NAME_DESC"
	TaskRunNextStartAsc      TaskRunSort = "NEXT_SCHEDULED_START_TIME_ASC"
	TaskRunEndTimeDesc       TaskRunSort = "END_TIME_DESC"
	TaskRunDurationDesc      TaskRunSort = "DURATION_DESC"
	TaskRunDurationAsc       TaskRunSort = "DURATION_ASC"
)

// EnumValues lists the accepted texts.
func (TaskRunSort) EnumValues() []string {
	return []string{"ID_DESC", "EXPECTED_START_TIME_ASC", "EXPECTED_START_TIME_DESC", "NAME_ASC", "NAME_DESC",
		"NEXT_SCHEDULED_START_TIME_ASC", "END_TIME_DESC", "DURATION_DESC", "DURATION_ASC"}
}

// UnmarshalText reads the wire name.
func (s *TaskRunSort) UnmarshalText(text []byte) error { return choose(s, text) }

// Order returns the comparison of the order; durations depend on the time.
func (s TaskRunSort) Order(now Time) func(a, b *TaskRun) int {
	id := func(a, b *TaskRun) int { return a.ID.Compare(b.ID) }
	name := func(a, b *TaskRun) int { return cmp.Or(cmp.Compare(a.Name, b.Name), id(a, b)) }
	expected := byTime(func(r *TaskRun) Time { return r.ExpectedStartTime }, id)
	duration := func(a, b *TaskRun) int { return cmp.Compare(a.runTime(now), b.runTime(now)) }
	switch s {
	case TaskRunExpectedStartAsc:
		return expected
	case TaskRunExpectedStartDesc:
		return descending(expected)
	case TaskRunNameAsc:
		return name
	case TaskRunNameDesc:
		return descending(name)
	case TaskRunNextStartAsc:
		return byTime(func(r *TaskRun) Time { return r.NextScheduledStartTime }, id)
	case TaskRunEndTimeDesc:
		return descending(byTime(func(r *TaskRun) Time { return r.EndTime }, id))
	case TaskRunDurationDesc:
		return func(a, b *TaskRun) int { return cmp.Or(duration(b, a), expected(b, a)) }
	case TaskRunDurationAsc:
		return func(a, b *TaskRun) int { return cmp.Or(duration(a, b), expected(b, a)) }
	}
	return descending(id)
}

// LogSort is an order of logs. The zero value is the first.
type LogSort string

// The orders of logs.
const (
	LogTimestampAsc  LogSort = "TIMESTAMP_ASC"
	LogTimestampDesc LogSort = "TIMESTAMP_DESC"
)

// EnumValues lists the accepted texts.
func (LogSort) EnumValues() []string { return []string{"TIMESTAMP_ASC", "TIMESTAMP_DESC"} }

// UnmarshalText reads the wire name.
func (s *LogSort) UnmarshalText(text []byte) error { return choose(s, text) }

// Order returns the comparison of the order.
func (s LogSort) Order() func(a, b *Log) int {
	order := byTime(func(r *Log) Time { return r.Timestamp }, func(a, b *Log) int { return a.ID.Compare(b.ID) })
	if s == LogTimestampDesc {
		return descending(order)
	}
	return order
}

// EventOrder is an order of events by time. The zero value is the newest first.
type EventOrder string

// The orders of events.
const (
	EventsAsc  EventOrder = "ASC"
	EventsDesc EventOrder = "DESC"
)

// EnumValues lists the accepted texts.
func (EventOrder) EnumValues() []string { return []string{"ASC", "DESC"} }

// UnmarshalText reads the wire name.
func (o *EventOrder) UnmarshalText(text []byte) error { return choose(o, text) }

// Order returns the comparison of the order.
func (o EventOrder) Order() func(a, b *Event) int {
	order := byTime(func(r *Event) Time { return r.Occurred }, func(a, b *Event) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), a.ID.Compare(b.ID))
	})
	if o == EventsAsc {
		return order
	}
	return descending(order)
}

// byTime compares by a time, and what is equal as next does.
func byTime[T any](get func(*T) Time, next func(a, b *T) int) func(a, b *T) int {
	return func(a, b *T) int { return cmp.Or(cmp.Compare(get(a), get(b)), next(a, b)) }
}

func descending[T any](order func(a, b *T) int) func(a, b *T) int {
	return func(a, b *T) int { return order(b, a) }
}
