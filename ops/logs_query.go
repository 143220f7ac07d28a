package ops

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"prefectd/prefect"
	"prefectd/store"
)

// FindLogs finds the logs of a group that pass a filter. Runs are the flow runs
// and task runs under which they are, if that is known.
type FindLogs struct {
	Filter *prefect.LogFilter
	Desc   bool
	Runs   []prefect.ID
	After  store.Key // only logs behind this place, in ascending order
	Skip   int
	Limit  int
	Rows   bool // answer the logs, not only where they are
}

// FoundLogs are the places of logs in their group or, if asked for, the logs.
type FoundLogs struct {
	Places []store.Key
	Logs   []*prefect.Log
}

// Read answers a FoundLogs.
func (q *FindLogs) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	var answer FoundLogs
	if q.Limit == 0 {
		return answer, nil
	}
	scan := &logScan{FindLogs: q, tx: tx, matcher: q.Filter.Compile()}
	skip := q.Skip
	scan.each(func(place store.Key, row *prefect.Log) bool {
		if skip > 0 {
			skip--
			return true
		}
		answer.Places = append(answer.Places, bytes.Clone(place))
		if q.Rows {
			if row == nil {
				row = readLog(tx, place)
			}
			answer.Logs = append(answer.Logs, row)
		}
		return len(answer.Places) < q.Limit
	})
	return answer, nil
}

func readLog(tx *store.Tx, place store.Key) *prefect.Log {
	l := store.Logs.Get(tx, place)
	if l != nil {
		l.Updated = l.Created
	}
	return l
}

// logScan walks the logs of a group in the order of time.
type logScan struct {
	*FindLogs
	tx      *store.Tx
	matcher *prefect.Matcher[prefect.Log]
}

// each calls found with every log that passes, and with its row if that had to be
// read, until it answers false.
func (s *logScan) each(found func(place store.Key, row *prefect.Log) bool) {
	plan := s.matcher.Plan()
	switch {
	case plan.Never:
	case s.Runs != nil:
		s.eachOfRuns(found)
	case plan.TaskRunIDs != nil:
		s.eachOfTaskRuns(found)
	default:
		s.eachInTime(found)
	}
}

// within is the range of the filter's times, behind a prefix.
func (s *logScan) within(prefix store.Key) store.Range {
	r := store.Range{Prefix: prefix, Desc: s.Desc}
	at := s.matcher.Plan().At
	if at.From != 0 {
		r.From = slices.Clone(prefix).Time(at.From)
	}
	if at.To != 0 {
		r.To = slices.Clone(prefix).Time(at.To + 1)
	}
	if s.After != nil { // the key that follows it
		if after := append(append(slices.Clone(prefix), s.After...), 0); bytes.Compare(after, r.From) > 0 {
			r.From = after
		}
	}
	return r
}

// eachOfRuns walks the logs of some runs, whose index entries tell most.
func (s *logScan) eachOfRuns(found func(store.Key, *prefect.Log) bool) {
	var ranges []store.Range
	for _, id := range s.Runs {
		ranges = append(ranges, s.within(key(id)))
	}
	for e := range store.LogsByRun.Entries(s.tx, ranges...) {
		verdict, row := s.decide(e)
		if verdict == prefect.Yes && !found(e.Primary, row) {
			return
		}
	}
}

// eachOfTaskRuns looks for the logs of task runs of which nobody knows under which
// flow run they are: index entries are all that is looked at.
func (s *logScan) eachOfTaskRuns(found func(store.Key, *prefect.Log) bool) {
	var places []store.Key
	for e := range store.LogsByRun.Entries(s.tx, store.Range{}) {
		if verdict, _ := s.decide(e); verdict == prefect.Yes {
			places = append(places, bytes.Clone(e.Primary))
		}
	}
	slices.SortFunc(places, s.compare)
	for _, place := range places {
		if s.After != nil && bytes.Compare(place, s.After) <= 0 {
			continue
		}
		if !found(place, nil) {
			return
		}
	}
}

// eachInTime walks all logs.
func (s *logScan) eachInTime(found func(store.Key, *prefect.Log) bool) {
	for l := range store.Logs.Rows(s.tx, s.within(nil)) {
		l.Updated = l.Created
		if s.matcher.Match(l, prefect.AllColumns) == prefect.Yes && !found(store.Logs.Key(l), l) {
			return
		}
	}
}

// otherTaskRun stands for a task run that the filter does not name.
var otherTaskRun = prefect.ID{15: 1}

// decide says whether the log of an index entry passes. The row is answered if it
// had to be read.
func (s *logScan) decide(e store.Entry) (prefect.Verdict, *prefect.Log) {
	entry := store.ParseLogEntry(e)
	row := prefect.Log{Level: entry.Level, Timestamp: e.Primary.TimeAt(0), FlowRunID: entry.FlowRunID}
	if entry.HasTaskRun() {
		row.TaskRunID = otherTaskRun
		for _, id := range s.taskRuns() {
			if entry.OfTaskRun(id) {
				row.TaskRunID = id
			}
		}
	}
	verdict := s.matcher.Match(&row, prefect.LogIndexColumns)
	if verdict != prefect.Maybe {
		return verdict, nil
	}
	full := readLog(s.tx, e.Primary)
	if full == nil {
		return prefect.No, nil
	}
	return s.matcher.Match(full, prefect.AllColumns), full
}

// taskRuns are those that the filter names.
func (s *logScan) taskRuns() []prefect.ID {
	if s.Filter == nil || s.Filter.TaskRunID == nil {
		return nil
	}
	return s.Filter.TaskRunID.Any
}

func (s *logScan) compare(a, b store.Key) int {
	if s.Desc {
		a, b = b, a
	}
	return bytes.Compare(a, b)
}

// ReadLogs reads logs by their places.
type ReadLogs struct {
	Places []store.Key
}

// Read answers a []*prefect.Log, nil in the place of one that is gone.
func (q *ReadLogs) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	logs := make([]*prefect.Log, len(q.Places))
	for i, place := range q.Places {
		logs[i] = readLog(tx, place)
	}
	return logs, nil
}

// ListLogs reads a part of the logs that pass a filter.
func ListLogs(ctx context.Context, b Backend, f *prefect.LogFilter, sort prefect.LogSort, limit, offset int) ([]*prefect.Log, error) {
	q := &FindLogs{Filter: f, Desc: sort == prefect.LogTimestampDesc, Limit: offset + limit}
	groups, err := q.locate(ctx, b)
	if err != nil || len(groups) == 0 || limit == 0 {
		return []*prefect.Log{}, err
	}
	if len(groups) == 1 {
		q.Skip, q.Limit, q.Rows = offset, limit, true
		found, err := Ask[FoundLogs](ctx, b, groups[0], q)
		return orEmpty(found.Logs), err
	}
	return listLogs(ctx, b, groups, q, offset)
}

// locate finds out in which groups the logs are, and under which runs.
func (q *FindLogs) locate(ctx context.Context, b Backend) ([]int, error) {
	plan := q.Filter.Compile().Plan()
	switch {
	case plan.Never:
		return nil, nil
	case plan.FlowRunIDs != nil:
		q.Runs = plan.FlowRunIDs
	case plan.TaskRunIDs != nil:
		for _, id := range plan.TaskRunIDs {
			_, task, err := FindTaskRun(ctx, b, id)
			if err != nil {
				return nil, err
			}
			if task == nil {
				q.Runs = nil
				break
			}
			q.Runs = append(q.Runs, id)
			if !task.FlowRunID.IsNull() {
				q.Runs = append(q.Runs, task.FlowRunID)
			}
		}
	}
	if q.Runs == nil {
		return b.Groups().RunGroups(), nil
	}
	slices.SortFunc(q.Runs, prefect.ID.Compare)
	q.Runs = slices.Compact(q.Runs)
	var groups []int
	for _, id := range q.Runs {
		groups = append(groups, b.Groups().Of(id))
	}
	slices.Sort(groups)
	return slices.Compact(groups), nil
}

// logPlace is where a log is in the cluster.
type logPlace struct {
	key   store.Key
	group int
}

// listLogs merges the logs of several groups.
func listLogs(ctx context.Context, b Backend, groups []int, q *FindLogs, offset int) ([]*prefect.Log, error) {
	answers, err := b.AskAll(ctx, groups, q)
	if err != nil {
		return nil, err
	}
	var places []logPlace
	for i, a := range answers {
		found, err := as[FoundLogs](a, nil)
		if err != nil {
			return nil, err
		}
		for _, place := range found.Places {
			places = append(places, logPlace{place, groups[i]})
		}
	}
	slices.SortFunc(places, func(a, b logPlace) int {
		if q.Desc {
			a, b = b, a
		}
		return bytes.Compare(a.key, b.key)
	})
	places = places[min(offset, len(places)):min(q.Limit, len(places))]
	return fetchLogs(ctx, b, places)
}

// fetchLogs reads the logs at some places, in their order.
func fetchLogs(ctx context.Context, b Backend, places []logPlace) ([]*prefect.Log, error) {
	at := map[int][]int{}
	for i, p := range places {
		at[p.group] = append(at[p.group], i)
	}
	logs := make([]*prefect.Log, len(places))
	errs := make([]error, 1+b.Groups().Runs)
	var wait sync.WaitGroup
	for group, list := range at {
		wait.Go(func() {
			q := &ReadLogs{}
			for _, i := range list {
				q.Places = append(q.Places, places[i].key)
			}
			var part []*prefect.Log
			if part, errs[group] = Ask[[]*prefect.Log](ctx, b, group, q); errs[group] == nil {
				for j, i := range list {
					logs[i] = part[j]
				}
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(logs, func(l *prefect.Log) bool { return l == nil }), nil
}

// LogPages reads the logs of a flow run by time, a page after the other.
type LogPages struct {
	run   prefect.ID
	after store.Key
}

// LogsOf begins with the first log of a flow run.
func LogsOf(flowRunID prefect.ID) *LogPages { return &LogPages{run: flowRunID} }

// Next reads the next page; it is empty when there are no more logs.
func (p *LogPages) Next(ctx context.Context, b Backend, size int) ([]*prefect.Log, error) {
	found, err := Ask[FoundLogs](ctx, b, b.Groups().Of(p.run), &FindLogs{
		Filter: &prefect.LogFilter{FlowRunID: &prefect.FilterID{Any: []prefect.ID{p.run}}},
		Runs:   []prefect.ID{p.run}, After: p.after, Limit: size, Rows: true,
	})
	if err == nil && len(found.Places) > 0 {
		p.after = found.Places[len(found.Places)-1]
	}
	return found.Logs, err
}

// NameOfFlowRun reads what a flow run is called.
type NameOfFlowRun struct {
	ID prefect.ID
}

// Read answers a *string, nil if there is no such run.
func (q *NameOfFlowRun) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	run := flowRun(tx, q.ID)
	if run == nil {
		return (*string)(nil), nil
	}
	return &run.Name, nil
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
