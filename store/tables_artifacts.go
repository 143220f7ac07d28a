package store

import "prefectd/prefect"

// Artifacts with a key live in the group of the key's hash, so that the newest is one
// group's matter; the others with their run.
var (
	ArtifactsByFlowRun = &Index[prefect.Artifact]{
		Number: 1, Version: 1,
		Keys: func(a *prefect.Artifact, k Key, add func(Key)) {
			if !a.FlowRunID.IsNull() {
				add(k.ID(a.FlowRunID))
			}
		},
	}
	ArtifactsByTaskRun = &Index[prefect.Artifact]{
		Number: 2, Version: 1,
		Keys: func(a *prefect.Artifact, k Key, add func(Key)) {
			if !a.TaskRunID.IsNull() {
				add(k.ID(a.TaskRunID))
			}
		},
	}
	// ArtifactsByKey has the versions of a key, the oldest first.
	ArtifactsByKey = &Index[prefect.Artifact]{
		Number: 3, Version: 1,
		Keys: func(a *prefect.Artifact, k Key, add func(Key)) {
			if a.Key != nil {
				add(k.String(*a.Key).Time(a.Created))
			}
		},
	}
	Artifacts = NewTable("artifacts", 9, idLen,
		func(a *prefect.Artifact, k Key) Key { return k.ID(a.ID) },
		ArtifactsByFlowRun, ArtifactsByTaskRun, ArtifactsByKey)

	ArtifactCollectionsByKey = &Index[prefect.ArtifactCollection]{
		Number: 1, Version: 1, Unique: true,
		Keys: func(c *prefect.ArtifactCollection, k Key, add func(Key)) { add(k.String(c.Key)) },
	}
	ArtifactCollectionsByFlowRun = &Index[prefect.ArtifactCollection]{
		Number: 2, Version: 1,
		Keys: func(c *prefect.ArtifactCollection, k Key, add func(Key)) {
			if !c.FlowRunID.IsNull() {
				add(k.ID(c.FlowRunID))
			}
		},
	}
	ArtifactCollections = NewTable("artifact_collections", 31, idLen,
		func(c *prefect.ArtifactCollection, k Key) Key { return k.ID(c.ID) },
		ArtifactCollectionsByKey, ArtifactCollectionsByFlowRun)
)
