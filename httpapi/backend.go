package httpapi

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"prefectd/ops"
)

// Backend is all that the HTTP layer asks of its node.
type Backend interface {
	ops.Backend
	// Ready answers nil when the node can serve requests, else why it cannot.
	Ready(ctx context.Context) error
	// Streams is where to follow what is written.
	Streams() *ops.Hub
	// TaskWorkers lists the task workers that are connected to any node.
	TaskWorkers(ctx context.Context) ([]ops.ConnectedWorker, error)
	// Status tells what the node is and does.
	Status(ctx context.Context) ops.Status
	// Metrics gathers what the node counts.
	Metrics() prometheus.Gatherer
	// Members and ClusterGroups tell what is known of all nodes and groups.
	Members(ctx context.Context) ([]ops.MemberStatus, error)
	ClusterGroups(ctx context.Context) ([]ops.ClusterGroup, error)
	// Drain has a node hold and lead nothing, or lets it do so again.
	Drain(ctx context.Context, node string, draining bool) error
	// Remove ends a node's membership, also of one that holds something if forced.
	Remove(ctx context.Context, node string, force bool) error
	// ReplaceToken makes the join tokens that were given out useless.
	ReplaceToken(ctx context.Context) error
	// Transfer has a node lead a group.
	Transfer(ctx context.Context, group int, node string) error
}
