package store

import "prefectd/prefect"

// Configuration is a value that the whole cluster has once.
type Configuration struct {
	Name  string `row:"1"`
	Value []byte `row:"2"`
}

// Block types, schemas and documents, and what is configured once, in the coordination
// group.
var (
	BlockTypesBySlug = &Index[prefect.BlockType]{
		Number: 1, Version: 1, Unique: true,
		Keys: func(t *prefect.BlockType, k Key, add func(Key)) { add(k.String(t.Slug)) },
	}
	BlockTypesByName = &Index[prefect.BlockType]{
		Number: 2, Version: 1, Unique: true,
		Keys: func(t *prefect.BlockType, k Key, add func(Key)) { add(k.String(t.Name)) },
	}
	BlockTypes = NewTable("block_types", 40, idLen,
		func(t *prefect.BlockType, k Key) Key { return k.ID(t.ID) },
		BlockTypesBySlug, BlockTypesByName)

	BlockSchemasByChecksum = &Index[prefect.BlockSchema]{
		Number: 1, Version: 1,
		Keys: func(s *prefect.BlockSchema, k Key, add func(Key)) { add(k.String(s.Checksum).Time(s.Created)) },
	}
	BlockSchemasByType = &Index[prefect.BlockSchema]{
		Number: 2, Version: 1,
		Keys: func(s *prefect.BlockSchema, k Key, add func(Key)) { add(k.ID(s.BlockTypeID)) },
	}
	BlockSchemas = NewTable("block_schemas", 41, idLen,
		func(s *prefect.BlockSchema, k Key) Key { return k.ID(s.ID) },
		BlockSchemasByChecksum, BlockSchemasByType)

	// BlockDocumentsByName finds a document by its type and name.
	BlockDocumentsByName = &Index[prefect.BlockDocument]{
		Number: 1, Version: 1, Unique: true,
		Keys: func(d *prefect.BlockDocument, k Key, add func(Key)) { add(k.ID(d.BlockTypeID).String(*d.NameText())) },
	}
	BlockDocumentsBySchema = &Index[prefect.BlockDocument]{
		Number: 2, Version: 1,
		Keys: func(d *prefect.BlockDocument, k Key, add func(Key)) { add(k.ID(d.BlockSchemaID)) },
	}
	// BlockDocumentsByLink finds the documents that refer to one.
	BlockDocumentsByLink = &Index[prefect.BlockDocument]{
		Number: 3, Version: 1,
		Keys: func(d *prefect.BlockDocument, k Key, add func(Key)) {
			for i, link := range d.Links {
				if !linksBefore(d.Links[:i], link.DocumentID) {
					add(k.ID(link.DocumentID))
				}
			}
		},
	}
	BlockDocuments = NewTable("block_documents", 42, idLen,
		func(d *prefect.BlockDocument, k Key) Key { return k.ID(d.ID) },
		BlockDocumentsByName, BlockDocumentsBySchema, BlockDocumentsByLink)

	Configurations = NewTable("configurations", 43, idLen,
		func(c *Configuration, k Key) Key { return k.Name(c.Name) })
)

func linksBefore(links []prefect.BlockLink, id prefect.ID) bool {
	for _, link := range links {
		if link.DocumentID == id {
			return true
		}
	}
	return false
}
