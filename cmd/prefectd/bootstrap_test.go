package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAddressesOfNodes(t *testing.T) {
	t.Setenv("PREFECTD_TOKEN", "of another command")
	require.Nil(t, (&serverCommand{}).bootstrap())
	got := (&serverCommand{Join: []string{"a", " b:1", "::1", ""}, Token: "x"}).bootstrap()
	require.Equal(t, []string{"a:4201", "b:1", "[::1]:4201"}, got.Addresses)
}

// A node that waits for others ends with a signal; with the list cut down to itself it
// founds a cluster.
func TestBootstrap(t *testing.T) {
	token := prefectd("token", "--new")
	require.Equal(t, 0, token.status)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	t.Setenv("PREFECTD_TOKEN", token.stdout)
	folder := t.TempDir()
	for _, test := range []struct {
		others string
		serves bool
	}{{",127.0.0.1:1", false}, {"", true}} {
		said, out := io.Pipe()
		ended := make(chan int)
		var stderr bytes.Buffer
		go func() {
			args := "server --port 0 --gossip-port 0 --cluster-port " + port + " --join " + address + test.others + " --data-dir " + folder
			status := run(strings.Fields(args), out, &stderr)
			out.Close()
			ended <- status
		}()
		if test.serves {
			line, err := bufio.NewReader(said).ReadString('\n')
			require.NoError(t, err, "%s", &stderr)
			require.Contains(t, line, "serves")
		} else {
			require.Eventually(t, func() bool {
				conn, err := net.Dial("tcp", address)
				if err == nil {
					conn.Close()
				}
				return err == nil
			}, time.Minute, 10*time.Millisecond)
		}
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
		require.Equal(t, 0, <-ended, "%s", &stderr)
		require.Empty(t, stderr.String())
	}
}
