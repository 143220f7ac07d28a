package cluster

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// forbidWrites makes this process's descriptor of a file one that can only read.
func forbidWrites(t *testing.T, path string) {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || target != path {
			continue // closed since it was listed, or another
		}
		var fd int
		for _, digit := range filepath.Base(link) {
			fd = 10*fd + int(digit-'0')
		}
		readOnly, err := os.Open(path)
		require.NoError(t, err)
		defer readOnly.Close()
		require.NoError(t, unix.Dup3(int(readOnly.Fd()), fd, unix.O_CLOEXEC))
		return
	}
	t.Fatalf("%s is not open", path)
}

// What was applied is in the log, so writes are answered until it is found that it
// cannot go to the state file.
func TestAGroupWhoseStateFileFailsStops(t *testing.T) {
	y := &toy{}
	c := y.config(t.TempDir())
	g, err := Open(c)
	require.NoError(t, err)
	require.NoError(t, g.Ready(t.Context()))
	forbidWrites(t, filepath.Join(c.Dir, "state.db"))
	n := 0
	for ; err == nil && n < 1000; n++ {
		_, err = g.Submit(t.Context(), add{number: uint64(n), padding: 100_000})
	}
	require.ErrorIs(t, err, ErrUnknownOutcome)
	requireStopped(t, g, "state.db")

	g, _ = alone(t, c.Dir)
	for i := range n {
		require.Equal(t, 1, count(t, g, uint64(i)), "the last one, too, is in the log")
	}
}
