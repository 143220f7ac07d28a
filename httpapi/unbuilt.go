package httpapi

import (
	"strings"

	"prefectd/ops"
)

// unbuilt lists the operations of the reference that this server does not have
// yet. They answer 501, so that a client learns what it met.
var unbuilt = []string{
	// Flows
	// Flow runs
	// Task runs
	// Deployments
	// Concurrency limits by tag
	// Concurrency limits
	// Block types
	"POST /block_types/",
	"POST /block_types/filter",
	"POST /block_types/install_system_block_types",
	"GET /block_types/slug/{slug}",
	"GET /block_types/slug/{slug}/block_documents",
	"GET /block_types/slug/{slug}/block_documents/name/{block_document_name}",
	"GET /block_types/{id}",
	"PATCH /block_types/{id}",
	"DELETE /block_types/{id}",
	// Block schemas
	"POST /block_schemas/",
	"GET /block_schemas/checksum/{checksum}",
	"POST /block_schemas/filter",
	"GET /block_schemas/{id}",
	"DELETE /block_schemas/{id}",
	// Block documents
	"POST /block_documents/",
	"POST /block_documents/count",
	"POST /block_documents/filter",
	"GET /block_documents/{id}",
	"PATCH /block_documents/{id}",
	"DELETE /block_documents/{id}",
	// Block capabilities
	"GET /block_capabilities/",
	// Automations
	// Templates
	// Observed states
	"GET /observed-states",
	// UI: schemas
	"POST /ui/schemas/validate",
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
