// Package proc runs a server as a process of its own, as tests and the benchmark
// meet it: it builds and starts one, waits until it is ready, stops or kills it,
// and reads what it costs.
package proc
