package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

func savedSearchRoutes() []route {
	return []route{
		{Method: "PUT", Path: "/saved_searches/", Kind: write, Handle: saveSearch, Doc: "Make or change the saved search of a name."},
		{Method: "GET", Path: "/saved_searches/{id}", Kind: read, Handle: readSearch, Doc: "One saved search."},
		{Method: "POST", Path: "/saved_searches/filter", Kind: read, Handle: filterSearches, Doc: "Saved searches by name."},
		{Method: "DELETE", Path: "/saved_searches/{id}", Kind: write, Handle: deleteSearch, Doc: "Delete a saved search."},
	}
}

func saveSearch(c *call) error {
	var op ops.SaveSearch
	if err := c.decode(&op.Search); err != nil {
		return err
	}
	return replyUpserted[prefect.SavedSearch](c)(ops.Do[ops.Upserted[prefect.SavedSearch]](c.ctx, c.backend, ops.Coordination, &op))
}

func readSearch(c *call) error {
	return replyWith[*prefect.SavedSearch](c)(ops.Ask[*prefect.SavedSearch](c.ctx, c.backend, ops.Coordination, &ops.ReadSearch{ID: c.id("id")}))
}

func filterSearches(c *call) error {
	var q prefect.SavedSearchesQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	find := &ops.FindSearches{Window: ops.Window{From: offset, Limit: limit}}
	return replyWith[[]*prefect.SavedSearch](c)(ops.Ask[[]*prefect.SavedSearch](c.ctx, c.backend, ops.Coordination, find))
}

func deleteSearch(c *call) error {
	return c.done(c.backend.Do(c.ctx, ops.Coordination, &ops.DeleteSearch{ID: c.id("id")}))
}
