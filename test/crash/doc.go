// Package crash holds the tests that kill, stop and damage a running prefectd:
// what it has answered must be there afterwards, once, and a start that cannot
// succeed must say why.
//
//	go test ./test/crash                    20 rounds of kill -9
//	go test ./test/crash -rounds 500        the long form
//	go test ./test/crash -seed 42           the same kills again
package crash
