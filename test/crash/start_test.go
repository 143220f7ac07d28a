package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/test/client"
	"prefectd/test/proc"
)

// beginRequest sends a request whose body doesn't come to an end.
func beginRequest(t *testing.T, s *server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	require.NoError(t, err)
	_, err = io.WriteString(conn, "POST /api/flows/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	require.NoError(t, err)
	return conn
}

// TestStartRefused starts the server where it cannot work: it ends at once with
// one line that names what is wrong and what to do.
func TestStartRefused(t *testing.T) {
	tests := []struct {
		name   string
		spoil  func(t *testing.T, s *server) (names string) // what the line has to name
		remedy string                                       // a pattern of what to do
	}{
		{"port in use", takePort, `another|port`},
		{"folder in use", holdFolder, `running|another|stop`},
		{"folder of another version", changeVersion, `version`},
		{"folder is read-only", nil, `writ|permission|owner`},
		{"folder is a file", folderIsFile, `folder|directory`},
		{"state file damaged", damage(`state.*\.db$`), `backup|restore`},
		{"log file damaged", damage(`log.*\.db$`), `backup|restore`},
		{"node file damaged", damage(`node\.json$`), `backup|restore`},
		{"trust file damaged", damage(`trust\.json$`), `backup|restore`},
		{"members file damaged", damage(`members\.json$`), `backup|restore`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			s.fill()
			var user *syscall.Credential
			names := s.folder
			if test.spoil == nil {
				user = makeReadOnly(t, s)
			} else {
				names = test.spoil(t, s)
			}
			code, stderr := s.tryStart(user)
			require.NotZero(t, code)
			require.Equal(t, 1, strings.Count(stderr, "\n"), "one line:\n%s", stderr)
			require.Contains(t, stderr, names)
			require.Regexp(t, "(?i)"+test.remedy, strings.ReplaceAll(stderr, names, ""))
		})
	}
}

// fill makes a data folder with something in it.
func (s *server) fill() {
	s.start()
	flow, err := s.client.EnsureFlow(s.t.Context(), "kept")
	require.NoError(s.t, err)
	for range 50 {
		_, err := s.client.CreateRun(s.t.Context(), client.NewRun{FlowID: flow, State: "PENDING"})
		require.NoError(s.t, err)
	}
	_, err = s.process.Stop(drainTime)
	require.NoError(s.t, err)
}

// tryStart runs the server to its end and answers what it said.
func (s *server) tryStart(user *syscall.Credential) (code int, stderr string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	c := proc.Prefectd(*binary, s.folder, s.port)
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	cmd.Dir = "/"
	var out bytes.Buffer
	cmd.Stderr = &out
	err := cmd.Run()
	require.NoError(s.t, ctx.Err(), "the server started, or hangs:\n%s", &out)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(s.t, err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

func takePort(t *testing.T, s *server) string {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return fmt.Sprint(s.port)
}

func holdFolder(t *testing.T, s *server) string {
	s.start()
	port, err := proc.FreePort()
	require.NoError(t, err)
	s.port = port
	return s.folder
}

func folderIsFile(t *testing.T, s *server) string {
	s.folder = filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(s.folder, nil, 0o600))
	return s.folder
}

// makeReadOnly takes the right to write to the folder away. The superuser could
// still write, so the server is then run as nobody.
func makeReadOnly(t *testing.T, s *server) *syscall.Credential {
	const nobody = 65534
	for dir := filepath.Dir(s.folder); dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	root := os.Getuid() == 0
	require.NoError(t, filepath.WalkDir(s.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if root {
			if err := os.Chown(path, nobody, nobody); err != nil {
				return err
			}
		}
		if entry.IsDir() {
			return os.Chmod(path, 0o555)
		}
		return os.Chmod(path, 0o444)
	}))
	t.Cleanup(func() {
		filepath.WalkDir(s.folder, func(path string, _ fs.DirEntry, _ error) error { return os.Chmod(path, 0o755) })
	})
	if !root {
		return nil
	}
	return &syscall.Credential{Uid: nobody, Gid: nobody}
}

// changeVersion makes the folder look like that of a later version.
func changeVersion(t *testing.T, s *server) string {
	path := s.file(t, `node\.json$`)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	format := regexp.MustCompile(`("(?:format|version)":\s*)\d+`)
	require.Regexp(t, format, string(raw))
	require.NoError(t, os.WriteFile(path, format.ReplaceAll(raw, []byte("${1}99")), 0o600))
	return path
}

// damage overwrites a file of the folder with noise, from its first byte on.
func damage(pattern string) func(*testing.T, *server) string {
	return func(t *testing.T, s *server) string {
		path := s.file(t, pattern)
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		for i := range min(len(raw), 64<<10) {
			raw[i] = byte(i*7 + 13)
		}
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		return path
	}
}

// file finds the first file of the folder whose path matches.
func (s *server) file(t *testing.T, pattern string) (found string) {
	t.Helper()
	wanted := regexp.MustCompile(pattern)
	require.NoError(t, filepath.WalkDir(s.folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && found == "" && wanted.MatchString(strings.TrimPrefix(path, s.folder)) {
			found = path
		}
		return err
	}))
	require.NotEmpty(t, found, "no file %s in %s", pattern, s.folder)
	return found
}
