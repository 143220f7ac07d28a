// Package cluster runs Raft groups. A Group is one Raft instance with its log,
// its state file and, on the leader, its writer: one goroutine that evaluates
// operations in turn and replicates what they changed, a batch at a time. The
// package moves operations and doesn't know what they do.
//
// A group of one voter uses Raft's in-memory transport: a lone node opens no
// port to others.
package cluster
