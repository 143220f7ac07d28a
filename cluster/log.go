package cluster

import (
	"context"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// raftLogger lets Raft log through slog: its warnings and errors. What it says at
// info is of interest only when it is being debugged.
func raftLogger(to *slog.Logger) hclog.Logger {
	return hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Name: "raft", Level: hclog.Warn, Output: &lineWriter{to}, DisableTime: true,
	})
}

// lineWriter turns lines of text into records.
type lineWriter struct {
	log *slog.Logger
}

func (w *lineWriter) Write(line []byte) (int, error) {
	level := slog.LevelWarn
	if len(line) > 7 && string(line[:7]) == "[ERROR]" {
		level = slog.LevelError
	}
	w.log.Log(context.Background(), level, string(trimLine(line)))
	return len(line), nil
}

func trimLine(line []byte) []byte {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == ' ') {
		line = line[:len(line)-1]
	}
	return line
}

var _ io.Writer = (*lineWriter)(nil)
