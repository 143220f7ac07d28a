package cluster

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/store"
)

// crashFolder tells the test's binary to be the process that is killed.
const crashFolder = "CLUSTER_TEST_CRASH_FOLDER"

// crashConfig cuts the log often, so that processes are killed while it is.
func crashConfig(y *toy, dir string, noSync bool) Config {
	c := y.config(dir)
	c.LogEntries, c.State = 32, store.Options{NoSync: noSync}
	c.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	return c
}

// crashChild writes to a group, and prints every answer, until it is killed. It
// reports whether this process is the one to do so.
func crashChild() bool {
	dir := os.Getenv(crashFolder)
	if dir == "" {
		return false
	}
	g, err := Open(crashConfig(&toy{}, dir, os.Getenv("NO_SYNC") != ""))
	if err == nil {
		err = g.Ready(context.Background())
	}
	for number := range uint64(4) {
		go func() {
			for err == nil {
				answer, err := g.Submit(context.Background(), add{number: number, padding: 500})
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Println(number, answer)
			}
		}()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

func TestAnsweredWritesSurviveAKill(t *testing.T) {
	for _, noSync := range []bool{false, true} {
		t.Run(fmt.Sprintf("NoSync=%v", noSync), func(t *testing.T) {
			dir := t.TempDir()
			answered := map[uint64]int{}
			for range 5 {
				killWriter(t, dir, noSync, answered)
				g, err := Open(crashConfig(&toy{}, dir, noSync))
				require.NoError(t, err)
				require.NoError(t, g.Ready(t.Context()))
				for number, n := range answered {
					got := count(t, g, number)
					require.GreaterOrEqual(t, got, n)
					require.LessOrEqual(t, got, n+1, "one may have been under way")
				}
				require.NoError(t, g.Close())
				require.NoError(t, store.Verify(dir+"/state.db"))
			}
		})
	}
}

// killWriter runs a process that writes, kills it and notes what it was answered.
func killWriter(t *testing.T, dir string, noSync bool, answered map[uint64]int) {
	writer := exec.CommandContext(t.Context(), os.Args[0])
	writer.Env = append(os.Environ(), crashFolder+"="+dir)
	if noSync {
		writer.Env = append(writer.Env, "NO_SYNC=1")
	}
	writer.Stderr = os.Stderr
	out, err := writer.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, writer.Start())
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		var number uint64
		var count int
		_, err := fmt.Sscan(lines.Text(), &number, &count)
		if n < 100 {
			require.NoError(t, err, lines.Text())
		} else if n == 100 {
			require.NoError(t, writer.Process.Kill())
		}
		if err == nil { // the last line may be torn
			answered[number] = max(answered[number], count)
		}
	}
	require.ErrorIs(t, lines.Err(), nil)
	_, _ = io.Copy(io.Discard, out)
	require.ErrorContains(t, writer.Wait(), "killed")
}
