package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"prefectd/node"
)

type statusCommand struct {
	address
	JSON bool `name:"json" help:"Print what the server says as JSON."`
}

type memberStatus = node.MemberStatus

// cluster is what a server says of itself and of its cluster.
type cluster struct {
	node.Status
	Members []node.MemberStatus `json:"members"`
	Cluster []node.ClusterGroup `json:"cluster_groups"`
}

// Run asks the server on this machine.
func (c *statusCommand) Run(out output) error {
	var s cluster
	for path, answer := range map[string]any{"status": &s.Status, "members": &s.Members, "groups": &s.Cluster} {
		if err := c.ask(http.MethodGet, "/cluster/"+path, nil, answer); err != nil {
			return err
		}
	}
	if c.JSON {
		raw, err := json.MarshalIndent(&s, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", raw)
	} else {
		s.print(out)
	}
	if !s.Ready {
		return errQuiet
	}
	return nil
}

func (s *cluster) print(w io.Writer) {
	state := "ready"
	if !s.Ready {
		state = "not ready: " + s.Reason
	}
	health := "healthy"
	if !s.Healthy {
		health = "not healthy"
	}
	fmt.Fprintf(w, "node     %s, prefectd %s, %s\ncluster  %s, %s\n", s.Node, s.Version, state, s.ClusterID, health)
	for _, problem := range s.Problems {
		fmt.Fprintf(w, "         %s\n", problem)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nNODE\tSTATE\tAPI\tFOR NODES\tVERSION\tHOLDS\tLEADS")
	for _, m := range s.Members {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, stateOf(&m), m.API, m.Cluster, m.Version, numbers(m.Holds), numbers(m.Leads))
	}
	fmt.Fprintln(table, "\nGROUP\tKIND\tLEADER\tTERM\tCOMMIT\tREPLICAS\tHEALTH")
	for _, g := range s.Cluster {
		fmt.Fprintf(table, "%d\t%s\t%s\t%d\t%d\t%s\t%s\n", g.Group, g.Kind, orDash(g.Leader), g.Term, g.Commit, replicas(&g), orDash(strings.Join(g.Problems, ", ")))
	}
	table.Flush()
}

func stateOf(m *node.MemberStatus) string {
	switch {
	case !m.Alive:
		return "does not answer"
	case m.Draining:
		return "draining"
	}
	return "alive"
}

// replicas lists who holds a group, and how far behind those are who are.
func replicas(g *node.ClusterGroup) string {
	var list []string
	for _, r := range g.Replicas {
		text := r.Node
		if r.Lag > 0 {
			text += fmt.Sprintf("(-%d)", r.Lag)
		}
		list = append(list, text)
	}
	return orDash(strings.Join(list, " "))
}

func numbers(list []int) string {
	return orDash(strings.Trim(fmt.Sprint(list), "[]"))
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
