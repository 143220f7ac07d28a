package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"prefectd/test/client"
)

// query is a read that the stock client or the UI sends, and what its answer has
// to say.
type query struct {
	name  string
	path  string
	body  map[string]any
	check func(answer []byte) error
}

// queries measures the reads on data sets of growing size.
func (b *bench) queries(ctx context.Context) error {
	for _, s := range slices.Backward(b.sides) { // prefectd loads first: the other takes over its times
		if err := s.fresh(); err != nil {
			return err
		}
	}
	from := 0
	for field := range strings.SplitSeq(b.opts.rows, ",") {
		rows, err := strconv.Atoi(field)
		if err != nil || rows%100 != 0 || rows < 10_000 {
			return fmt.Errorf("rows %q: want multiples of 100 from 10000 on", field)
		}
		b.report.begin(fmt.Sprintf("Reads, %s flow runs, 1 client", thousands(int64(rows))))
		if err := b.grow(ctx, from, rows); err != nil {
			return err
		}
		if err := b.ask(ctx, rows); err != nil {
			return err
		}
		for _, s := range b.sides {
			note("memory of %s after the reads: %.0f MiB", s.name, mib(s.process.Usage().RSS))
		}
		from = rows
	}
	return nil
}

// grow loads both sides, spread over the same time.
func (b *bench) grow(ctx context.Context, from, to int) error {
	begin := time.Now()
	end := begin.Add(time.Minute)
	for _, s := range slices.Backward(b.sides) {
		note("load %s runs into %s", thousands(int64(to-from)), s.name)
		if err := b.load(ctx, s, from, to, begin, end); err != nil {
			return fmt.Errorf("load %s: %w", s.name, err)
		}
		end = time.Now()
	}
	return nil
}

func (b *bench) ask(ctx context.Context, rows int) error {
	sets := map[*side][]query{}
	for _, s := range b.sides {
		if err := b.alone(ctx, s); err != nil {
			return err
		}
		set, err := s.queriesOn(ctx, contents{rows})
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		sets[s] = set
	}
	for i, q := range sets[b.sides[0]] {
		err := b.alternate(ctx, q.name, "query", func(s *side) (figure, error) {
			return b.askOne(ctx, s, &sets[s][i])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// askOne repeats a query. The first and the last answer are checked in full, the
// others by their size, so that the client takes little of the processors.
func (b *bench) askOne(ctx context.Context, s *side, q *query) (figure, error) {
	body, err := json.Marshal(q.body)
	if err != nil {
		return figure{}, err
	}
	last, err := s.client.Raw(ctx, http.MethodPost, q.path, body)
	if refused := (*client.StatusError)(nil); errors.As(err, &refused) && refused.Status == http.StatusNotImplemented {
		return figure{}, errors.New("not there yet (501)")
	}
	if err == nil {
		err = q.check(last)
	}
	if err != nil {
		return figure{}, err
	}
	size := len(last)
	f, err := b.drive(ctx, s, 1, func(ctx context.Context, _ int) error {
		if last, err = s.client.Raw(ctx, http.MethodPost, q.path, body); err != nil {
			return err
		}
		return same(len(last) > size*9/10-10 && len(last) < size*11/10+10, "%d bytes, where the first had %d", len(last), size)
	})
	if err == nil {
		err = q.check(last)
	}
	return f, err
}

type object = map[string]any

// queriesOn makes the queries of a side, with ids from its data.
func (s *side) queriesOn(ctx context.Context, c contents) ([]query, error) {
	var some []client.FlowRun
	err := s.client.Call(ctx, http.MethodPost, "/flow_runs/filter", object{
		"flow_runs": object{"state": object{"type": object{"any_": []string{"COMPLETED"}}}}, "limit": 10, "sort": "START_TIME_DESC",
	}, &some)
	if err != nil {
		return nil, err
	}
	if len(some) != 10 {
		return nil, fmt.Errorf("%d completed flow runs where there should be 10", len(some))
	}
	ids := make([]string, len(some))
	for i := range some {
		ids[i] = some[i].ID
	}
	return slices.Concat(runQueries(c), figureQueries(c), taskQueries(c, ids), eventQueries(c)), nil
}

// runQueries are lists of flow runs.
func runQueries(c contents) []query {
	filter := func(runs, flows object, offset int) object {
		return object{
			"flows": flows, "flow_runs": runs, "task_runs": nil, "deployments": nil, "work_pools": nil, "work_pool_queues": nil,
			"sort": "START_TIME_DESC", "limit": 200, "offset": offset,
		}
	}
	const path = "/flow_runs/filter"
	return []query{
		{"runs by start, newest 200", path, filter(nil, nil, 0), items(200)},
		{"runs that failed", path, filter(object{"state": object{"type": object{"any_": []string{"FAILED"}}}}, nil, 0), both(items(200), every("state_type", "FAILED"))},
		{"runs with a tag", path, filter(object{"tags": object{"all_": []string{"t7"}}}, nil, 0), items(min(200, c.runs/50))},
		{"runs by part of the name", path, filter(object{"name": object{"like_": "run-0012"}}, nil, 0), items(100)},
		{"runs by part of the flow's name", path, filter(nil, object{"name": object{"like_": "flow-3"}}, 0), items(200)},
		{"runs, offset half way", path, filter(nil, nil, c.runs/2), items(200)},
		{"runs, page 1 of 10 each", "/flow_runs/paginate", object{"sort": "START_TIME_DESC", "page": 1, "limit": 10}, func(answer []byte) error {
			var page struct {
				Results []any `json:"results"`
				Count   int   `json:"count"`
			}
			if err := json.Unmarshal(answer, &page); err != nil {
				return err
			}
			return same(len(page.Results) == 10 && page.Count == c.runs, "%d results of %d", len(page.Results), page.Count)
		}},
		{"UI: history of runs, 1,000", "/ui/flow_runs/history", object{"sort": "START_TIME_DESC", "limit": 1000, "offset": 0,
			"flow_runs": object{"start_time": object{"after_": dayAgo()}}}, items(1000)},
	}
}

// figureQueries are counts, histories and other figures about flow runs.
func figureQueries(c contents) []query {
	return []query{
		{"count of all runs", "/flow_runs/count", object{}, exactly(c.runs)},
		{"count of runs by state", "/flow_runs/count", object{"flow_runs": object{"state": object{"type": object{"any_": []string{"FAILED", "CRASHED"}}}}}, exactly(c.failed())},
		{"history of 24 hours", "/flow_runs/history", object{"history_start": dayAgo(), "history_end": soon(), "history_interval_seconds": 3600}, func(answer []byte) error {
			var intervals []struct {
				States []struct {
					Count int `json:"count_runs"`
				} `json:"states"`
			}
			if err := json.Unmarshal(answer, &intervals); err != nil {
				return err
			}
			sum := 0
			for _, interval := range intervals {
				for _, state := range interval.States {
					sum += state.Count
				}
			}
			return same(sum == c.runs, "%d runs in %d intervals", sum, len(intervals))
		}},
		{"average lateness", "/flow_runs/lateness", object{}, func(answer []byte) error {
			var late float64
			return json.Unmarshal(answer, &late)
		}},
	}
}

// taskQueries are about task runs.
func taskQueries(c contents, runs []string) []query {
	return []query{
		{"task runs of a flow run", "/task_runs/filter", object{
			"flows": nil, "flow_runs": object{"id": object{"any_": runs[:1]}}, "task_runs": nil, "deployments": nil,
			"sort": "EXPECTED_START_TIME_DESC", "limit": 200, "offset": 0}, both(items(1), every("state_type", "COMPLETED"))},
		{"UI: task runs by hour", "/ui/task_runs/dashboard/counts", object{"task_runs": object{"start_time": object{"after_": client.Stamp(time.Now().Add(-2 * time.Hour))}}}, both(sum("completed", is(c.started()-c.failed())), sum("failed", is(c.failed())))},
		{"UI: task runs by state", "/ui/task_runs/count", object{}, func(answer []byte) error {
			var count struct{ Completed, Failed int }
			if err := json.Unmarshal(answer, &count); err != nil {
				return err
			}
			return same(count.Completed == c.started()-c.failed() && count.Failed == c.failed(), "%+v", count)
		}},
		{"UI: task runs of ten runs", "/ui/flow_runs/count-task-runs", object{"flow_run_ids": runs}, func(answer []byte) error {
			var counts map[string]int
			if err := json.Unmarshal(answer, &counts); err != nil {
				return err
			}
			for _, run := range runs {
				if counts[run] != 1 {
					return fmt.Errorf("%d task runs of %s", counts[run], run)
				}
			}
			return nil
		}},
	}
}

// eventQueries are about events.
func eventQueries(c contents) []query {
	occurred := object{"occurred": object{"since": dayAgo(), "until": soon()}}
	return []query{
		{"newest 50 events", "/events/filter", object{"filter": object{"occurred": occurred["occurred"], "order": "DESC"}, "limit": 50}, func(answer []byte) error {
			var page struct {
				Events []any `json:"events"`
				Total  int   `json:"total"`
			}
			if err := json.Unmarshal(answer, &page); err != nil {
				return err
			}
			return same(len(page.Events) == 50 && c.isEvents(page.Total), "%d events of %d, not 50 of %d", len(page.Events), page.Total, c.events())
		}},
		{"events by hour", "/events/count-by/time", object{"filter": occurred, "time_unit": "hour", "time_interval": 1}, sum("count", c.isEvents)},
	}
}

func dayAgo() string { return client.Stamp(time.Now().Add(-24 * time.Hour)) }

func soon() string { return client.Stamp(time.Now().Add(time.Hour)) }

func same(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf("wrong answer: "+format, args...)
}

func items(n int) func([]byte) error {
	return func(answer []byte) error {
		var list []json.RawMessage
		if err := json.Unmarshal(answer, &list); err != nil {
			return err
		}
		return same(len(list) == n, "%d items, not %d", len(list), n)
	}
}

func every(name, value string) func([]byte) error {
	return func(answer []byte) error {
		var list []object
		if err := json.Unmarshal(answer, &list); err != nil {
			return err
		}
		for _, item := range list {
			if item[name] != value {
				return fmt.Errorf("wrong answer: %s is %v, not %s", name, item[name], value)
			}
		}
		return nil
	}
}

func both(a, b func([]byte) error) func([]byte) error {
	return func(answer []byte) error { return errors.Join(a(answer), b(answer)) }
}

func exactly(n int) func([]byte) error {
	return func(answer []byte) error {
		var count int
		if err := json.Unmarshal(answer, &count); err != nil {
			return err
		}
		return same(count == n, "%d, not %d", count, n)
	}
}

// sum checks what a field of a list's items adds up to.
func sum(name string, right func(total int) bool) func([]byte) error {
	return func(answer []byte) error {
		var list []map[string]json.RawMessage
		if err := json.Unmarshal(answer, &list); err != nil {
			return err
		}
		total := 0
		for _, item := range list {
			var n int
			if err := json.Unmarshal(item[name], &n); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			total += n
		}
		return same(right(total), "%s adds up to %d", name, total)
	}
}

func is(want int) func(int) bool { return func(n int) bool { return n == want } }
