package cluster

import (
	"bytes"
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
	switch {
	case bytes.Contains(line, startsElection): // a lone voter does at every start
		level = slog.LevelDebug
	case bytes.HasPrefix(line, []byte("[ERROR]")):
		level = slog.LevelError
	}
	w.log.Log(context.Background(), level, string(trimLine(line)))
	return len(line), nil
}

var startsElection = []byte("heartbeat timeout reached, starting election")

func trimLine(line []byte) []byte {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == ' ') {
		line = line[:len(line)-1]
	}
	return line
}

var _ io.Writer = (*lineWriter)(nil)
