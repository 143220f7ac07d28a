// Package cluster runs Raft groups. A Group is one Raft instance with its log,
// its state file and, on the leader, its writer. The package moves operations
// and doesn't know what they do.
//
// # Writing
//
// One goroutine on the leader, the writer, takes the operations that are
// waiting, evaluates them in turn, each on what those before it left, and
// replicates the rows that changed as one log entry. So operations need no locks
// and share the cost of bringing an entry to the disk. An entry names the one it
// was evaluated on; the state machine refuses it if another came between, and it
// is evaluated again.
//
// Submit returns when an operation's rows are in the log of a majority and in
// this node's state file. Its error says what became of the operation: nothing
// (Unavailable), nobody knows (ErrUnknownOutcome), or what the operation itself
// answered. An operation that was submitted with an id is remembered for a
// while: when it is sent again it answers what it answered.
//
// # Reading
//
// View shows every write that was answered before, to whomever. The leader makes
// sure that it still is the leader, once for all who ask meanwhile; a group of
// one member has nobody to ask.
//
// # Leading
//
// Raft tells of leadership through a channel that one goroutine, the monitor,
// drains. A tenure begins when the state file holds everything that earlier
// leaders committed; the writer and the services run for as long as it lasts.
//
// # Files
//
// A group has a folder with log.db, written by Raft, and state.db, written by
// the state machine. The state file knows how much of the log it holds, so it
// serves as the snapshot too, and the log is cut behind it, by its length. A
// group whose log or state file cannot be written stops, and says so through
// Failed.
//
// A group without a transport is its own and only member: a lone node opens no
// port to others.
package cluster
