package facts

import (
	"context"
	"fmt"

	"prefectd/test/client"
)

// logBatch is how many records a request carries.
const logBatch = 20

// logFacts is what a client knows about the log records of one flow run.
type logFacts struct {
	run     string
	batches int  // that were answered
	asked   bool // one more was sent, with an unknown outcome
}

func (f *logFacts) message(batch, i int) string { return fmt.Sprintf("batch %d record %d", batch, i) }

func (f *logFacts) records(batch int) []client.Log {
	records := make([]client.Log, logBatch)
	for i := range records {
		records[i] = client.NewLog(f.run, f.message(batch, i))
	}
	return records
}

// batchesOfLogs is how many batches a log stream gets.
const batchesOfLogs = 5

// log sends some batches of records.
func (w worker) log(ctx context.Context, f *logFacts) error {
	for range batchesOfLogs {
		err := w.Asks(w.number).PostLogs(ctx, f.records(f.batches))
		f.asked = err != nil && !client.NotDone(err)
		if err != nil {
			return err
		}
		f.batches++
		err = w.answered(f.run, func(c *client.Client) error {
			read, err := c.ReadLogs(ctx, f.run)
			if err == nil && len(read) != f.batches*logBatch {
				return Violationf("logs of %s: %d records are read at once after %d batches were answered", f.run, len(read), f.batches)
			}
			return err
		})
		if err != nil {
			return err
		}
		w.rest(ctx, 1)
	}
	return nil
}

func (f *logFacts) check(ctx context.Context, c *client.Client) error {
	read, err := c.ReadLogs(ctx, f.run)
	if err != nil {
		return err
	}
	count := map[string]int{}
	for _, record := range read {
		count[record.Message]++
	}
	batches := f.batches
	if f.asked && count[f.message(batches, 0)] > 0 {
		batches++
	}
	for b := range batches {
		for i := range logBatch {
			if n := count[f.message(b, i)]; n != 1 {
				return fmt.Errorf("logs of %s: %q is there %d times, answered were %d batches", f.run, f.message(b, i), n, f.batches)
			}
		}
	}
	if len(read) != batches*logBatch {
		return fmt.Errorf("logs of %s: %d records, not %d", f.run, len(read), batches*logBatch)
	}
	return nil
}
