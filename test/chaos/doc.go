// Package chaos holds the test that disturbs servers while clients use them: their
// processes, their network and their disks. What was answered must hold, and what
// was read must be explicable. docs/reliability.md tells what is attacked, how it
// is checked, and how to repeat a run.
//
//	go test ./test/chaos                       a few minutes
//	go test ./test/chaos -seed 42              the same faults at the same moments
//	go test ./test/chaos -long -timeout 2h     an hour
package chaos
