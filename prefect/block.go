package prefect

import (
	"cmp"
	"errors"
)

// BlockType is a kind of configuration that clients keep on the server.
type BlockType struct {
	ID               ID      `json:"id" row:"1"`
	Created          Time    `json:"created" row:"2"`
	Updated          Time    `json:"updated" row:"3"`
	Name             string  `json:"name" row:"4"`
	Slug             string  `json:"slug" row:"5"`
	LogoURL          *string `json:"logo_url" row:"6"`
	DocumentationURL *string `json:"documentation_url" row:"7"`
	Description      *string `json:"description" row:"8"`
	CodeExample      *string `json:"code_example" row:"9"`
	IsProtected      bool    `json:"is_protected" row:"10"`
}

// BlockTypeCreate is the body of POST /block_types/.
type BlockTypeCreate struct {
	_                struct{} `check:"closed"`
	Name             string   `json:"name" check:"required,name"`
	Slug             string   `json:"slug" check:"required,block_name"`
	LogoURL          *string  `json:"logo_url"`
	DocumentationURL *string  `json:"documentation_url"`
	Description      *string  `json:"description"`
	CodeExample      *string  `json:"code_example"`
}

// BlockTypeUpdate is the body of PATCH /block_types/{id}.
type BlockTypeUpdate struct {
	_                struct{}     `check:"closed"`
	LogoURL          Opt[*string] `json:"logo_url"`
	DocumentationURL Opt[*string] `json:"documentation_url"`
	Description      Opt[*string] `json:"description"`
	CodeExample      Opt[*string] `json:"code_example"`
}

// BlockSchema says what fields the documents of a type have.
type BlockSchema struct {
	ID           ID         `json:"id" row:"1"`
	Created      Time       `json:"created" row:"2"`
	Updated      Time       `json:"updated" row:"3"`
	Checksum     string     `json:"checksum" row:"4"`
	Fields       JSON       `json:"fields" row:"5"`
	BlockTypeID  ID         `json:"block_type_id" row:"6"`
	BlockType    *BlockType `json:"block_type"`
	Capabilities []string   `json:"capabilities" row:"7"`
	Version      string     `json:"version" row:"8"`
}

// BlockSchemaCreate is the body of POST /block_schemas/.
type BlockSchemaCreate struct {
	_            struct{} `check:"closed"`
	Fields       JSON     `json:"fields" check:"object,default={}"`
	BlockTypeID  ID       `json:"block_type_id" check:"required"`
	Capabilities []string `json:"capabilities"`
	Version      string   `json:"version" check:"default=non-versioned"`
}

// BlockDocument is a configuration. Data is what a client sees of it: not what is kept.
type BlockDocument struct {
	ID            ID                         `json:"id" row:"1"`
	Created       Time                       `json:"created" row:"2"`
	Updated       Time                       `json:"updated" row:"3"`
	Name          *string                    `json:"name" row:"4"`
	Data          JSON                       `json:"data"`
	BlockSchemaID ID                         `json:"block_schema_id" row:"5"`
	BlockSchema   *BlockSchema               `json:"block_schema"`
	BlockTypeID   ID                         `json:"block_type_id" row:"6"`
	BlockTypeName *string                    `json:"block_type_name"`
	BlockType     *BlockType                 `json:"block_type"`
	References    map[string]*BlockReference `json:"block_document_references"`
	IsAnonymous   bool                       `json:"is_anonymous" row:"7"`

	// Sealed is the data without references, encrypted; Links are these.
	Sealed []byte      `json:"-" cbor:"sealed" row:"8"`
	Links  []BlockLink `json:"-" cbor:"links" row:"9"`
}

// BlockLink says that a field of a document is another document.
type BlockLink struct {
	Field      string `row:"1"`
	DocumentID ID     `row:"2"`
}

// BlockReference tells of a document that another one has in a field.
type BlockReference struct {
	Document ReferredBlock `json:"block_document"`
}

// ReferredBlock is that document.
type ReferredBlock struct {
	ID          ID                         `json:"id"`
	Name        *string                    `json:"name"`
	BlockType   *BlockType                 `json:"block_type"`
	IsAnonymous bool                       `json:"is_anonymous"`
	References  map[string]*BlockReference `json:"block_document_references"`
}

// BlockDocumentCreate is the body of POST /block_documents/.
type BlockDocumentCreate struct {
	_             struct{} `check:"closed"`
	Name          *string  `json:"name" check:"name,block_name"`
	Data          JSON     `json:"data" check:"object,default={}"`
	BlockSchemaID ID       `json:"block_schema_id" check:"required"`
	BlockTypeID   ID       `json:"block_type_id" check:"required"`
	IsAnonymous   bool     `json:"is_anonymous" check:"default=false"`
}

// Precheck refuses a document without a name, unless it is anonymous.
func (*BlockDocumentCreate) Precheck(sent map[string]JSON) error {
	if IsNull(sent["name"]) && string(sent["is_anonymous"]) != "true" {
		return errors.New("Names must be provided for block documents.")
	}
	return nil
}

// BlockDocumentUpdate is the body of PATCH /block_documents/{id}.
type BlockDocumentUpdate struct {
	_                 struct{} `check:"closed"`
	BlockSchemaID     ID       `json:"block_schema_id"`
	Data              JSON     `json:"data" check:"object,default={}"`
	MergeExistingData bool     `json:"merge_existing_data" check:"default=true"`
}

// BlockTypeFilter selects block types.
type BlockTypeFilter struct {
	_    struct{}             `check:"closed"`
	Name *BlockTypeFilterName `json:"name,omitzero"`
	Slug *BlockTypeFilterSlug `json:"slug,omitzero"`
}

// BlockTypeFilterName selects block types by a part of their name.
type BlockTypeFilterName struct {
	_    struct{} `check:"closed,nullable"`
	Like string   `json:"like_,omitzero"`
}

// BlockTypeFilterSlug selects block types by slug.
type BlockTypeFilterSlug struct {
	_   struct{} `check:"closed,nullable"`
	Any []string `json:"any_,omitzero"`
}

// Compile makes the filter ready to match; a nil filter is passed by every type.
func (f *BlockTypeFilter) Compile() *Matcher[BlockType] {
	if f == nil {
		return everything[BlockType]()
	}
	var name *FilterName
	if f.Name != nil {
		name = &FilterName{Like: f.Name.Like}
	}
	var slug *FilterName
	if f.Slug != nil {
		slug = &FilterName{Any: f.Slug.Any}
	}
	return compile(And,
		named(name, AllColumns, func(t *BlockType) *string { return &t.Name }),
		named(slug, AllColumns, func(t *BlockType) *string { return &t.Slug }))
}

// BlockSchemaFilter selects block schemas.
type BlockSchemaFilter struct {
	_            struct{}                 `check:"closed"`
	Operator     Operator                 `json:"operator,omitzero" check:"default=and_"`
	BlockTypeID  *FilterID                `json:"block_type_id,omitzero"`
	Capabilities *BlockFilterCapabilities `json:"block_capabilities,omitzero"`
	ID           *FilterID                `json:"id,omitzero"`
	Version      *BlockFilterVersion      `json:"version,omitzero"`
}

// BlockFilterCapabilities selects schemas that have all of some capabilities.
type BlockFilterCapabilities struct {
	_   struct{} `check:"closed,nullable"`
	All []string `json:"all_,omitzero"`
}

// BlockFilterVersion selects schemas by version.
type BlockFilterVersion struct {
	_   struct{} `check:"closed,nullable"`
	Any []string `json:"any_,omitzero"`
}

// Compile makes the filter ready to match; a nil filter is passed by every schema.
func (f *BlockSchemaFilter) Compile() *Matcher[BlockSchema] {
	if f == nil {
		return everything[BlockSchema]()
	}
	var capable *FilterTagsAny
	if f.Capabilities != nil {
		capable = &FilterTagsAny{All: f.Capabilities.All}
	}
	var version *FilterName
	if f.Version != nil {
		version = &FilterName{Any: f.Version.Any}
	}
	return compile(f.Operator,
		byID(f.BlockTypeID, AllColumns, func(s *BlockSchema) ID { return s.BlockTypeID }),
		tagged(capable, AllColumns, func(s *BlockSchema) []string { return s.Capabilities }),
		byID(f.ID, AllColumns, func(s *BlockSchema) ID { return s.ID }),
		named(version, AllColumns, func(s *BlockSchema) *string { return &s.Version }))
}

// BlockDocumentFilter selects block documents. Anonymous ones are left out unless it says
// something of them.
type BlockDocumentFilter struct {
	_           struct{}                   `check:"closed"`
	Operator    Operator                   `json:"operator,omitzero" check:"default=and_"`
	ID          *FilterID                  `json:"id,omitzero"`
	IsAnonymous Opt[*BlockFilterAnonymous] `json:"is_anonymous,omitzero"`
	BlockTypeID *FilterID                  `json:"block_type_id,omitzero"`
	Name        *BlockFilterName           `json:"name,omitzero"`
}

// BlockFilterAnonymous selects documents by whether they are anonymous.
type BlockFilterAnonymous struct {
	_  struct{} `check:"closed,nullable"`
	Eq *bool    `json:"eq_,omitzero"`
}

// BlockFilterName selects documents by name, or a part of it.
type BlockFilterName struct {
	_    struct{} `check:"closed,nullable"`
	Any  []string `json:"any_,omitzero"`
	Like string   `json:"like_,omitzero"`
}

// Compile makes the filter ready to match; a nil filter is passed by every document with
// a name of its own.
func (f *BlockDocumentFilter) Compile() *Matcher[BlockDocument] {
	if f == nil {
		f = &BlockDocumentFilter{}
	}
	no := false
	anonymous := &BlockFilterAnonymous{Eq: &no}
	if f.IsAnonymous.Set {
		anonymous = f.IsAnonymous.Value
	}
	var secret *bool
	if anonymous != nil {
		secret = anonymous.Eq
	}
	var name *FilterName
	if f.Name != nil {
		name = &FilterName{Any: f.Name.Any, Like: f.Name.Like}
	}
	return compile(f.Operator,
		byID(f.ID, AllColumns, func(d *BlockDocument) ID { return d.ID }),
		nullness(secret, AllColumns, func(d *BlockDocument) bool { return d.IsAnonymous }),
		byID(f.BlockTypeID, AllColumns, func(d *BlockDocument) ID { return d.BlockTypeID }),
		named(name, AllColumns, func(d *BlockDocument) *string { return d.NameText() }))
}

// NameText is the name, empty if there is none.
func (d *BlockDocument) NameText() *string {
	if d.Name == nil {
		return new(string)
	}
	return d.Name
}

// BlockDocumentSort is an order of documents. The zero value is by name.
type BlockDocumentSort string

// EnumValues lists the accepted texts.
func (BlockDocumentSort) EnumValues() []string {
	return []string{"NAME_DESC", "NAME_ASC", "BLOCK_TYPE_AND_NAME_ASC"}
}

// UnmarshalText reads the wire name.
func (s *BlockDocumentSort) UnmarshalText(text []byte) error { return choose(s, text) }

// Order returns the comparison of the order; typeName tells that of a document's type.
func (s BlockDocumentSort) Order(typeName func(*BlockDocument) string) func(a, b *BlockDocument) int {
	name := func(a, b *BlockDocument) int {
		return cmp.Or(cmp.Compare(*a.NameText(), *b.NameText()), a.ID.Compare(b.ID))
	}
	switch s {
	case "NAME_DESC":
		return descending(name)
	case "BLOCK_TYPE_AND_NAME_ASC":
		return func(a, b *BlockDocument) int { return cmp.Or(cmp.Compare(typeName(a), typeName(b)), name(a, b)) }
	}
	return name
}

// BlockTypesQuery is the body of POST /block_types/filter.
type BlockTypesQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	RowOffset
	BlockTypes   *BlockTypeFilter   `json:"block_types,omitzero"`
	BlockSchemas *BlockSchemaFilter `json:"block_schemas,omitzero"`
}

// Window returns the rows that are asked for, of at most so many; the error is the text
// of a 422.
func (q *BlockTypesQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// BlockSchemasQuery is the body of POST /block_schemas/filter.
type BlockSchemasQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	RowOffset
	BlockSchemas *BlockSchemaFilter `json:"block_schemas,omitzero"`
}

// Window returns the rows that are asked for, of at most so many; the error is the text
// of a 422.
func (q *BlockSchemasQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// BlockDocumentsScope selects block documents by themselves and what they belong to.
type BlockDocumentsScope struct {
	BlockDocuments *BlockDocumentFilter `json:"block_documents,omitzero"`
	BlockTypes     *BlockTypeFilter     `json:"block_types,omitzero"`
	BlockSchemas   *BlockSchemaFilter   `json:"block_schemas,omitzero"`
}

// BlockDocumentsQuery is the body of POST /block_documents/filter.
type BlockDocumentsQuery struct {
	_ struct{} `check:"params"`
	RowLimit
	RowOffset
	BlockDocumentsScope
	IncludeSecrets bool              `json:"include_secrets,omitzero" check:"default=false"`
	Sort           BlockDocumentSort `json:"sort,omitzero" check:"default=NAME_ASC"`
}

// Window returns the rows that are asked for, of at most so many; the error is the text
// of a 422.
func (q *BlockDocumentsQuery) Window(most int) (limit, offset int, err error) {
	return window(q.RowLimit, q.RowOffset, most)
}

// BlockDocumentsCountQuery is the body of POST /block_documents/count.
type BlockDocumentsCountQuery struct {
	_ struct{} `check:"params"`
	BlockDocumentsScope
}
