package client

import (
	"context"
	"net/http"
	"time"
)

// Log is a log record.
type Log struct {
	Name      string  `json:"name"`
	Level     int     `json:"level"`
	Message   string  `json:"message"`
	Timestamp string  `json:"timestamp"`
	FlowRunID string  `json:"flow_run_id"`
	TaskRunID *string `json:"task_run_id"`
}

// NewLog makes a record of a flow run.
func NewLog(runID, message string) Log {
	return Log{Name: "prefect.flow_runs", Level: 20, Message: message, Timestamp: Stamp(time.Now()), FlowRunID: runID}
}

// PostLogs sends a batch of records.
func (c *Client) PostLogs(ctx context.Context, batch []Log) error {
	return c.Call(ctx, http.MethodPost, "/logs/", batch, nil)
}

// LogPage is the most records that one answer holds.
const LogPage = 200

// ReadLogs reads all records of a flow run, the oldest first.
func (c *Client) ReadLogs(ctx context.Context, runID string) (all []Log, err error) {
	for {
		var page []Log
		err := c.Call(ctx, http.MethodPost, "/logs/filter", map[string]any{
			"logs":  map[string]any{"flow_run_id": map[string]any{"any_": []string{runID}}},
			"limit": LogPage, "offset": len(all), "sort": "TIMESTAMP_ASC",
		}, &page)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < LogPage {
			return all, nil
		}
	}
}
