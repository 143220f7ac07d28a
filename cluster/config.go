package cluster

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"prefectd/store"
)

// Config says what a group is.
type Config struct {
	Dir      string // its folder
	Node     string // the stable name of this node
	Number   int    // for messages
	Schema   store.Schema
	Evaluate Evaluator
	// Observe, if any, is told the rows of every applied entry, in order, on
	// every replica; nil tells that the whole state was replaced. It must return
	// soon and copy what it keeps.
	Observe func([]store.Change)
	Log     *slog.Logger

	// Transport carries Raft's messages to the other members; the group closes it.
	// Without one the group is this node's alone.
	Transport RaftTransport
	// Join makes a new replica wait until a leader adds it. Otherwise a new group
	// begins with this node as its only member.
	Join bool
	// Heartbeat is the silence of a leader after which members elect another, sooner
	// or later in one to two of it; 0 means 600 ms.
	Heartbeat time.Duration

	// MaxLevel is the newest formats that the group knows; 0 means Level.
	MaxLevel int

	// State are options of the state file.
	State store.Options
	// LogEntries and LogBytes bound the log that is kept behind the state file,
	// for members that come back; 0 means 65,536 entries and 64 MiB.
	LogEntries int
	LogBytes   int64

	// Answers turns answers of operations with an id into bytes and back; nil if
	// no operation has one.
	Answers AnswerCodec
	// Retention is how long such operations are remembered; 0 means two minutes.
	Retention time.Duration
}

// Evaluator runs one operation on the group's state. An error rolls its writes
// back and is the operation's answer. An operation may be run again, on another
// state, if its rows were refused.
type Evaluator func(tx *store.Tx, op any) (answer any, err error)

// AnswerCodec encodes what operations answer.
type AnswerCodec interface {
	EncodeAnswer(op, answer any) ([]byte, error)
	DecodeAnswer(op any, data []byte) (answer any, err error)
}

// Service is work that only a group's leader does. Run returns when ctx ends; an
// error before that has it run again a little later, nil leaves it at that.
type Service interface {
	Run(ctx context.Context) error
}

// Validate reports what is missing, and sets defaults.
func (c *Config) Validate() error {
	if c.Dir == "" || c.Node == "" || c.Schema == nil || c.Evaluate == nil || c.Log == nil {
		return errors.New("group: incomplete configuration")
	}
	if c.Join && c.Transport == nil {
		return errors.New("group: a replica that waits for others needs a transport")
	}
	if c.Answers != nil && !slices.Contains(c.Schema, store.AnyTable(store.Operations)) {
		return errors.New("group: the schema has no table of operations")
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 600 * time.Millisecond
	}
	if c.MaxLevel == 0 {
		c.MaxLevel = Level
	}
	if c.LogEntries == 0 {
		c.LogEntries = 64 << 10
	}
	if c.LogBytes == 0 {
		c.LogBytes = 64 << 20
	}
	if c.Retention == 0 {
		c.Retention = 2 * time.Minute
	}
	return nil
}
