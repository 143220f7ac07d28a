package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

func blockRoutes() []route {
	return []route{
		{Method: "POST", Path: "/block_types/", Kind: write, Handle: createBlockType, Doc: "Make a block type."},
		{Method: "POST", Path: "/block_types/filter", Kind: read, Handle: filterBlockTypes, Doc: "Block types by filter."},
		{Method: "GET", Path: "/block_types/{id}", Kind: read, Handle: readBlockType, Doc: "One block type."},
		{Method: "GET", Path: "/block_types/slug/{slug}", Kind: read, Handle: readBlockType, Doc: "The block type of a slug."},
		{Method: "PATCH", Path: "/block_types/{id}", Kind: write, Handle: updateBlockType, Doc: "Change what is sent of a block type."},
		{Method: "DELETE", Path: "/block_types/{id}", Kind: write, Handle: deleteBlockType, Doc: "Delete a block type with its schemas and documents."},
		{Method: "GET", Path: "/block_types/slug/{slug}/block_documents", Kind: read, Handle: documentsOfType, Doc: "The block documents of a type."},
		{Method: "GET", Path: "/block_types/slug/{slug}/block_documents/name/{block_document_name}", Kind: read, Handle: readBlockDocument, Doc: "The block document of a type and a name."},

		{Method: "POST", Path: "/block_schemas/", Kind: write, Handle: createBlockSchema, Doc: "Make a block schema, or find the same one."},
		{Method: "POST", Path: "/block_schemas/filter", Kind: read, Handle: filterBlockSchemas, Doc: "Block schemas by filter."},
		{Method: "GET", Path: "/block_schemas/{id}", Kind: read, Handle: readBlockSchema, Doc: "One block schema."},
		{Method: "GET", Path: "/block_schemas/checksum/{checksum}", Kind: read, Handle: readBlockSchemaByChecksum, Doc: "The newest block schema of a checksum."},
		{Method: "DELETE", Path: "/block_schemas/{id}", Kind: write, Handle: deleteBlockSchema, Doc: "Delete a block schema with its documents."},

		{Method: "POST", Path: "/block_documents/", Kind: write, Handle: createBlockDocument, Doc: "Make a block document."},
		{Method: "POST", Path: "/block_documents/filter", Kind: read, Handle: filterBlockDocuments, Doc: "Block documents by filter."},
		{Method: "POST", Path: "/block_documents/count", Kind: read, Handle: countBlockDocuments, Doc: "The number of block documents that match."},
		{Method: "GET", Path: "/block_documents/{id}", Kind: read, Handle: readBlockDocument, Doc: "One block document."},
		{Method: "PATCH", Path: "/block_documents/{id}", Kind: write, Handle: updateBlockDocument, Doc: "Change a block document."},
		{Method: "DELETE", Path: "/block_documents/{id}", Kind: write, Handle: deleteBlockDocument, Doc: "Delete a block document."},

		{Method: "GET", Path: "/block_capabilities/", Kind: read, Handle: blockCapabilities, Doc: "What blocks can do."},
	}
}

// blockType is the one in the path, by its id or its slug.
func (c *call) blockType() ops.BlockTypeKey {
	if _, byID := c.req.UserValue("id").(string); byID {
		return ops.BlockTypeKey{ID: c.id("id")}
	}
	return ops.BlockTypeKey{Slug: c.param("slug")}
}

func createBlockType(c *call) error {
	var op ops.CreateBlockType
	if err := c.decode(&op.Body); err != nil {
		return err
	}
	t, err := ops.Do[*prefect.BlockType](c.ctx, c.backend, ops.Coordination, &op)
	if err != nil {
		return err
	}
	return c.reply(201, t)
}

func readBlockType(c *call) error {
	return replyWith[*prefect.BlockType](c)(ops.Ask[*prefect.BlockType](c.ctx, c.backend, ops.Coordination, &ops.ReadBlockType{Type: c.blockType()}))
}

func updateBlockType(c *call) error {
	op := &ops.UpdateBlockType{ID: c.id("id")}
	if err := c.decode(&op.Update); err != nil {
		return err
	}
	return c.done(c.backend.Do(c.ctx, ops.Coordination, op))
}

func deleteBlockType(c *call) error {
	return c.done(c.backend.Do(c.ctx, ops.Coordination, &ops.DeleteBlockType{ID: c.id("id")}))
}

func filterBlockTypes(c *call) error {
	var q prefect.BlockTypesQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	find := &ops.FindBlockTypes{Types: q.BlockTypes, Schemas: q.BlockSchemas, Window: ops.Window{From: offset, Limit: limit}}
	return replyWith[[]*prefect.BlockType](c)(ops.Ask[[]*prefect.BlockType](c.ctx, c.backend, ops.Coordination, find))
}

func createBlockSchema(c *call) error {
	var op ops.CreateBlockSchema
	if err := c.decode(&op.Body); err != nil {
		return err
	}
	made, err := ops.Do[ops.Upserted[prefect.BlockSchema]](c.ctx, c.backend, ops.Coordination, &op)
	if err != nil {
		return err
	}
	return c.replyMade(made.Created, made.Object)
}

func readBlockSchema(c *call) error {
	return replyWith[*prefect.BlockSchema](c)(ops.Ask[*prefect.BlockSchema](c.ctx, c.backend, ops.Coordination, &ops.ReadBlockSchema{ID: c.id("id")}))
}

func readBlockSchemaByChecksum(c *call) error {
	var query struct {
		_       struct{} `check:"params"`
		Version *string  `json:"version"`
	}
	if err := c.query(&query); err != nil {
		return err
	}
	find := &ops.ReadBlockSchema{Checksum: c.param("checksum"), Version: query.Version}
	return replyWith[*prefect.BlockSchema](c)(ops.Ask[*prefect.BlockSchema](c.ctx, c.backend, ops.Coordination, find))
}

func filterBlockSchemas(c *call) error {
	var q prefect.BlockSchemasQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	find := &ops.FindBlockSchemas{Filter: q.BlockSchemas, Window: ops.Window{From: offset, Limit: limit}}
	return replyWith[[]*prefect.BlockSchema](c)(ops.Ask[[]*prefect.BlockSchema](c.ctx, c.backend, ops.Coordination, find))
}

func deleteBlockSchema(c *call) error {
	return c.done(c.backend.Do(c.ctx, ops.Coordination, &ops.DeleteBlockSchema{ID: c.id("id")}))
}

func blockCapabilities(c *call) error {
	return replyWith[[]string](c)(ops.Ask[[]string](c.ctx, c.backend, ops.Coordination, &ops.FindBlockCapabilities{}))
}

// secrets reports whether a request asks for secrets too.
func (c *call) secrets() (bool, error) {
	var query struct {
		_              struct{} `check:"params"`
		IncludeSecrets bool     `json:"include_secrets" check:"default=false"`
	}
	err := c.query(&query)
	return query.IncludeSecrets, err
}

func createBlockDocument(c *call) error {
	var op ops.CreateBlockDocument
	if err := c.decode(&op.Body); err != nil {
		return err
	}
	d, err := ops.RevealBlock(c.backend, false)(ops.Do[*ops.KeptBlock](c.ctx, c.backend, ops.Coordination, &op))
	if err != nil {
		return err
	}
	return c.reply(201, d)
}

func readBlockDocument(c *call) error {
	secrets, err := c.secrets()
	if err != nil {
		return err
	}
	var q ops.ReadBlockDocument
	if _, byID := c.req.UserValue("id").(string); byID {
		q.Document.ID = c.id("id")
	} else {
		q.Document.Slug, q.Document.Name = c.param("slug"), c.param("block_document_name")
	}
	kept, err := ops.Ask[*ops.KeptBlock](c.ctx, c.backend, ops.Coordination, &q)
	return replyWith[*prefect.BlockDocument](c)(ops.RevealBlock(c.backend, secrets)(kept, err))
}

func updateBlockDocument(c *call) error {
	op := &ops.UpdateBlockDocument{ID: c.id("id")}
	if err := c.decode(&op.Update); err != nil {
		return err
	}
	return c.done(c.backend.Do(c.ctx, ops.Coordination, op))
}

func deleteBlockDocument(c *call) error {
	return c.done(c.backend.Do(c.ctx, ops.Coordination, &ops.DeleteBlockDocument{ID: c.id("id")}))
}

func filterBlockDocuments(c *call) error {
	var q prefect.BlockDocumentsQuery
	limit, offset, err := c.window(&q)
	if err != nil {
		return err
	}
	find := &ops.FindBlockDocuments{Scope: q.BlockDocumentsScope, Sort: q.Sort, Window: ops.Window{From: offset, Limit: limit}}
	return replyWith[[]*prefect.BlockDocument](c)(ops.ListBlockDocuments(c.ctx, c.backend, find, q.IncludeSecrets))
}

// documentsOfType lists the documents of a type, but for anonymous ones.
func documentsOfType(c *call) error {
	secrets, err := c.secrets()
	if err != nil {
		return err
	}
	find := &ops.FindBlockDocuments{Slug: c.param("slug"), Window: ops.Window{Limit: allDocuments}}
	return replyWith[[]*prefect.BlockDocument](c)(ops.ListBlockDocuments(c.ctx, c.backend, find, secrets))
}

// allDocuments is how many documents of a type are listed at most.
const allDocuments = 10_000

func countBlockDocuments(c *call) error {
	var q prefect.BlockDocumentsCountQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[int](c)(ops.Ask[int](c.ctx, c.backend, ops.Coordination, &ops.CountBlockDocuments{Scope: q.BlockDocumentsScope}))
}
