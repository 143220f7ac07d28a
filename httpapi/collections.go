package httpapi

import (
	_ "embed"
	"slices"

	"prefectd/ops"
)

func collectionRoutes() []route {
	return []route{
		{Method: "GET", Path: "/collections/views/{view}", Kind: stale, Handle: readCollection, Doc: "What is known of the types of workers."},
	}
}

// workerTypes are the types of workers of Prefect's integrations, with the job
// templates that their work pools begin with.
//
//go:embed collections/aggregate-worker-metadata.json
var workerTypes []byte

// elsewhere are the views that the reference fetches from the internet.
var elsewhere = []string{"aggregate-block-metadata", "aggregate-flow-metadata", "demo-flows"}

func readCollection(c *call) error {
	view := c.param("view")
	switch {
	case view == "aggregate-worker-metadata":
		return c.text(200, "application/json", workerTypes)
	case slices.Contains(elsewhere, view):
		return ops.NotFound("Requested content missing for view " + view)
	}
	return ops.NotFound("View " + view + " not found in registry")
}
