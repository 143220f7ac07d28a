// Package ops is the domain: operations and queries on one group's state, by
// subject. An Operation reads and writes rows through a transaction and leaves
// everything else (durability, retries, other nodes) to its caller; a Query only
// reads. What needs several groups is a procedure: a function of a Backend.
//
// Operations get clock, random numbers and settings from their Context, so that
// a test can drive every rule without a cluster.
package ops
