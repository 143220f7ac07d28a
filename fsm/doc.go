// Package fsm is the state machine of one Raft group: it applies log entries to
// a state file. An entry is a list of changed rows, made by the leader; the
// state machine knows rows, not what they mean, so that members of different
// versions stay equal.
//
// How far the state is (State) is stored in the same transaction as the rows. The
// file takes many entries at a time and so may be behind what was applied; after a
// crash the log is applied from exactly where the file ends.
// A state machine that cannot apply an entry applies no other one: it reports
// the reason, and the process is meant to stop.
package fsm
