package ops

import (
	"unicode/utf8"

	"prefectd/prefect"
	"prefectd/store"
)

// ArtifactSlot is where an artifact goes: with its key, else with its flow run, else
// anywhere.
func ArtifactSlot(a *prefect.ArtifactCreate, fresh prefect.ID) byte {
	switch {
	case a.Key != nil:
		return artifactKeySlot(*a.Key)
	case !a.FlowRunID.IsNull():
		return a.FlowRunID.Slot()
	}
	return fresh.Slot()
}

func artifactKeySlot(key string) byte { return store.CacheHash(key).Slot() }

// CreateArtifact makes an artifact, the newest of its key if it has one.
type CreateArtifact struct {
	Artifact prefect.ArtifactCreate
	Slot     byte // see ArtifactSlot
}

// Run answers the *prefect.Artifact.
func (o *CreateArtifact) Run(c *Context) (any, error) {
	in := &o.Artifact
	a := &prefect.Artifact{
		ID: c.NewID(o.Slot), Created: c.Now, Updated: c.Now, Key: in.Key, Type: in.Type, Description: in.Description,
		Data: in.Data, Metadata: cutMetadata(in.Metadata), FlowRunID: in.FlowRunID, TaskRunID: in.TaskRunID,
	}
	store.Artifacts.Put(c.Tx, a)
	if a.Key == nil {
		return a, nil
	}
	latest, what := collectionOf(c.Tx, *a.Key), "updated"
	if latest == nil {
		latest, what = &prefect.ArtifactCollection{ID: c.NewID(o.Slot), Created: c.Now, Key: *a.Key}, "created"
	}
	return a, c.showArtifact(latest, a, what)
}

// maxMetadata is how many characters of a value are kept.
const maxMetadata = 500

func cutMetadata(m prefect.StringMap) prefect.StringMap {
	for name, value := range m {
		if utf8.RuneCountInString(value) > maxMetadata {
			m[name] = string([]rune(value)[:maxMetadata]) + "..."
		}
	}
	return m
}

func collectionOf(tx *store.Tx, key string) *prefect.ArtifactCollection {
	return store.ArtifactCollectionsByKey.Find(tx, store.Key{}.String(key))
}

// showArtifact makes an artifact the one that its collection shows.
func (c *Context) showArtifact(latest *prefect.ArtifactCollection, a *prefect.Artifact, what string) error {
	latest.Show(a)
	latest.Updated = c.Now
	store.ArtifactCollections.Put(c.Tx, latest)
	return c.emitCollection(what, latest)
}

// UpdateArtifact changes what was sent of an artifact.
type UpdateArtifact struct {
	ID     prefect.ID
	Update prefect.ArtifactUpdate
}

// Run answers nothing; 404 for an unknown artifact.
func (o *UpdateArtifact) Run(c *Context) (any, error) {
	a := store.Artifacts.Get(c.Tx, key(o.ID))
	if a == nil {
		return nil, errNoArtifact()
	}
	if o.Update.Data.Set {
		a.Data = o.Update.Data.Value
	}
	if o.Update.Description.Set {
		a.Description = o.Update.Description.Value
	}
	if o.Update.Metadata.Set {
		a.Metadata = cutMetadata(o.Update.Metadata.Value)
	}
	a.Updated = c.Now
	store.Artifacts.Put(c.Tx, a)
	if a.Key == nil {
		return nil, nil
	}
	if latest := collectionOf(c.Tx, *a.Key); latest != nil && latest.LatestID == a.ID {
		return nil, c.showArtifact(latest, a, "updated")
	}
	return nil, nil
}

// DeleteArtifact removes an artifact. If it was the newest of its key, the one before
// is now.
type DeleteArtifact struct {
	ID prefect.ID
}

// Run answers nothing; 404 for an unknown artifact.
func (o *DeleteArtifact) Run(c *Context) (any, error) {
	a := store.Artifacts.Get(c.Tx, key(o.ID))
	if a == nil {
		return nil, errNoArtifact()
	}
	store.Artifacts.Delete(c.Tx, key(a.ID))
	if a.Key == nil {
		return nil, nil
	}
	latest := collectionOf(c.Tx, *a.Key)
	if latest == nil || latest.LatestID != a.ID {
		return nil, nil
	}
	for before := range store.ArtifactsByKey.Rows(c.Tx, store.Range{Prefix: store.Key{}.String(*a.Key), Desc: true}) {
		return nil, c.showArtifact(latest, before, "updated")
	}
	store.ArtifactCollections.Delete(c.Tx, key(latest.ID))
	return nil, c.emitCollection("deleted", latest)
}

func errNoArtifact() error { return NotFound("Artifact not found.") }

// emitCollection emits prefect.artifact-collection.<what>.
func (c *Context) emitCollection(what string, latest *prefect.ArtifactCollection) error {
	payload, err := prefect.Marshal(struct {
		Key         string       `json:"key"`
		Type        *string      `json:"type"`
		Data        prefect.JSON `json:"data"`
		Description *string      `json:"description"`
	}{latest.Key, latest.Type, latest.Data, latest.Description})
	if err != nil {
		return err
	}
	related := []prefect.Resource{inRole("artifact", latest.LatestID, "latest")}
	for _, run := range []struct {
		kind string
		id   prefect.ID
	}{{"flow-run", latest.FlowRunID}, {"task-run", latest.TaskRunID}} {
		if !run.id.IsNull() {
			related = append(related, inRole(run.kind, run.id, run.kind))
		}
	}
	c.Emit(&prefect.Event{
		ID: c.NewID(latest.ID.Slot()), Occurred: c.Now, Event: "prefect.artifact-collection." + what,
		Resource: resource("artifact-collection", latest.ID, latest.Key),
		Related:  related, Payload: payload,
	})
	return nil
}

// ReadArtifact reads one artifact.
type ReadArtifact struct {
	ID prefect.ID
}

// Read answers a *prefect.Artifact; 404 if there is none.
func (q *ReadArtifact) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	a := store.Artifacts.Get(tx, key(q.ID))
	if a == nil {
		return nil, errNoArtifact()
	}
	return a, nil
}

// ReadLatestArtifact reads the newest artifact of a key.
type ReadLatestArtifact struct {
	Key string
}

// Group is where the artifacts of the key are.
func (q *ReadLatestArtifact) Group(g Groups) int { return g.OfSlot(artifactKeySlot(q.Key)) }

// Read answers a *prefect.Artifact with the id of its collection; 404 if there is none.
func (q *ReadLatestArtifact) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	latest := collectionOf(tx, q.Key)
	if latest == nil {
		return nil, errNoArtifact()
	}
	return latest.AsArtifact(), nil
}

// ReadArtifacts reads artifacts by id, in the order of the ids.
type ReadArtifacts struct {
	IDs []prefect.ID
}

// Read answers a []*prefect.Artifact, nil for one that is gone.
func (q *ReadArtifacts) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return rowsOf(tx, store.Artifacts, q.IDs), nil
}

// ReadCollections reads collections of artifacts by id, in the order of the ids.
type ReadCollections struct {
	IDs []prefect.ID
}

// Read answers a []*prefect.ArtifactCollection, nil for one that is gone.
func (q *ReadCollections) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return rowsOf(tx, store.ArtifactCollections, q.IDs), nil
}

func rowsOf[T any](tx *store.Tx, table *store.Table[T], ids []prefect.ID) []*T {
	rows := make([]*T, len(ids))
	for i, id := range ids {
		rows[i] = table.Get(tx, key(id))
	}
	return rows
}
