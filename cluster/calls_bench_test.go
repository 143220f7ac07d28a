package cluster

import (
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkCall is a call of 1 kB that is answered with as much, for callers that wait
// for each answer. cpu-µs/op is processor time of both ends together.
func BenchmarkCall(b *testing.B) {
	s := newSite(b)
	from, to := s.network("n1"), s.network("n2")
	to.Handle("echo", echo)
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			body := make([]byte, 1000)
			roundTrips(b, callers, func() func() error {
				return func() error {
					_, err := from.Call(b.Context(), "n2", "echo", body)
					return err
				}
			})
		})
	}
}

// BenchmarkEcho is the same over TCP connections, one for each caller, and nothing else:
// what the operating system costs.
func BenchmarkEcho(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn})
		}
	}()
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			roundTrips(b, callers, func() func() error {
				conn, err := net.Dial("tcp", l.Addr().String())
				require.NoError(b, err)
				b.Cleanup(func() { conn.Close() })
				body := make([]byte, 1000)
				return func() error {
					if _, err := conn.Write(body); err != nil {
						return err
					}
					_, err := io.ReadFull(conn, body)
					return err
				}
			})
		})
	}
}

// roundTrips has a number of callers go on until b.N round trips are made.
func roundTrips(b *testing.B, callers int, caller func() func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	ended := make(chan error, callers)
	all := make([]func() error, callers)
	for i := range all {
		all[i] = caller()
		require.NoError(b, all[i]()) // connected before the clock runs
	}
	b.ResetTimer()
	began, used := time.Now(), processorTime(b)
	for _, trip := range all {
		go func() {
			for left.Add(-1) >= 0 {
				if err := trip(); err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
	}
	for range callers {
		require.NoError(b, <-ended)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "trips/s")
	b.ReportMetric(float64((processorTime(b)-used).Microseconds())/float64(b.N), "cpu-µs/op")
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
