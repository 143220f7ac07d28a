package ops

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// blockKind makes a block type and a schema of it.
func (c *testCluster) blockKind(slug, fields string, capabilities ...string) (*prefect.BlockType, *prefect.BlockSchema) {
	kind := must[*prefect.BlockType](c, Coordination, &CreateBlockType{prefect.BlockTypeCreate{Name: "Type " + slug, Slug: slug}})
	schema := must[Upserted[prefect.BlockSchema]](c, Coordination, &CreateBlockSchema{prefect.BlockSchemaCreate{
		Fields: prefect.JSON(fields), BlockTypeID: kind.ID, Capabilities: capabilities, Version: "1",
	}})
	return kind, schema.Object
}

func (c *testCluster) block(name string, of *prefect.BlockSchema, data string) (*prefect.BlockDocument, error) {
	return RevealBlock(c, false)(Do[*KeptBlock](c.t.Context(), c, Coordination, &CreateBlockDocument{prefect.BlockDocumentCreate{
		Name: &name, Data: prefect.JSON(data), BlockSchemaID: of.ID, BlockTypeID: of.BlockTypeID,
	}}))
}

func (c *testCluster) seenBlock(id prefect.ID, secrets bool) string {
	d, err := RevealBlock(c, secrets)(Ask[*KeptBlock](c.t.Context(), c, Coordination, &ReadBlockDocument{BlockDocumentKey{ID: id}}))
	require.NoError(c.t, err)
	return string(d.Data)
}

// The checksums are those that the Python client computes for the same fields.
func TestBlockChecksums(t *testing.T) {
	for fields, want := range map[string]string{
		`{"title":"a","properties":{"x":{"type":"integer"}},"secret_fields":["x"]}`:                                                                                       `[[{"properties": {"x": {"type": "integer"}}, "title": "a"}], {}]`,
		`{"b":1.0,"a":"é\n\"\u007f😀","c":[{"secret_fields":1}],"d":{"secret_fields":1},"e":1e100,"f":null,"g":true}`:                                                      `[[{"a": "\u00e9\n\"\u007f\ud83d\ude00", "b": 1.0, "c": [{"secret_fields": 1}], "d": {}, "e": 1e+100, "f": null, "g": true}], {}]`,
		`{"x":{"$ref":"#/definitions/A"},"y":[{"$ref":"#/definitions/B"}],"definitions":{"A":{"$ref":"#/definitions/C"},"B":{"block_type_slug":"b"},"C":{"n":1},"D":{}}}`: `[[{"definitions": {"A": {"$ref": "#/definitions/C"}, "C": {"n": 1}}, "x": {"$ref": "#/definitions/A"}, "y": [{"$ref": "#/definitions/B"}]}], {}]`,
		`{"x":{"$ref":"#/definitions/Any"},"definitions":{"Any":{}}}`:                                                                                                     `[[{"x": {"$ref": "#/definitions/Any"}}], {}]`,
	} {
		got, err := blockChecksum(prefect.JSON(fields))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(want))), got, fields)
	}
	c := newTestCluster(t, 1)
	kind, schema := c.blockKind("x", `{"title":"x"}`)
	again := must[Upserted[prefect.BlockSchema]](c, Coordination, &CreateBlockSchema{prefect.BlockSchemaCreate{
		Fields: prefect.JSON(`{"title":"x","secret_fields":[]}`), BlockTypeID: kind.ID, Version: "1",
	}})
	require.False(t, again.Created)
	require.Equal(t, schema.ID, again.Object.ID)
}

func TestSecretsOfBlocks(t *testing.T) {
	c := newTestCluster(t, 1)
	_, schema := c.blockKind("s", `{"secret_fields":["password","deep.token","all.*"]}`)
	const data = `{"password":"hunter2","deep":{"token":"t","plain":"p"},"all":{"a":"1","b":null},"open":1.50}`
	d, err := c.block("doc", schema, data)
	require.NoError(t, err)
	masked := `{"password":"********","deep":{"token":"********","plain":"p"},"all":{"a":"********","b":null},"open":1.50}`
	require.JSONEq(t, masked, string(d.Data))
	require.JSONEq(t, data, c.seenBlock(d.ID, true))
	row := view(c, Coordination, func(tx *store.Tx) []byte { return store.BlockDocuments.Get(tx, key(d.ID)).Sealed })
	require.NotContains(t, string(row), "hunter2")
	for e := range sequence(c, Coordination) {
		require.NotContains(t, string(e.Payload), "hunter2")
	}
	_, err = c.block("doc", schema, `{}`)
	require.ErrorContains(t, err, "Block already exists")

	// What was masked stays; what is not sent does, or goes.
	update := func(data string, merge bool) {
		must[any](c, Coordination, &UpdateBlockDocument{d.ID, prefect.BlockDocumentUpdate{Data: prefect.JSON(data), MergeExistingData: merge}})
	}
	update(`{"password":"********","open":2}`, true)
	require.JSONEq(t, `{"password":"hunter2","deep":{"token":"t","plain":"p"},"all":{"a":"1","b":null},"open":2}`, c.seenBlock(d.ID, true))
	update(`{"password":"new","all":{"a":"********"}}`, false)
	require.JSONEq(t, `{"password":"new","all":{"a":"1"}}`, c.seenBlock(d.ID, true))

	// The operator's key: what the cluster's key sealed can be read still.
	c.settings.EncryptionKey = "a key"
	other, err := c.block("other", schema, data)
	require.NoError(t, err)
	require.JSONEq(t, data, c.seenBlock(other.ID, true))
	require.JSONEq(t, `{"password":"new","all":{"a":"1"}}`, c.seenBlock(d.ID, true))
	c.settings.EncryptionKey = "another"
	_, err = RevealBlock(c, true)(Ask[*KeptBlock](t.Context(), c, Coordination, &ReadBlockDocument{BlockDocumentKey{ID: other.ID}}))
	require.ErrorContains(t, err, "PREFECT_SERVER_ENCRYPTION_KEY")
}

func TestNestedBlocks(t *testing.T) {
	c := newTestCluster(t, 1)
	_, inner := c.blockKind("inner", `{"title":"Inner","secret_fields":["s"]}`)
	_, outer := c.blockKind("outer", `{"title":"Outer"}`, "write-path")
	child, err := c.block("child", inner, `{"s":"secret","n":1}`)
	require.NoError(t, err)
	link := func(id prefect.ID) string { return fmt.Sprintf(`{"in":{"$ref":{"block_document_id":"%s"}},"x":1}`, id) }
	parent, err := c.block("parent", outer, link(child.ID))
	require.NoError(t, err)
	require.JSONEq(t, `{"in":{"s":"********","n":1},"x":1}`, string(parent.Data))
	require.Equal(t, child.ID, parent.References["in"].Document.ID)
	require.JSONEq(t, `{"in":{"s":"secret","n":1},"x":1}`, c.seenBlock(parent.ID, true))

	for data, text := range map[string]string{
		`{"in":{"$ref":{}}}`: "without a block_document_id in key in",
		link(c.NewID()):      "Data integrity conflict",
	} {
		_, err := c.block("bad", outer, data)
		require.ErrorContains(t, err, text)
	}
	_, err = c.Do(t.Context(), Coordination, &UpdateBlockDocument{child.ID, prefect.BlockDocumentUpdate{Data: prefect.JSON(link(parent.ID))}})
	require.ErrorContains(t, err, "it would introduce a cycle")

	must[any](c, Coordination, &SetDefaultStorage{parent.ID})
	_, err = c.Do(t.Context(), Coordination, &SetDefaultStorage{child.ID})
	require.ErrorContains(t, err, "cannot be used for result storage")
	must[any](c, Coordination, &DeleteBlockDocument{child.ID})
	require.JSONEq(t, `{"x":1}`, c.seenBlock(parent.ID, true))
	must[any](c, Coordination, &DeleteBlockType{ID: outer.BlockTypeID})
	require.True(t, view(c, Coordination, defaultStorage).IsNull(), "it went with its type")
	require.Zero(t, view(c, Coordination, func(tx *store.Tx) int { return store.BlockDocuments.Count(tx, store.Range{}) }))
}

func TestProtectedBlockTypes(t *testing.T) {
	c := newTestCluster(t, 1)
	kind, schema := c.blockKind("secret", `{}`)
	for _, op := range []Operation{&DeleteBlockType{ID: kind.ID}, &DeleteBlockSchema{ID: schema.ID}} {
		_, err := c.Do(t.Context(), Coordination, op)
		require.True(t, strings.Contains(err.Error(), "rotected block types"), err)
	}
	_, err := c.Do(t.Context(), Coordination, &CreateBlockType{prefect.BlockTypeCreate{Name: "Prefect x", Slug: "x"}})
	require.ErrorContains(t, err, "reserved")
}
