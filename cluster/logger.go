package cluster

import (
	"context"
	"io"
	"log"
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
// that it enters) is of interest when it is being debugged.
type logSink struct {
	to *slog.Logger
}

// quiet are warnings and errors that are none here.
var quiet = map[string]bool{
	"heartbeat timeout reached, starting election": true, // also when a node starts
	"failed to take snapshot":                      true, // trim tells if there is a reason to
	// Of a member that is new, or was away.
	"no known peers, aborting election":          true,
	"failed to get previous log":                 true,
	"appendEntries rejected, sending older logs": true,
}

func (s *logSink) Accept(_ string, level hclog.Level, message string, args ...any) {
	to := slog.LevelDebug
	switch {
	case quiet[message]:
	case level >= hclog.Error:
		to = slog.LevelError
	case level == hclog.Warn:
		to = slog.LevelWarn
	}
	s.to.Log(context.Background(), to, "raft: "+message, args...)
}

// stdLogger lets libraries that know Go's log package log; what they tell is of
// interest when it is being debugged.
func stdLogger(to *slog.Logger) *log.Logger { return slog.NewLogLogger(to.Handler(), slog.LevelDebug) }
