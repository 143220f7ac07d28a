package httpapi

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"

	"prefectd/ops"
)

// clusterRoutes are for operators, and not part of the reference.
func clusterRoutes() []route {
	return []route{
		{Method: "GET", Path: "/cluster", Beside: true, Kind: stale, Handle: clusterPage, Doc: "A page that shows the cluster."},
		{Method: "GET", Path: "/cluster/status", Beside: true, Kind: stale, Handle: clusterStatus, Doc: "What this node is and does, and whether the cluster is well."},
		{Method: "GET", Path: "/cluster/members", Beside: true, Kind: stale, Handle: clusterMembers, Doc: "The nodes of the cluster."},
		{Method: "GET", Path: "/cluster/groups", Beside: true, Kind: stale, Handle: clusterGroups, Doc: "The groups, who leads them, and how far their replicas are."},
		{Method: "POST", Path: "/cluster/drain", Kind: write, Handle: drainNode, Doc: "Has a node hold and lead nothing, or lets it do so again."},
		{Method: "POST", Path: "/cluster/remove", Kind: write, Handle: removeNode, Doc: "Ends a node's membership."},
		{Method: "POST", Path: "/cluster/replace-token", Kind: write, Handle: replaceToken, Doc: "Makes the join tokens that were given out useless."},
		{Method: "POST", Path: "/cluster/transfer", Kind: write, Handle: transferGroup, Doc: "Has a node lead a group."},
	}
}

func clusterStatus(c *call) error { return c.reply(200, c.backend.Status(c.ctx)) }

func clusterMembers(c *call) error {
	members, err := c.backend.Members(c.ctx)
	if err != nil {
		return err
	}
	return c.reply(200, members)
}

func clusterGroups(c *call) error {
	groups, err := c.backend.ClusterGroups(c.ctx)
	if err != nil {
		return err
	}
	return c.reply(200, groups)
}

func drainNode(c *call) error {
	var body struct {
		Node     string `json:"node" check:"required"`
		Draining bool   `json:"draining" check:"default=true"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if err := c.backend.Drain(c.ctx, body.Node, body.Draining); err != nil {
		return err
	}
	return c.empty()
}

func removeNode(c *call) error {
	var body struct {
		Node  string `json:"node" check:"required"`
		Force bool   `json:"force"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if err := c.backend.Remove(c.ctx, body.Node, body.Force); err != nil {
		return err
	}
	return c.empty()
}

func replaceToken(c *call) error {
	if err := c.backend.ReplaceToken(c.ctx); err != nil {
		return err
	}
	return c.empty()
}

func transferGroup(c *call) error {
	var body struct {
		Group int    `json:"group" check:"required"`
		Node  string `json:"node" check:"required"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if err := c.backend.Transfer(c.ctx, body.Group, body.Node); err != nil {
		return err
	}
	return c.empty()
}

//go:embed cluster.html
var clusterHTML string

var clusterTemplate = template.Must(template.New("cluster").Funcs(template.FuncMap{"bytes": sizeText}).Parse(clusterHTML))

// sizeText is a number of bytes as people read it.
func sizeText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	size, prefixes := float64(n)/unit, "KMGT"
	for size >= unit && len(prefixes) > 1 {
		size, prefixes = size/unit, prefixes[1:]
	}
	return fmt.Sprintf("%.1f %ciB", size, prefixes[0])
}

// clusterPage shows what the other routes tell; it refreshes itself.
func clusterPage(c *call) error {
	members, err := c.backend.Members(c.ctx)
	if err != nil {
		return err
	}
	groups, err := c.backend.ClusterGroups(c.ctx)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	err = clusterTemplate.Execute(&page, struct {
		Status  ops.Status
		Members []ops.MemberStatus
		Groups  []ops.ClusterGroup
	}{c.backend.Status(c.ctx), members, groups})
	if err != nil {
		return err
	}
	return c.text(200, "text/html; charset=utf-8", page.Bytes())
}
