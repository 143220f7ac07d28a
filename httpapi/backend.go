package httpapi

import (
	"context"

	"prefectd/ops"
)

// Backend is all that the HTTP layer asks of its node.
type Backend interface {
	ops.Backend
	// Ready answers nil when the node can serve requests, else why it cannot.
	Ready(ctx context.Context) error
	// Streams is where to follow what is written.
	Streams() *ops.Hub
	// Status tells what the node is and does.
	Status(ctx context.Context) ops.Status
}
