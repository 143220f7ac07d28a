package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"prefectd/node"
)

type statusCommand struct {
	address
	JSON bool `name:"json" help:"Print what the server says as JSON."`
}

// statusTime is how long the server may take to answer.
const statusTime = 10 * time.Second

// Run asks the server on this machine.
func (c *statusCommand) Run(out output) error {
	settings, _, err := c.settings()
	if err != nil {
		return err
	}
	host := settings.Host
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	url := "http://" + net.JoinHostPort(host, strconv.Itoa(settings.Port)) + basePath(settings) + "/cluster/status"
	ctx, cancel := context.WithTimeout(context.Background(), statusTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if user, password, ok := strings.Cut(string(settings.AuthString), ":"); ok {
		req.SetBasicAuth(user, password)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no server answers: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("read %s: %w", url, err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", url, answer.Status, body)
	}
	var status node.Status
	if err := json.Unmarshal(body, &status); err != nil {
		return fmt.Errorf("%s does not answer as prefectd does: %w", url, err)
	}
	if c.JSON {
		fmt.Fprintf(out, "%s\n", body)
	} else {
		printStatus(out, &status)
	}
	if !status.Ready {
		return errQuiet
	}
	return nil
}

func printStatus(w io.Writer, s *node.Status) {
	state := "ready"
	if !s.Ready {
		state = "not ready: " + s.Reason
	}
	fmt.Fprintf(w, "node     %s, prefectd %s, %s\ncluster  %s\n\n", s.Node, s.Version, state, s.ClusterID)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "GROUP\tHOLDS\tROLE\tLEADER\tTERM\tAPPLIED")
	for _, g := range s.Groups {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%d\t%d\n", g.Group, g.Kind, g.Role, g.Leader, g.Term, g.Applied)
	}
	table.Flush()
}
