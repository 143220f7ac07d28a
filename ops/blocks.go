package ops

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strings"

	"prefectd/prefect"
	"prefectd/store"
)

// Block types, schemas and documents live in the coordination group.

var (
	errNoBlockType     = NotFound("Block type not found")
	errNoBlockSchema   = NotFound("Block schema not found")
	errNoBlockDocument = NotFound("Block document not found")
)

// BlockTypeKey is the id of a block type, or else its slug.
type BlockTypeKey struct {
	ID   prefect.ID
	Slug string
}

func (k *BlockTypeKey) find(tx *store.Tx) (*prefect.BlockType, error) {
	t := store.BlockTypes.Get(tx, key(k.ID))
	if k.ID.IsNull() {
		t = store.BlockTypesBySlug.Find(tx, store.Key{}.String(k.Slug))
	}
	if t == nil {
		return nil, errNoBlockType
	}
	return t, nil
}

// protectedTypes are the slugs of the types that the server itself relies on.
var protectedTypes = []string{"secret", "local-file-system", "webhook"}

// CreateBlockType makes a block type.
type CreateBlockType struct {
	Body prefect.BlockTypeCreate
}

// Run answers the *prefect.BlockType; 403 for a reserved name, 409 for one that is taken.
func (o *CreateBlockType) Run(c *Context) (any, error) {
	b := &o.Body
	if strings.HasPrefix(strings.ToLower(b.Name), "prefect") {
		return nil, Forbidden("Block type names beginning with 'Prefect' are reserved.")
	}
	if store.BlockTypesBySlug.Find(c.Tx, store.Key{}.String(b.Slug)) != nil || store.BlockTypesByName.Find(c.Tx, store.Key{}.String(b.Name)) != nil {
		return nil, Conflict(fmt.Sprintf("Block type with name %q already exists", b.Name))
	}
	t := &prefect.BlockType{
		ID: c.freshID(), Created: c.Now, Updated: c.Now, Name: b.Name, Slug: b.Slug, LogoURL: b.LogoURL,
		DocumentationURL: b.DocumentationURL, Description: escaped(b.Description), CodeExample: escaped(b.CodeExample),
		IsProtected: slices.Contains(protectedTypes, b.Slug),
	}
	store.BlockTypes.Put(c.Tx, t)
	return t, c.emitBlockType("created", t)
}

// escaped makes a text safe in HTML, as the reference keeps it.
func escaped(text *string) *string {
	if text == nil {
		return nil
	}
	safe := strings.NewReplacer("&#34;", `"`, "&#39;", "'").Replace(html.EscapeString(*text))
	return &safe
}

// UpdateBlockType changes what was sent of a block type.
type UpdateBlockType struct {
	ID     prefect.ID
	Update prefect.BlockTypeUpdate
}

// Run answers nothing; 404 for an unknown type.
func (o *UpdateBlockType) Run(c *Context) (any, error) {
	t, err := (&BlockTypeKey{ID: o.ID}).find(c.Tx)
	if err != nil {
		return nil, err
	}
	for _, field := range []struct {
		dst  **string
		sent prefect.Opt[*string]
	}{
		{&t.LogoURL, o.Update.LogoURL}, {&t.DocumentationURL, o.Update.DocumentationURL},
		{&t.Description, o.Update.Description}, {&t.CodeExample, o.Update.CodeExample},
	} {
		if field.sent.Set {
			*field.dst = field.sent.Value
		}
	}
	t.Updated = c.Now
	store.BlockTypes.Put(c.Tx, t)
	return nil, c.emitBlockType("updated", t)
}

// DeleteBlockType removes a block type with its schemas and documents.
type DeleteBlockType struct {
	ID prefect.ID
}

// Run answers nothing; 404 for an unknown type, 403 for a protected one.
func (o *DeleteBlockType) Run(c *Context) (any, error) {
	t, err := (&BlockTypeKey{ID: o.ID}).find(c.Tx)
	switch {
	case err != nil:
		return nil, err
	case t.IsProtected:
		return nil, Forbidden("protected block types cannot be deleted.")
	}
	for _, s := range slices.Collect(store.BlockSchemasByType.Rows(c.Tx, store.Range{Prefix: key(t.ID)})) {
		c.removeBlockSchema(s)
	}
	store.BlockTypes.Delete(c.Tx, key(t.ID))
	return nil, c.emitBlockType("deleted", t)
}

func (c *Context) removeBlockSchema(s *prefect.BlockSchema) {
	for _, d := range slices.Collect(store.BlockDocumentsBySchema.Rows(c.Tx, store.Range{Prefix: key(s.ID)})) {
		c.removeBlockDocument(d)
	}
	store.BlockSchemas.Delete(c.Tx, key(s.ID))
}

func (c *Context) emitBlockType(what string, t *prefect.BlockType) error {
	return c.tell("prefect.block-type."+what, resource("block-type", t.ID, t.Name), nil, struct {
		Name             string  `json:"name"`
		Slug             string  `json:"slug"`
		LogoURL          *string `json:"logo_url"`
		DocumentationURL *string `json:"documentation_url"`
		Description      *string `json:"description"`
		CodeExample      *string `json:"code_example"`
		IsProtected      bool    `json:"is_protected"`
	}{t.Name, t.Slug, t.LogoURL, t.DocumentationURL, t.Description, t.CodeExample, t.IsProtected})
}

// ReadBlockType reads one block type.
type ReadBlockType struct {
	Type BlockTypeKey
}

// Read answers a *prefect.BlockType; 404 if there is none.
func (q *ReadBlockType) Read(tx *store.Tx, _ prefect.Time) (any, error) { return q.Type.find(tx) }

// FindBlockTypes finds block types, by name. With a filter of schemas they need one that
// matches.
type FindBlockTypes struct {
	Types   *prefect.BlockTypeFilter
	Schemas *prefect.BlockSchemaFilter
	Window
}

// Read answers a []*prefect.BlockType.
func (q *FindBlockTypes) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	found := matching(store.BlockTypes.Rows(tx, store.Range{}), q.Types.Compile())
	if q.Schemas != nil {
		having := map[prefect.ID]bool{}
		for _, s := range matching(store.BlockSchemas.Rows(tx, store.Range{}), q.Schemas.Compile()) {
			having[s.BlockTypeID] = true
		}
		found = slices.DeleteFunc(found, func(t *prefect.BlockType) bool { return !having[t.ID] })
	}
	slices.SortFunc(found, func(a, b *prefect.BlockType) int { return cmp.Compare(a.Name, b.Name) })
	return part(q.Window, found), nil
}

// CreateBlockSchema makes a block schema, or answers the one with the same fields and
// version.
type CreateBlockSchema struct {
	Body prefect.BlockSchemaCreate
}

// Run answers an Upserted[prefect.BlockSchema]; 404 for an unknown type.
func (o *CreateBlockSchema) Run(c *Context) (any, error) {
	b := &o.Body
	t := store.BlockTypes.Get(c.Tx, key(b.BlockTypeID))
	if t == nil {
		return nil, NotFound("Block type " + b.BlockTypeID.String() + " not found.")
	}
	checksum, err := blockChecksum(b.Fields)
	if err != nil {
		return nil, Unprocessable(err.Error())
	}
	for s := range store.BlockSchemasByChecksum.Rows(c.Tx, store.Range{Prefix: store.Key{}.String(checksum)}) {
		if s.Version == b.Version {
			return Upserted[prefect.BlockSchema]{completeBlockSchema(c.Tx, s), false}, nil
		}
	}
	s := &prefect.BlockSchema{
		ID: c.freshID(), Created: c.Now, Updated: c.Now, Checksum: checksum, BlockTypeID: t.ID,
		Capabilities: orEmpty(b.Capabilities), Version: b.Version,
	}
	if s.Fields, err = mergeObjects(prefect.JSON(`{"block_schema_references":{}}`), b.Fields); err != nil {
		return nil, Unprocessable(err.Error())
	}
	store.BlockSchemas.Put(c.Tx, s)
	return Upserted[prefect.BlockSchema]{completeBlockSchema(c.Tx, s), true}, nil
}

func completeBlockSchema(tx *store.Tx, s *prefect.BlockSchema) *prefect.BlockSchema {
	s.BlockType = store.BlockTypes.Get(tx, key(s.BlockTypeID))
	return s
}

// DeleteBlockSchema removes a block schema with its documents.
type DeleteBlockSchema struct {
	ID prefect.ID
}

// Run answers nothing; 404 for an unknown schema, 403 for one of a protected type.
func (o *DeleteBlockSchema) Run(c *Context) (any, error) {
	s := store.BlockSchemas.Get(c.Tx, key(o.ID))
	if s == nil {
		return nil, errNoBlockSchema
	}
	if t := store.BlockTypes.Get(c.Tx, key(s.BlockTypeID)); t != nil && t.IsProtected {
		return nil, Forbidden("Block schemas for protected block types cannot be deleted.")
	}
	c.removeBlockSchema(s)
	return nil, nil
}

// ReadBlockSchema reads one block schema: by id, or the newest of a checksum and, if one
// is asked for, a version.
type ReadBlockSchema struct {
	ID       prefect.ID
	Checksum string
	Version  *string
}

// Read answers a *prefect.BlockSchema; 404 if there is none.
func (q *ReadBlockSchema) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	found := store.BlockSchemas.Get(tx, key(q.ID))
	if q.ID.IsNull() {
		for s := range store.BlockSchemasByChecksum.Rows(tx, store.Range{Prefix: store.Key{}.String(q.Checksum)}) {
			if q.Version == nil || s.Version == *q.Version {
				found = s
			}
		}
	}
	if found == nil {
		return nil, errNoBlockSchema
	}
	return completeBlockSchema(tx, found), nil
}

// FindBlockSchemas finds block schemas, the newest first.
type FindBlockSchemas struct {
	Filter *prefect.BlockSchemaFilter
	Window
}

// Read answers a []*prefect.BlockSchema.
func (q *FindBlockSchemas) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	found := matching(store.BlockSchemas.Rows(tx, store.Range{}), q.Filter.Compile())
	slices.SortFunc(found, func(a, b *prefect.BlockSchema) int {
		return cmp.Or(cmp.Compare(b.Created, a.Created), b.ID.Compare(a.ID))
	})
	found = part(q.Window, found)
	for _, s := range found {
		completeBlockSchema(tx, s)
	}
	return found, nil
}

// FindBlockCapabilities lists what some block schema can do.
type FindBlockCapabilities struct{}

// Read answers a []string.
func (q *FindBlockCapabilities) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	list := []string{}
	for s := range store.BlockSchemas.Rows(tx, store.Range{}) {
		list = append(list, s.Capabilities...)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}
