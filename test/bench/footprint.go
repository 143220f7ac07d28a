package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"prefectd/test/client"
)

const (
	sectionStart  = "Start and memory"
	sectionWrites = "Writes"
	sectionWork   = "Work"
	sectionDisk   = "Disk"
)

// idleFor is how long a server that has started is left alone before its memory
// is read, and then watched.
const idleFor = 5 * time.Second

// starts measures exec to ready on an empty folder, and on the same folder again.
func (b *bench) starts(ctx context.Context) error {
	b.report.begin(sectionStart)
	for range b.opts.repeat {
		for _, s := range b.sides {
			for _, other := range b.sides {
				other.pause()
			}
			if err := s.fresh(); err != nil {
				return err
			}
			if err := b.start(ctx, s, "start, empty folder"); err != nil {
				return err
			}
			if err := b.idle(ctx, s); err != nil {
				return err
			}
			s.stop()
			if err := b.start(ctx, s, "start, folder in use before"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) start(ctx context.Context, s *side, name string) error {
	took, err := s.launch(ctx)
	if err != nil {
		return err
	}
	b.report.add(s, figure{name: name, unit: "s", value: took.Seconds()}, nil)
	b.report.add(s, figure{name: name + ": CPU", unit: "s", value: s.process.Usage().CPU.Seconds()}, nil)
	return nil
}

// idle reads what a server costs that nobody calls.
func (b *bench) idle(ctx context.Context, s *side) error {
	if err := sleep(ctx, idleFor); err != nil {
		return err
	}
	before := s.process.Usage()
	if err := sleep(ctx, idleFor); err != nil {
		return err
	}
	after := s.process.Usage()
	b.report.add(s, figure{name: "memory, idle", unit: "MiB", value: mib(after.RSS)}, nil)
	b.report.add(s, figure{name: "CPU, idle", unit: "ms a second", value: ms(after.CPU-before.CPU) / idleFor.Seconds()}, nil)
	return nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// memory reads what the servers hold after the workloads before.
func (b *bench) memory(ctx context.Context) error {
	b.report.begin(sectionStart)
	for _, s := range b.sides {
		if err := b.alone(ctx, s); err != nil {
			return err
		}
		b.report.add(s, figure{name: "memory, after the writes below", unit: "MiB", value: mib(s.process.Usage().RSS)}, nil)
	}
	return nil
}

// disk measures how much the data in use grows by flow runs, and by task runs.
func (b *bench) disk(ctx context.Context) error {
	b.report.begin(sectionDisk)
	for _, s := range b.sides {
		if err := b.alone(ctx, s); err != nil {
			return err
		}
		if err := b.diskOf(ctx, s); err != nil {
			b.report.add(s, figure{name: "a flow run", unit: "bytes"}, err)
		}
	}
	return ctx.Err()
}

func (b *bench) diskOf(ctx context.Context, s *side) error {
	runs, tasks := 100*s.weight, 100*s.weight
	flow, err := s.flow(ctx, "load")
	if err != nil {
		return err
	}
	empty, err := s.measureSize(ctx)
	if err != nil {
		return err
	}
	since := time.Now()
	if err := each(ctx, 4, runs, func(int) error { return s.client.Lifecycle(ctx, flow) }); err != nil {
		return err
	}
	if err := s.awaitEvents(ctx, since, "prefect.flow-run.", 4*runs); err != nil {
		return err
	}
	afterRuns, err := s.measureSize(ctx)
	if err != nil {
		return err
	}
	since = time.Now()
	if _, err := s.sendTaskRuns(ctx, tasks, 4); err != nil {
		return err
	}
	if err := s.awaitEvents(ctx, since, "prefect.task-run.", client.TaskRunSteps*tasks); err != nil {
		return err
	}
	afterTasks, err := s.measureSize(ctx)
	if err != nil {
		return err
	}
	b.report.add(s, figure{name: "a flow run, with its 4 states and 4 events", unit: "bytes", value: float64(afterRuns.Live-empty.Live) / float64(runs)}, nil)
	b.report.add(s, figure{name: "a task run, with its 3 states and 3 events", unit: "bytes", value: float64(afterTasks.Live-afterRuns.Live) / float64(tasks)}, nil)
	b.report.add(s, figure{name: "log files after that (not counted above)", unit: "MiB", value: mib(afterTasks.Log)}, nil)
	return nil
}

// measureSize reads the bytes in use; prefectd has to be stopped for it, because
// a running server keeps its files locked.
func (s *side) measureSize(ctx context.Context) (size, error) {
	running := s.process != nil
	if s.name == "prefectd" {
		s.stop()
	} else if err := sleep(ctx, 2*time.Second); err != nil { // what it still writes behind
		return size{}, err
	}
	z, err := s.size(s.folder)
	if err == nil && running {
		err = s.start(ctx)
	}
	return z, err
}

// eventPatience is how long writes may take until they are readable.
const eventPatience = 2 * time.Minute

// awaitEvents returns when at least a number of events of a kind are readable.
func (s *side) awaitEvents(ctx context.Context, since time.Time, prefix string, want int) error {
	filter := map[string]any{
		"filter": map[string]any{
			"occurred": map[string]any{"since": client.Stamp(since.Add(-time.Second)), "until": client.Stamp(time.Now().Add(time.Hour))},
			"event":    map[string]any{"prefix": []string{prefix}},
		},
		"limit": 1,
	}
	ctx, cancel := context.WithTimeout(ctx, eventPatience)
	defer cancel()
	for {
		var page struct {
			Total int `json:"total"`
		}
		if err := s.client.Call(ctx, http.MethodPost, "/events/filter", filter, &page); err != nil {
			return err
		}
		if page.Total >= want {
			return nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d events are readable: %w", page.Total, want, err)
		}
	}
}
