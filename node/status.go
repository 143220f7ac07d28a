package node

import "prefectd/ops"

// Status is what a node tells of itself.
type Status = ops.Status
