package prefect

// Artifact is something a run left for people or for other runs. The data of a
// state is one too.
type Artifact struct {
	ID          ID        `json:"id" row:"1"`
	Created     Time      `json:"created" row:"2"`
	Updated     Time      `json:"updated" row:"3"`
	Key         *string   `json:"key" row:"4"`
	Type        *string   `json:"type" row:"5"`
	Description *string   `json:"description" row:"6"`
	Data        JSON      `json:"data" row:"7"`
	Metadata    StringMap `json:"metadata_" row:"8"`
	FlowRunID   ID        `json:"flow_run_id" row:"9"`
	TaskRunID   ID        `json:"task_run_id" row:"10"`
}

// ArtifactCollection is the newest of the artifacts of a key.
type ArtifactCollection struct {
	ID          ID        `json:"id" row:"1"`
	Created     Time      `json:"created" row:"2"`
	Updated     Time      `json:"updated" row:"3"`
	Key         string    `json:"key" row:"4"`
	LatestID    ID        `json:"latest_id" row:"5"`
	Type        *string   `json:"type" row:"6"`
	Description *string   `json:"description" row:"7"`
	Data        JSON      `json:"data" row:"8"`
	Metadata    StringMap `json:"metadata_" row:"9"`
	FlowRunID   ID        `json:"flow_run_id" row:"10"`
	TaskRunID   ID        `json:"task_run_id" row:"11"`
}

// Show makes an artifact the one that the collection shows.
func (c *ArtifactCollection) Show(a *Artifact) {
	c.LatestID, c.Type, c.Description, c.Data, c.Metadata = a.ID, a.Type, a.Description, a.Data, a.Metadata
	c.FlowRunID, c.TaskRunID = a.FlowRunID, a.TaskRunID
}

// AsArtifact is the collection in the form of an artifact, with an id of its own.
func (c *ArtifactCollection) AsArtifact() *Artifact {
	return &Artifact{
		ID: c.ID, Created: c.Created, Updated: c.Updated, Key: &c.Key, Type: c.Type, Description: c.Description,
		Data: c.Data, Metadata: c.Metadata, FlowRunID: c.FlowRunID, TaskRunID: c.TaskRunID,
	}
}

// ArtifactCreate is the body of POST /artifacts/.
type ArtifactCreate struct {
	_           struct{}  `check:"closed"`
	Key         *string   `json:"key" check:"artifact_key"`
	Type        *string   `json:"type"`
	Description *string   `json:"description"`
	Data        JSON      `json:"data"`
	Metadata    StringMap `json:"metadata_" check:"nullable"`
	FlowRunID   ID        `json:"flow_run_id"`
	TaskRunID   ID        `json:"task_run_id"`
}

// ArtifactUpdate is the body of PATCH /artifacts/{id}.
type ArtifactUpdate struct {
	_           struct{}       `check:"closed"`
	Data        Opt[JSON]      `json:"data"`
	Description Opt[*string]   `json:"description"`
	Metadata    Opt[StringMap] `json:"metadata_" check:"nullable"`
}
