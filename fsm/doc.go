// Package fsm is the state machine of one Raft group: it applies log entries to
// a state file. An entry is a list of changed rows, made by the leader; the
// state machine knows rows, not what they mean, so that members of different
// versions stay equal.
package fsm
