package httpapi

import (
	"strings"

	"prefectd/ops"
)

// unbuilt lists the operations of the reference that this server does not have
// yet. They answer 501, so that a client learns what it met.
var unbuilt = []string{
	// Block types
	"POST /block_types/install_system_block_types",
	// Observed states
	"GET /observed-states",
}

func unbuiltRoutes() []route {
	list := make([]route, len(unbuilt))
	for i, operation := range unbuilt {
		method, path, _ := strings.Cut(operation, " ")
		list[i] = route{Method: method, Path: path, Kind: stale, Handle: notBuilt(operation), Doc: "Not built yet."}
	}
	return list
}

func notBuilt(operation string) func(*call) error {
	refusal := &ops.Error{Status: 501, Detail: operation + " is not implemented by this server yet"}
	return func(*call) error { return refusal }
}
