package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"prefectd/node"
)

// askTime is how long a server may take to answer.
const askTime = 15 * time.Second

// ask sends a request to the API of the server that the flags name, and decodes the
// answer into one, unless that is nil.
func (a address) ask(method, path string, body, answer any) error {
	settings, _, err := a.settings()
	if err != nil {
		return err
	}
	host := settings.Host
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	url := "http://" + net.JoinHostPort(host, strconv.Itoa(settings.Port)) + basePath(settings) + path
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if user, password, ok := strings.Cut(string(settings.AuthString), ":"); ok {
		req.SetBasicAuth(user, password)
	}
	return a.receive(req, answer)
}

func (a address) receive(req *http.Request, answer any) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no server answers: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read %s: %w", req.URL, err)
	}
	var refusal struct {
		Detail  string `json:"detail"`
		Message string `json:"exception_message"`
	}
	switch {
	case resp.StatusCode < 300 && answer == nil:
		return nil
	case resp.StatusCode < 300:
		if err := json.Unmarshal(raw, answer); err != nil {
			return fmt.Errorf("%s does not answer as prefectd does: %w", req.URL, err)
		}
		return nil
	case json.Unmarshal(raw, &refusal) == nil && refusal.Detail+refusal.Message != "":
		return errors.New(refusal.Detail + refusal.Message)
	}
	return fmt.Errorf("%s answers %s: %s", req.URL, resp.Status, raw)
}

type transferCommand struct {
	Group int    `arg:"" help:"Number of the group; prefectd status tells them."`
	Node  string `arg:"" help:"Name of the node."`
	address
}

// Run asks a server to have leadership transferred.
func (c *transferCommand) Run(out output) error {
	err := c.ask(http.MethodPost, "/cluster/transfer", map[string]any{"group": c.Group, "node": c.Node}, nil)
	if err == nil {
		fmt.Fprintf(out, "%s leads group %d\n", c.Node, c.Group)
	}
	return err
}

type drainCommand struct {
	Node string        `arg:"" help:"Name of the node."`
	Undo bool          `help:"Let it hold and lead groups again."`
	Wait time.Duration `default:"10m" help:"How long to wait until the others have taken over; 0 does not wait."`
	address
}

// Run asks a server to have a node drained, and waits until it is.
func (c *drainCommand) Run(out output) error {
	if err := c.ask(http.MethodPost, "/cluster/drain", map[string]any{"node": c.Node, "draining": !c.Undo}, nil); err != nil {
		return err
	}
	if c.Undo {
		fmt.Fprintf(out, "%s can hold and lead groups again\n", c.Node)
		return nil
	}
	return c.drained(out, c.Node, c.Wait)
}

// drained waits until a node has nothing that others need.
func (a address) drained(out output, name string, wait time.Duration) error {
	for end := time.Now().Add(wait); ; time.Sleep(time.Second) {
		var members []memberStatus
		if err := a.ask(http.MethodGet, "/cluster/members", nil, &members); err != nil {
			return err
		}
		i := slices.IndexFunc(members, func(m memberStatus) bool { return m.Name == name })
		if i < 0 {
			return fmt.Errorf("there is no node named %s", name)
		}
		m := members[i]
		if len(m.Leads) == 0 && !slices.ContainsFunc(m.Holds, func(group int) bool { return group > 0 }) {
			fmt.Fprintf(out, "%s holds no runs and leads nothing\n", name)
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s still holds groups %v and leads %v", name, m.Holds, m.Leads)
		}
	}
}

type removeCommand struct {
	Node  string        `arg:"" help:"Name of the node."`
	Force bool          `help:"Do not wait until the others have taken over what it has: it is gone."`
	Wait  time.Duration `default:"10m" help:"How long to wait for that."`
	address
}

// Run asks a server to end a membership.
func (c *removeCommand) Run(out output) error {
	if !c.Force {
		if err := c.ask(http.MethodPost, "/cluster/drain", map[string]any{"node": c.Node, "draining": true}, nil); err != nil {
			return err
		}
		if err := c.drained(out, c.Node, c.Wait); err != nil {
			return err
		}
	}
	if err := c.ask(http.MethodPost, "/cluster/remove", map[string]any{"node": c.Node, "force": c.Force}, nil); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is no member any more\n", c.Node)
	return nil
}

type tokenCommand struct {
	DataDir string `aliases:"data" env:"PREFECTD_DATA_DIR" type:"path" help:"Folder of the node's data; that of the server on this machine that answers, or ./prefectd-data."`
	New     bool   `xor:"new" help:"Make a seed token for prefectd server --join, with which nodes become a cluster; no server takes part in it."`
	Replace bool   `xor:"new" help:"Make those that were printed before useless, and print a new one."`
	address
}

// Run prints the token that is in the data folder of a node: whoever may read that may
// also let nodes in.
func (c *tokenCommand) Run(out output) error {
	if c.New {
		fmt.Fprintln(out, node.NewSeed())
		return nil
	}
	folder := c.DataDir
	if folder == "" {
		folder = "./prefectd-data"
		var status node.Status
		if err := c.ask(http.MethodGet, "/cluster/status", nil, &status); err == nil {
			folder = status.DataDir
		}
	}
	token, err := readToken(folder)
	if err != nil {
		return err
	}
	if c.Replace {
		if err := c.ask(http.MethodPost, "/cluster/replace-token", nil, nil); err != nil {
			return err
		}
		old := token
		for end := time.Now().Add(askTime); token == old; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				return fmt.Errorf("the server that was asked does not use %s: name its data folder with --data-dir", folder)
			}
			if token, err = readToken(folder); err != nil {
				return err
			}
		}
	}
	fmt.Fprintln(out, token)
	return nil
}

func readToken(folder string) (string, error) {
	token, err := os.ReadFile(filepath.Join(folder, "token"))
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("there is no token in %s: name the data folder of a running node with --data-dir", folder)
	}
	return strings.TrimSpace(string(token)), err
}
