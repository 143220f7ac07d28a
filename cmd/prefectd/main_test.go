package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/node"
)

// result is what a command line did.
type result struct {
	status         int
	stdout, stderr string
}

func prefectd(args ...string) result {
	var stdout, stderr bytes.Buffer
	status := run(args, &stdout, &stderr)
	return result{status, stdout.String(), stderr.String()}
}

func TestHelp(t *testing.T) {
	got := prefectd("--help")
	require.Equal(t, 0, got.status)
	for _, command := range []string{"server", "status", "join", "token", "restore", "version"} {
		require.Contains(t, got.stdout, command)
	}
	got = prefectd("server", "--help")
	require.Equal(t, 0, got.status)
	for _, flag := range []string{"--data-dir=", "--host=", "--port=", "--cluster-port=4201", "--gossip-port=4202", "--log-level=", "PREFECTD_HOST", "PREFECT_SERVER_API_PORT"} {
		require.Contains(t, got.stdout, flag)
	}
}

func TestVersion(t *testing.T) {
	got := prefectd("version")
	require.Equal(t, 0, got.status)
	require.Regexp(t, `^prefectd \S+, API of Prefect 3\.9\.1\n$`, got.stdout)
}

// Everything that cannot be done says why in one line.
func TestRefusals(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	for _, test := range []struct {
		args    string
		env     string
		status  int
		message string
	}{
		{"join 127.0.0.1", "", 2, "missing flags: --token=STRING"},
		{"join 127.0.0.1:1 --token x --port 0 --cluster-port 0 --gossip-port 0", "", 1, "this is no token"},
		{"token", "", 1, "there is no token in"},
		{"server --bogus", "", 2, "unknown flag --bogus"},
		{"nonsense", "", 2, "unexpected argument nonsense"},
		{"", "", 2, "expected one of"},
		{"server --port " + port, "", 1, "port " + port + " is in use on 127.0.0.1: stop the program that has it, or choose another with --port"},
		{"server --port 70000", "", 1, "70000"},
		{"server --log-level LOUD", "", 1, `log level "LOUD" is none of`},
		{"server", "PREFECT_SERVER_API_PORT=x", 1, `PREFECT_SERVER_API_PORT: "x" is no whole number`},
		{"server --run-groups 300 --port 0", "", 1, "300 run groups: there can be 1 to 256"},
		{"server --bootstrap-expect 3 --token x --port 0 --cluster-port 0 --gossip-port 0", "", 1, "--bootstrap-expect needs --join"},
		{"server --bootstrap-expect=-3 --port 0", "", 2, "--bootstrap-expect"},
		{"server --bootstrap-expect 2 --port 0 --cluster-port 0 --gossip-port 0", "PREFECTD_JOIN=a, b:1,c,d", 1, "--bootstrap-expect 2 is not more than half of the 4 addresses of --join"},
		{"server --bootstrap-expect 3 --join a --port 0 --cluster-port 0 --gossip-port 0", "", 1, "--bootstrap-expect 3 is more than the 1 addresses"},
		{"server --join a --port 0 --cluster-port 0 --gossip-port 0", "", 1, "this is no seed token"},
		{"server --join a --port 0 --cluster-port 0 --gossip-port 0", "PREFECTD_TOKEN=prefectd-x", 1, "this is no seed token"},
		{"token --new --replace", "", 2, "can't be used together"},
		{"status --port 1", "", 1, "no server answers"},
		{"restore /nowhere/backup", "", 1, "/nowhere/backup: no such file"},
		{"restore main.go", "", 1, "main.go is no backup of prefectd"},
	} {
		t.Run(test.args, func(t *testing.T) {
			if name, value, ok := strings.Cut(test.env, "="); ok {
				t.Setenv(name, value)
			}
			got := prefectd(append(strings.Fields(test.args), dataDir(t, test.args)...)...)
			require.Equal(t, test.status, got.status)
			require.Contains(t, got.stderr, test.message)
			require.Equal(t, 1, strings.Count(got.stderr, "\n"), got.stderr)
			require.True(t, strings.HasPrefix(got.stderr, "prefectd: "))
		})
	}
}

// dataDir keeps a server that should not have started from leaving a folder here.
func dataDir(t *testing.T, args string) []string {
	if !strings.HasPrefix(args, "status") && strings.Contains(args, " ") || args == "token" || args == "server" {
		return []string{"--data-dir", t.TempDir()}
	}
	return nil
}

// TestLife starts a server, asks it, stops it with a signal, and does it again on
// the same folder.
func TestLife(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	clusters := map[string]bool{}
	for range 2 {
		said, out := io.Pipe()
		ended := make(chan int)
		var stderr bytes.Buffer
		go func() {
			status := run([]string{"server", "--data-dir", folder, "--port", "0", "--node-name", "n1", "--run-groups", "2"}, out, &stderr)
			out.Close()
			ended <- status
		}()
		line, err := bufio.NewReader(said).ReadString('\n')
		require.NoError(t, err, "%s", &stderr)
		found := regexp.MustCompile(`serves http://127\.0\.0\.1:(\d+)/api from `).FindStringSubmatch(line)
		require.NotNil(t, found, line)

		got := prefectd("status", "--json", "--port", found[1])
		require.Equal(t, 0, got.status, got.stderr)
		var status node.Status
		require.NoError(t, json.Unmarshal([]byte(got.stdout), &status))
		require.Equal(t, "n1", status.Node)
		require.Len(t, status.Groups, 3)
		require.Equal(t, "leader", status.Groups[0].Role)
		clusters[status.ClusterID] = true

		second := prefectd("server", "--data-dir", folder, "--port", "0")
		require.Equal(t, 1, second.status)
		require.Contains(t, second.stderr, folder+" is in use")

		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
		require.Equal(t, 0, <-ended, "%s", &stderr)
	}
	require.Len(t, clusters, 1, "the second is the same node")
}

func TestRestore(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	line := []string{"restore", "../../node/testdata/backup-v1", "--data-dir", folder, "--node-name", "n1"}
	require.Equal(t, result{0, "restored what cluster d98c424a-e06a-428d-8760-c846c2322f00 was at 2026-11-23T22:38:00.009859Z " +
		"(prefectd test, 1 run groups): start it with prefectd server --data-dir " + folder + "\n", ""}, prefectd(line...))
	got := prefectd(line...)
	require.Equal(t, result{1, "", "prefectd: data folder " + folder + " is not empty: name another one with --data-dir\n"}, got)
}

func TestStatus(t *testing.T) {
	ready := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "admin" || password != "pass" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/prefect/cluster/status":
			fmt.Fprintf(w, `{"version":"1","node":"n1","cluster_id":"c1","ready":%v,"reason":"no leader","healthy":false,"problems":["node n2 does not answer"]}`, ready)
		case "/prefect/cluster/members":
			fmt.Fprint(w, `[{"name":"n1","alive":true,"api_address":"10.0.0.1:4200","cluster_address":"10.0.0.1:4201","version":"1","holds":[0,1],"leads":[0],"joined":"2026-01-01T00:00:00Z"},
				{"name":"n2","holds":[],"leads":[]},{"name":"n3","alive":true,"draining":true}]`)
		case "/prefect/cluster/groups":
			fmt.Fprint(w, `[{"group":0,"kind":"coordination","leader":"n1","term":3,"commit":120,"replicas":[{"node":"n1","applied":120},{"node":"n3","lag":7}],"problems":[]},
				{"group":1,"kind":"runs","problems":["group 1 has no leader"]}]`)
		}
	}))
	defer server.Close()
	where, err := url.Parse(server.URL)
	require.NoError(t, err)
	t.Setenv("PREFECT_SERVER_API_PORT", where.Port())
	t.Setenv("PREFECT_SERVER_API_BASE_PATH", "/prefect")
	require.Contains(t, prefectd("status").stderr, "401 Unauthorized")

	t.Setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:pass")
	got := prefectd("status")
	require.Equal(t, result{0, `node     n1, prefectd 1, ready
cluster  c1, not healthy
         node n2 does not answer

NODE  STATE            API            FOR NODES      VERSION  HOLDS  LEADS
n1    alive            10.0.0.1:4200  10.0.0.1:4201  1        0 1    0
n2    does not answer                                         -      -
n3    draining                                                -      -

GROUP  KIND          LEADER  TERM  COMMIT  REPLICAS   HEALTH
0      coordination  n1      3     120     n1 n3(-7)  -
1      runs          -       0     0       -          group 1 has no leader
`, ""}, got)
	var said map[string]any
	require.NoError(t, json.Unmarshal([]byte(prefectd("status", "--json").stdout), &said))
	require.Equal(t, "n1", said["node"])
	require.Len(t, said["members"], 3)
	require.Len(t, said["cluster_groups"], 2)

	ready = false
	got = prefectd("status")
	require.Equal(t, 1, got.status)
	require.Contains(t, got.stdout, "not ready: no leader")
	require.Empty(t, got.stderr)
}

func TestLists(t *testing.T) {
	require.Equal(t, []string{"http://a", "http://b"}, list("http://a, http://b,"))
	require.Equal(t, []string{"*"}, list("*"))
	require.Empty(t, list(""))
}
