package ops

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// CreateBlockDocument makes a block document.
type CreateBlockDocument struct {
	Body prefect.BlockDocumentCreate
}

// Run answers a *KeptBlock; 409 for a name that is taken and for an unknown type, schema
// or document that is referred to, 400 for a reference that names none.
func (o *CreateBlockDocument) Run(c *Context) (any, error) {
	b := &o.Body
	d := &prefect.BlockDocument{
		ID: c.freshID(), Created: c.Now, Updated: c.Now, Name: b.Name, BlockSchemaID: b.BlockSchemaID, BlockTypeID: b.BlockTypeID,
		IsAnonymous: b.IsAnonymous,
	}
	if d.Name == nil {
		name := "anonymous-" + c.freshID().String()
		d.Name = &name
	}
	schema := store.BlockSchemas.Get(c.Tx, key(b.BlockSchemaID))
	if schema == nil || !store.BlockTypes.Has(c.Tx, key(b.BlockTypeID)) {
		return nil, IntegrityConflict()
	}
	if store.BlockDocumentsByName.Find(c.Tx, key(d.BlockTypeID).String(*d.Name)) != nil {
		return nil, Conflict("Block already exists")
	}
	data, err := objectOf(b.Data)
	if err != nil {
		return nil, err
	}
	if err := c.fillBlock(d, data); err != nil {
		return nil, err
	}
	return c.keepBlock("created", d)
}

// objectOf reads the data of a document.
func objectOf(text prefect.JSON) (data map[string]any, err error) {
	dec := json.NewDecoder(bytes.NewReader(orObject(text)))
	dec.UseNumber()
	return data, dec.Decode(&data)
}

// fillBlock takes the references out of the data of a document, and seals the rest.
func (c *Context) fillBlock(d *prefect.BlockDocument, data map[string]any) error {
	d.Links = nil
	for field, value := range data {
		id, isLink, err := c.linkOf(d, field, value)
		if err != nil {
			return err
		}
		if isLink {
			d.Links = append(d.Links, prefect.BlockLink{Field: field, DocumentID: id})
			delete(data, field)
		}
	}
	slices.SortFunc(d.Links, func(a, b prefect.BlockLink) int { return bytes.Compare([]byte(a.Field), []byte(b.Field)) })
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	d.Sealed, err = c.sealingKeys().seal(d.ID, text)
	return err
}

// linkOf reads a field that is a reference to another document.
func (c *Context) linkOf(d *prefect.BlockDocument, field string, value any) (id prefect.ID, isLink bool, err error) {
	object, _ := value.(map[string]any)
	ref, _ := object["$ref"].(map[string]any)
	if ref == nil || len(object) != 1 {
		return id, false, nil
	}
	text, ok := ref["block_document_id"].(string)
	if !ok {
		return id, true, BadRequest("Received block reference without a block_document_id in key " + field)
	}
	if id, err = prefect.ParseID(text); err != nil || !store.BlockDocuments.Has(c.Tx, key(id)) {
		return id, true, IntegrityConflict()
	}
	if c.reaches(id, d.ID, 0) {
		return id, true, BadRequest("Cannot create block document reference: it would introduce a cycle between block document " +
			d.ID.String() + " and block document " + id.String())
	}
	return id, true, nil
}

// reaches reports whether a document is another, or refers to it over some others.
func (c *Context) reaches(from, to prefect.ID, depth int) bool {
	d := store.BlockDocuments.Get(c.Tx, key(from))
	return from == to || depth < maxBlockDepth && d != nil &&
		slices.ContainsFunc(d.Links, func(l prefect.BlockLink) bool { return c.reaches(l.DocumentID, to, depth+1) })
}

// maxBlockDepth is how deep documents are read that refer to others.
const maxBlockDepth = 50

// keepBlock stores a document, and answers it as it is kept.
func (c *Context) keepBlock(what string, d *prefect.BlockDocument) (*KeptBlock, error) {
	store.BlockDocuments.Put(c.Tx, d)
	kept := keep(c.Tx, d)
	return kept, c.emitBlock(what, kept)
}

// UpdateBlockDocument changes the data of a block document, or the schema that it has.
type UpdateBlockDocument struct {
	ID     prefect.ID
	Update prefect.BlockDocumentUpdate
}

// Run answers nothing; 404 for an unknown document, 400 for a schema of another type.
func (o *UpdateBlockDocument) Run(c *Context) (any, error) {
	d := store.BlockDocuments.Get(c.Tx, key(o.ID))
	if d == nil {
		return nil, errNoBlockDocument
	}
	if id := o.Update.BlockSchemaID; !id.IsNull() && id != d.BlockSchemaID {
		schema := store.BlockSchemas.Get(c.Tx, key(id))
		if schema == nil || schema.BlockTypeID != d.BlockTypeID {
			return nil, BadRequest("Must migrate block document to a block schema of the same block type.")
		}
		d.BlockSchemaID = id
	}
	text, err := c.sealingKeys().open(d.ID, d.Sealed)
	if err != nil {
		return nil, err
	}
	stored, err := objectOf(text)
	if err != nil {
		return nil, err
	}
	sent, err := objectOf(o.Update.Data)
	if err != nil {
		return nil, err
	}
	paths, err := secretPathsOf(c.Tx, d)
	if err != nil {
		return nil, err
	}
	sent, _ = unmasked(sent, stored, paths).(map[string]any)
	if o.Update.MergeExistingData {
		for field, value := range stored {
			if _, again := sent[field]; !again {
				sent[field] = value
			}
		}
	}
	if err := c.fillBlock(d, sent); err != nil {
		return nil, err
	}
	d.Updated = c.Now
	_, err = c.keepBlock("updated", d)
	return nil, err
}

func secretPathsOf(tx *store.Tx, d *prefect.BlockDocument) ([][]string, error) {
	schema := store.BlockSchemas.Get(tx, key(d.BlockSchemaID))
	if schema == nil {
		return nil, nil
	}
	return secretFields(schema.Fields)
}

// DeleteBlockDocument removes a block document; those that refer to it lose the field.
type DeleteBlockDocument struct {
	ID prefect.ID
}

// Run answers nothing; 404 for an unknown document.
func (o *DeleteBlockDocument) Run(c *Context) (any, error) {
	d := store.BlockDocuments.Get(c.Tx, key(o.ID))
	if d == nil {
		return nil, errNoBlockDocument
	}
	kept := keep(c.Tx, d)
	c.removeBlockDocument(d)
	return nil, c.emitBlock("deleted", kept)
}

func (c *Context) removeBlockDocument(d *prefect.BlockDocument) {
	for _, parent := range slices.Collect(store.BlockDocumentsByLink.Rows(c.Tx, store.Range{Prefix: key(d.ID)})) {
		parent.Links = slices.DeleteFunc(parent.Links, func(l prefect.BlockLink) bool { return l.DocumentID == d.ID })
		store.BlockDocuments.Put(c.Tx, parent)
	}
	store.BlockDocuments.Delete(c.Tx, key(d.ID))
	if defaultStorage(c.Tx) == d.ID {
		store.Configurations.Delete(c.Tx, store.Key{}.Name(defaultStorageName))
	}
}

// emitBlock emits prefect.block-document.<what>, with the texts in the document that are no
// secrets; nothing for an anonymous one.
func (c *Context) emitBlock(what string, kept *KeptBlock) error {
	d := kept.Document
	if d.IsAnonymous {
		return nil
	}
	data, err := kept.own(kept.Keys.withOperator(c.Settings), false)
	if err != nil {
		return err
	}
	texts := map[string]string{}
	for field, value := range data {
		if text, ok := value.(string); ok && text != secretMask {
			texts[field] = text
		}
	}
	related := []prefect.Resource{
		inRole("block-type", d.BlockTypeID, "block-type"),
		inRole("block-schema", d.BlockSchemaID, "block-schema"),
	}
	return c.tell("prefect.block-document."+what, resource("block-document", d.ID, *d.NameText()), related,
		map[string]any{"name": d.Name, "data": texts, "block_schema": blockSchemaPayload(kept)})
}

func blockSchemaPayload(kept *KeptBlock) map[string]any {
	payload := map[string]any{"capabilities": []string{}}
	if kept.Schema != nil {
		payload["capabilities"] = kept.Schema.Capabilities
	}
	if kept.Type != nil {
		payload["block_type"] = map[string]any{"id": kept.Type.ID, "name": kept.Type.Name}
	}
	return payload
}

// KeptBlock is a block document as it is kept, with all that its answer is made of.
type KeptBlock struct {
	Document *prefect.BlockDocument
	Schema   *prefect.BlockSchema
	Type     *prefect.BlockType
	Children map[string]*KeptBlock // by field
	Keys     BlockKeys             // of the cluster; only of the outermost
}

// keep reads all that the answer of a document is made of.
func keep(tx *store.Tx, d *prefect.BlockDocument) *KeptBlock {
	kept := keptBlock(tx, d, 0)
	kept.Keys = clusterKey(tx)
	return kept
}

func keptBlock(tx *store.Tx, d *prefect.BlockDocument, depth int) *KeptBlock {
	kept := &KeptBlock{Document: d, Type: store.BlockTypes.Get(tx, key(d.BlockTypeID)), Children: map[string]*KeptBlock{}}
	if schema := store.BlockSchemas.Get(tx, key(d.BlockSchemaID)); schema != nil {
		kept.Schema = completeBlockSchema(tx, schema)
	}
	for _, link := range d.Links {
		if child := store.BlockDocuments.Get(tx, key(link.DocumentID)); child != nil && depth < maxBlockDepth {
			kept.Children[link.Field] = keptBlock(tx, child, depth+1)
		}
	}
	return kept
}

// reveal makes the answer; without secrets they are masked.
func (k *KeptBlock) reveal(keys BlockKeys, secrets bool) (*prefect.BlockDocument, error) {
	d := *k.Document
	data, err := k.data(keys, secrets)
	if err != nil {
		return nil, err
	}
	if d.Data, err = json.Marshal(data); err != nil {
		return nil, err
	}
	d.BlockSchema, d.BlockType, d.References = k.Schema, k.Type, k.references()
	if k.Type != nil {
		d.BlockTypeName = &k.Type.Name
	}
	return &d, nil
}

// data is that of a document, with those that it refers to in it.
func (k *KeptBlock) data(keys BlockKeys, secrets bool) (map[string]any, error) {
	data, err := k.own(keys, secrets)
	if err != nil {
		return nil, err
	}
	for field, child := range k.Children {
		if data[field], err = child.data(keys, secrets); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// own is the data of a document without those that it refers to.
func (k *KeptBlock) own(keys BlockKeys, secrets bool) (map[string]any, error) {
	text, err := keys.open(k.Document.ID, k.Document.Sealed)
	if err != nil {
		return nil, err
	}
	data, err := objectOf(text)
	if err != nil || secrets || k.Schema == nil {
		return data, err
	}
	paths, err := secretFields(k.Schema.Fields)
	if err != nil {
		return nil, err
	}
	data, _ = masked(data, paths).(map[string]any)
	return data, nil
}

func (k *KeptBlock) references() map[string]*prefect.BlockReference {
	list := map[string]*prefect.BlockReference{}
	for field, child := range k.Children {
		d := child.Document
		list[field] = &prefect.BlockReference{Document: prefect.ReferredBlock{
			ID: d.ID, Name: d.Name, BlockType: child.Type, IsAnonymous: d.IsAnonymous, References: child.references(),
		}}
	}
	return list
}

// BlockDocumentKey is the id of a block document, or else the slug of its type and its
// name.
type BlockDocumentKey struct {
	ID         prefect.ID
	Slug, Name string
}

// ReadBlockDocument reads one block document.
type ReadBlockDocument struct {
	Document BlockDocumentKey
}

// Read answers a *KeptBlock; 404 if there is none.
func (q *ReadBlockDocument) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	d := store.BlockDocuments.Get(tx, key(q.Document.ID))
	if q.Document.ID.IsNull() {
		if t := store.BlockTypesBySlug.Find(tx, store.Key{}.String(q.Document.Slug)); t != nil {
			d = store.BlockDocumentsByName.Find(tx, key(t.ID).String(q.Document.Name))
		}
	}
	if d == nil {
		return nil, errNoBlockDocument
	}
	return keep(tx, d), nil
}

// FindBlockDocuments finds block documents; those of the type with a slug, if one is given.
type FindBlockDocuments struct {
	Scope prefect.BlockDocumentsScope
	Slug  string
	Sort  prefect.BlockDocumentSort
	Window
}

// Read answers a []*KeptBlock; 404 for an unknown slug.
func (q *FindBlockDocuments) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	found, types, err := q.find(tx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, q.Sort.Order(func(d *prefect.BlockDocument) string { return types[d.BlockTypeID].Name }))
	list := []*KeptBlock{}
	for _, d := range part(q.Window, found) {
		list = append(list, keep(tx, d))
	}
	return list, nil
}

// find answers the documents that match, and their types.
func (q *FindBlockDocuments) find(tx *store.Tx) ([]*prefect.BlockDocument, map[prefect.ID]*prefect.BlockType, error) {
	types := map[prefect.ID]*prefect.BlockType{}
	for _, t := range matching(store.BlockTypes.Rows(tx, store.Range{}), q.Scope.BlockTypes.Compile()) {
		types[t.ID] = t
	}
	if q.Slug != "" {
		only, err := (&BlockTypeKey{Slug: q.Slug}).find(tx)
		if err != nil {
			return nil, nil, err
		}
		maps.DeleteFunc(types, func(id prefect.ID, _ *prefect.BlockType) bool { return id != only.ID })
	}
	schemas := map[prefect.ID]bool{}
	for _, s := range matching(store.BlockSchemas.Rows(tx, store.Range{}), q.Scope.BlockSchemas.Compile()) {
		schemas[s.ID] = true
	}
	found := matching(store.BlockDocuments.Rows(tx, store.Range{}), q.Scope.BlockDocuments.Compile())
	return slices.DeleteFunc(found, func(d *prefect.BlockDocument) bool {
		return types[d.BlockTypeID] == nil || !schemas[d.BlockSchemaID]
	}), types, nil
}

// CountBlockDocuments counts block documents.
type CountBlockDocuments struct {
	Scope prefect.BlockDocumentsScope
}

// Read answers an int.
func (q *CountBlockDocuments) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	found, _, err := (&FindBlockDocuments{Scope: q.Scope}).find(tx)
	return len(found), err
}

// RevealBlock is what a client sees of a block document that an operation or a query
// answered.
func RevealBlock(b Backend, secrets bool) func(kept *KeptBlock, err error) (*prefect.BlockDocument, error) {
	return func(kept *KeptBlock, err error) (*prefect.BlockDocument, error) {
		if err != nil {
			return nil, err
		}
		return kept.reveal(kept.Keys.withOperator(b.Settings()), secrets)
	}
}

// ListBlockDocuments finds block documents, as a client sees them.
func ListBlockDocuments(ctx context.Context, b Backend, q *FindBlockDocuments, secrets bool) ([]*prefect.BlockDocument, error) {
	list, err := Ask[[]*KeptBlock](ctx, b, Coordination, q)
	if err != nil {
		return nil, err
	}
	shown := []*prefect.BlockDocument{}
	for _, kept := range list {
		d, err := RevealBlock(b, secrets)(kept, nil)
		if err != nil {
			return nil, err
		}
		shown = append(shown, d)
	}
	return shown, nil
}

// defaultStorageName is the name of the block that results are stored in by default, among
// the configurations.
const defaultStorageName = "default result storage"

func defaultStorage(tx *store.Tx) (id prefect.ID) {
	if row := store.Configurations.Get(tx, store.Key{}.Name(defaultStorageName)); row != nil {
		copy(id[:], row.Value)
	}
	return id
}

// SetDefaultStorage makes a block the one that results are stored in by default; null
// makes it none.
type SetDefaultStorage struct {
	Block prefect.ID
}

// Run answers nothing; 404 for an unknown document, 422 for one that nothing can be stored
// in.
func (o *SetDefaultStorage) Run(c *Context) (any, error) {
	if o.Block.IsNull() {
		store.Configurations.Delete(c.Tx, store.Key{}.Name(defaultStorageName))
		return nil, nil
	}
	d := store.BlockDocuments.Get(c.Tx, key(o.Block))
	if d == nil {
		return nil, NotFound("Block document " + o.Block.String() + " not found.")
	}
	schema := store.BlockSchemas.Get(c.Tx, key(d.BlockSchemaID))
	if schema == nil || !slices.Contains(schema.Capabilities, "write-path") {
		return nil, Unprocessable("Block document " + o.Block.String() + " cannot be used for result storage.")
	}
	store.Configurations.Put(c.Tx, &store.Configuration{Name: defaultStorageName, Value: o.Block[:]})
	return nil, nil
}

// ReadDefaultStorage reads which block that is.
type ReadDefaultStorage struct{}

// Read answers a prefect.ID, null for none.
func (q *ReadDefaultStorage) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return defaultStorage(tx), nil
}
