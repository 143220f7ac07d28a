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
