package crash

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/test/client"
	"prefectd/test/facts"
	"prefectd/test/proc"
)

var (
	rounds = flag.Int("rounds", 20, "how often the server is killed under load")
	seed   = flag.Uint64("seed", uint64(time.Now().UnixNano()), "chooses the moments of the kills")
	binary = flag.String("prefectd", "", "a binary to test, instead of one built now")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if *binary == "" {
		folder, err := os.MkdirTemp("", "prefectd-crash-")
		if err == nil {
			defer os.RemoveAll(folder)
			err = os.Chmod(folder, 0o755) // another user runs it in one of the tests
		}
		if err == nil {
			*binary, err = proc.Build(folder)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	path, err := filepath.Abs(*binary)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	*binary = path
	return m.Run()
}

// server is a prefectd on one data folder, started again and again.
type server struct {
	t       *testing.T
	folder  string
	port    int
	process *proc.Process
	client  *client.Client
}

func newServer(t *testing.T) *server {
	t.Helper()
	port, err := proc.FreePort()
	require.NoError(t, err)
	s := &server{t: t, folder: filepath.Join(t.TempDir(), "data"), port: port}
	t.Cleanup(func() {
		if s.process != nil {
			s.process.Kill()
		}
	})
	return s
}

// start starts the server and returns when it is ready.
func (s *server) start() {
	s.t.Helper()
	command := proc.Prefectd(*binary, s.folder, s.port)
	command.Env = facts.Environment()
	command.Output = filepath.Join(filepath.Dir(s.folder), "server.log")
	var err error
	s.process, err = proc.Start(command)
	require.NoError(s.t, err)
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	if err := s.process.WaitReady(ctx); err != nil {
		output, _ := os.ReadFile(command.Output)
		require.NoError(s.t, err, "%s", output[max(0, len(output)-4000):])
	}
	s.client, err = client.New(s.process.URL)
	require.NoError(s.t, err)
}

// kill ends the server as a power cut to its process would.
func (s *server) kill() {
	s.process.Kill()
	s.client.Close()
}
