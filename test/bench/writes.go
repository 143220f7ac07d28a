package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"prefectd/test/client"
)

// each runs an operation for the numbers below n on a number of clients; the
// first error ends it.
func each(ctx context.Context, clients, n int, op func(i int) error) error {
	var next atomic.Int64
	errs := make([]error, clients)
	var wait sync.WaitGroup
	var failed atomic.Bool
	for w := range clients {
		wait.Go(func() {
			for ctx.Err() == nil && !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[w] = op(i); errs[w] != nil {
					failed.Store(true)
					return
				}
			}
		})
	}
	wait.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

// runs measures whole flow runs: create, Pending, Running, read, Completed.
func (b *bench) runs(ctx context.Context) error {
	b.report.begin(sectionWrites)
	for _, clients := range []int{1, 4, 16} {
		name := fmt.Sprintf("flow runs, %d clients", clients)
		if clients == 1 {
			name = "flow runs, 1 client"
		}
		err := b.alternate(ctx, name, "lifecycle of 5 requests", func(s *side) (figure, error) {
			flow, err := s.flow(ctx, "load")
			if err != nil {
				return figure{}, err
			}
			return b.drive(ctx, s, clients, func(ctx context.Context, _ int) error {
				return s.client.Lifecycle(ctx, flow)
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// taskRuns measures task-run events over the websocket, from the first sent
// until all task runs read as Completed.
func (b *bench) taskRuns(ctx context.Context) error {
	b.report.begin(sectionWrites)
	n := 150
	if b.opts.quick {
		n = 60
	}
	return b.alternate(ctx, "task-run events, 4 websockets", "event, until readable", func(s *side) (figure, error) {
		return s.sendTaskRuns(ctx, n*s.weight, 4)
	})
}

// pollEvery is how often a client asks whether all task runs are there.
const pollEvery = 50 * time.Millisecond

// sendTaskRuns sends the events of n task runs, of one flow run for each
// websocket, and waits until every one is readable.
func (s *side) sendTaskRuns(ctx context.Context, n, sockets int) (figure, error) {
	ctx, cancel := context.WithTimeout(ctx, eventPatience)
	defer cancel()
	flow, err := s.flow(ctx, "load")
	if err != nil {
		return figure{}, err
	}
	runs := make([]client.FlowRun, sockets)
	ids := make([]string, sockets)
	opened := make([]*client.EventSocket, sockets)
	for i := range runs {
		if runs[i], err = s.runningRun(ctx, flow); err != nil {
			return figure{}, err
		}
		ids[i] = runs[i].ID
		if opened[i], err = s.client.OpenEvents(ctx); err != nil {
			return figure{}, err
		}
		defer opened[i].Close()
	}
	before, began := s.process.Usage(), time.Now()
	err = each(ctx, sockets, sockets, func(i int) error {
		return sendOn(ctx, opened[i], runs[i], n/sockets)
	})
	if err != nil {
		return figure{}, err
	}
	n = n / sockets * sockets
	for done := 0; done < n; {
		if done, err = s.client.CountCompleted(ctx, ids...); err != nil {
			return figure{}, err
		}
		if done < n {
			if err := sleep(ctx, pollEvery); err != nil {
				return figure{}, fmt.Errorf("%d of %d task runs are readable: %w", done, n, err)
			}
		}
	}
	wall, after := time.Since(began), s.process.Usage()
	if err := s.checkTaskRuns(ctx, n, ids); err != nil {
		return figure{}, err
	}
	events := client.TaskRunSteps * n
	return figure{ops: events, rate: float64(events) / wall.Seconds(), cpu: (after.CPU - before.CPU) / time.Duration(events)}, nil
}

func (s *side) runningRun(ctx context.Context, flow string) (client.FlowRun, error) {
	run, err := s.client.CreateRun(ctx, client.NewRun{FlowID: flow, State: "PENDING"})
	if err == nil {
		_, err = s.client.SetState(ctx, run.ID, "RUNNING")
	}
	return run, err
}

// sendOn sends the events of n task runs, with the stock client's checkpoints.
func sendOn(ctx context.Context, socket *client.EventSocket, run client.FlowRun, n int) error {
	sent := 0
	for range n {
		task := client.NewTaskRun(run)
		for range client.TaskRunSteps {
			_, event, err := task.Next(false)
			if err == nil {
				err = socket.Send(event)
			}
			if err != nil {
				return err
			}
			if sent++; sent%client.Checkpoint == 0 {
				if err := socket.Checkpoint(ctx); err != nil {
					return err
				}
			}
		}
	}
	return socket.Checkpoint(ctx)
}

// checkTaskRuns reads every task run and finds it Completed, once.
func (s *side) checkTaskRuns(ctx context.Context, n int, runs []string) error {
	read, err := s.client.TaskRunsOf(ctx, runs...)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := range read {
		if !read[i].Completed() {
			return fmt.Errorf("task run %s reads %s", read[i].ID, read[i].StateType)
		}
		seen[read[i].ID] = true
	}
	if len(seen) != n || len(read) != n {
		return fmt.Errorf("%d task runs were sent, %d read, %d of them different", n, len(read), len(seen))
	}
	return nil
}

const (
	logBatch   = 100 // records in a request
	logBatches = 10  // requests about one flow run
)

// logs measures batches of records, and reads every record back.
func (b *bench) logs(ctx context.Context) error {
	b.report.begin(sectionWrites)
	return b.alternate(ctx, "logs, 4 clients", "record, 100 a request", func(s *side) (figure, error) {
		return b.logsOf(ctx, s)
	})
}

func (b *bench) logsOf(ctx context.Context, s *side) (figure, error) {
	const clients = 4
	sent := make([]map[string]int, clients) // by flow run: batches
	current := make([]string, clients)
	for w := range sent {
		sent[w] = map[string]int{}
	}
	f, err := b.drive(ctx, s, clients, func(ctx context.Context, w int) error {
		if current[w] == "" || sent[w][current[w]] == logBatches {
			current[w] = newID()
		}
		run := current[w]
		if err := s.client.PostLogs(ctx, logRecords(run, sent[w][run])); err != nil {
			return err
		}
		sent[w][run]++
		return nil
	})
	if err != nil {
		return f, err
	}
	for _, runs := range sent {
		for run, batches := range runs {
			if err := s.checkLogs(ctx, run, batches); err != nil {
				return f, err
			}
		}
	}
	f.rate *= logBatch
	f.cpu /= logBatch
	f.ops *= logBatch
	return f, nil
}

// logRecords is one batch; no two records of a flow run are the same.
func logRecords(run string, batch int) []client.Log {
	records := make([]client.Log, logBatch)
	for i := range records {
		message := fmt.Sprintf("Record %d of the load: read 128 rows from the source table and wrote them to the sink without a warning", batch*logBatch+i)
		records[i] = client.NewLog(run, message)
	}
	return records
}

func (s *side) checkLogs(ctx context.Context, run string, batches int) error {
	read, err := s.client.ReadLogs(ctx, run)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := range read {
		seen[read[i].Message] = true
	}
	if want := batches * logBatch; len(read) != want || len(seen) != want {
		return fmt.Errorf("%d log records were sent, %d read, %d of them different", want, len(read), len(seen))
	}
	return nil
}
