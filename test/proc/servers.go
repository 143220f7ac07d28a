package proc

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Prefectd is the command that serves a data folder on a port of 127.0.0.1.
func Prefectd(binary, folder string, port int) Command {
	return Command{
		Path: binary,
		Args: []string{"server", "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--data", folder},
		URL:  apiURL(port),
	}
}

// Python is the command that starts the Prefect server of a virtual environment,
// with its defaults and an SQLite database in the folder.
func Python(venv, folder string, port int) Command {
	return Command{
		Path: filepath.Join(venv, "bin", "prefect"),
		Args: []string{"server", "start", "--host", "127.0.0.1", "--port", strconv.Itoa(port)},
		Env: []string{
			"PREFECT_HOME=" + folder,
			"PREFECT_API_DATABASE_CONNECTION_URL=sqlite+aiosqlite:///" + SQLite(folder),
			"PREFECT_SERVER_ANALYTICS_ENABLED=false",
			"DO_NOT_TRACK=1",
		},
		URL: apiURL(port),
	}
}

// SQLite is the database file of a Python server's folder.
func SQLite(folder string) string { return filepath.Join(folder, "prefect.db") }

func apiURL(port int) string { return fmt.Sprintf("http://127.0.0.1:%d/api", port) }

// FreePort finds a port of 127.0.0.1 that nobody listens on.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Build compiles prefectd into the folder and answers the binary's path.
func Build(folder string) (string, error) {
	binary := filepath.Join(folder, "prefectd")
	out, err := exec.Command("go", "build", "-o", binary, "prefectd/cmd/prefectd").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build prefectd: %w\n%s", err, out)
	}
	return binary, nil
}

// environment is this process's own without the settings of whoever runs it.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PREFECT_") {
			env = append(env, v)
		}
	}
	return env
}
