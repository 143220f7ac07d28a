package ops

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"prefectd/prefect"
	"prefectd/store"
)

// Logs live with their flow run, with their task run if there is no flow run, else
// anywhere.

// AppendLogs stores logs.
type AppendLogs struct {
	Logs []prefect.LogCreate
}

// Run answers nothing. The ids of the logs are in the order in which they came, so
// that those of one time stay in it.
func (o *AppendLogs) Run(c *Context) (any, error) {
	for i := range o.Logs {
		sent := &o.Logs[i]
		id := c.NewID(logHome(sent).Slot())
		binary.BigEndian.PutUint16(id[6:], 0x7000|uint16(i)&0x0fff)
		store.Logs.Put(c.Tx, &prefect.Log{
			ID: id, Created: c.Now, Name: sent.Name, Level: sent.Level, Message: sent.Message,
			Timestamp: sent.Timestamp, FlowRunID: sent.FlowRunID, TaskRunID: sent.TaskRunID,
		})
	}
	return nil, nil
}

// logHome is the id in whose slot a log lives.
func logHome(l *prefect.LogCreate) prefect.ID {
	if !l.FlowRunID.IsNull() {
		return l.FlowRunID
	}
	return l.TaskRunID
}

// Bounds of one operation; the number of logs has room in 12 bits of an id.
const (
	maxBatchLogs     = 1000
	maxBatchLogBytes = 2 << 20
)

// logBatch is how many of some logs, at least one, go into one operation.
func logBatch(logs []prefect.LogCreate) int {
	size := 0
	for i := range logs {
		if size += 100 + len(logs[i].Message) + len(logs[i].Name); i > 0 && size > maxBatchLogBytes || i == maxBatchLogs {
			return i
		}
	}
	return len(logs)
}

// TakeLogs stores logs, each in its group, and returns when all are durable.
func TakeLogs(ctx context.Context, b Backend, logs []prefect.LogCreate) error {
	groups := b.Groups()
	perGroup := map[int][]prefect.LogCreate{}
	for _, l := range logs {
		group := groups.Of(logHome(&l))
		perGroup[group] = append(perGroup[group], l)
	}
	var (
		failed error
		mu     sync.Mutex
		wait   sync.WaitGroup
	)
	for group, list := range perGroup {
		wait.Go(func() {
			for len(list) > 0 {
				n := logBatch(list)
				if _, err := b.Do(ctx, group, &AppendLogs{Logs: list[:n]}); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
					return
				}
				list = list[n:]
			}
		})
	}
	wait.Wait()
	return failed
}
