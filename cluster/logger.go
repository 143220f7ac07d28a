package cluster

import (
	"context"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// raftLogger lets Raft log through slog.
func raftLogger(to *slog.Logger) hclog.Logger {
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Off, Output: io.Discard})
	logger.RegisterSink(&logSink{to})
	return logger
}

// logSink turns Raft's records into ours. What Raft tells at info (each state
// that it enters) is of interest when it is being debugged; so is that an
// election begins, which is a warning to Raft: it also begins when a node starts.
type logSink struct {
	log *slog.Logger
}

func (s *logSink) Accept(_ string, level hclog.Level, message string, args ...any) {
	to := slog.LevelDebug
	switch {
	case level >= hclog.Error:
		to = slog.LevelError
	case level == hclog.Warn && message != "heartbeat timeout reached, starting election":
		to = slog.LevelWarn
	}
	s.log.Log(context.Background(), to, "raft: "+message, args...)
}
