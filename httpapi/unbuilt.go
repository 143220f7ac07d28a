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
	"POST /deployments/{id}/schedule",
	// Concurrency limits by tag
	"POST /concurrency_limits/",
	"POST /concurrency_limits/decrement",
	"POST /concurrency_limits/filter",
	"POST /concurrency_limits/increment",
	"GET /concurrency_limits/tag/{tag}",
	"DELETE /concurrency_limits/tag/{tag}",
	"POST /concurrency_limits/tag/{tag}/reset",
	"GET /concurrency_limits/{id}",
	"DELETE /concurrency_limits/{id}",
	// Concurrency limits
	"POST /v2/concurrency_limits/",
	"POST /v2/concurrency_limits/decrement",
	"POST /v2/concurrency_limits/filter",
	"POST /v2/concurrency_limits/increment",
	"GET /v2/concurrency_limits/{id_or_name}",
	"PATCH /v2/concurrency_limits/{id_or_name}",
	"DELETE /v2/concurrency_limits/{id_or_name}",
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
	// Artifacts
	"POST /artifacts/",
	"POST /artifacts/count",
	"POST /artifacts/filter",
	"POST /artifacts/latest/count",
	"POST /artifacts/latest/filter",
	"GET /artifacts/{id}",
	"PATCH /artifacts/{id}",
	"DELETE /artifacts/{id}",
	"GET /artifacts/{key}/latest",
	// Variables
	"POST /variables/",
	"POST /variables/count",
	"POST /variables/filter",
	"GET /variables/name/{name}",
	"PATCH /variables/name/{name}",
	"DELETE /variables/name/{name}",
	"GET /variables/{id}",
	"PATCH /variables/{id}",
	"DELETE /variables/{id}",
	// Saved searches
	"PUT /saved_searches/",
	"POST /saved_searches/filter",
	"GET /saved_searches/{id}",
	"DELETE /saved_searches/{id}",
	// Automations
	"POST /automations/",
	"POST /automations/count",
	"POST /automations/filter",
	"DELETE /automations/owned-by/{resource_id}",
	"GET /automations/related-to/{resource_id}",
	"POST /automations/templates/validate",
	"GET /automations/{id}",
	"PUT /automations/{id}",
	"PATCH /automations/{id}",
	"DELETE /automations/{id}",
	// Templates
	"POST /templates/validate",
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
