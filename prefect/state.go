package prefect

import "github.com/go-json-experiment/json/jsontext"

// StateType is the kind of a state; rules look at it, names are for people.
type StateType uint8

// The state types. Their numbers are stored.
const (
	NoState StateType = iota
	Scheduled
	Pending
	Running
	Completed
	Failed
	Cancelled
	Crashed
	Paused
	Cancelling
)

// StateTypes lists the types in the order in which the API declares them.
var StateTypes = []StateType{Scheduled, Pending, Running, Completed, Failed, Cancelled, Crashed, Paused, Cancelling}

var stateTypeNames = [...]string{"", "SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "CRASHED", "PAUSED", "CANCELLING"}
var stateTypeTitles = [...]string{"", "Scheduled", "Pending", "Running", "Completed", "Failed", "Cancelled", "Crashed", "Paused", "Cancelling"}

func (t StateType) String() string { return stateTypeNames[t] }

// Title is the name of a state of this type that has none of its own.
func (t StateType) Title() string { return stateTypeTitles[t] }

// IsTerminal reports whether a run in such a state has ended.
func (t StateType) IsTerminal() bool {
	return t == Completed || t == Failed || t == Cancelled || t == Crashed
}

// EnumValues lists the accepted texts; see Enum.
func (StateType) EnumValues() []string { return stateTypeNames[1:] }

// MarshalText prints the wire name.
func (t StateType) MarshalText() ([]byte, error) { return []byte(stateTypeNames[t]), nil }

// UnmarshalText reads the wire name.
func (t *StateType) UnmarshalText(text []byte) error {
	n, err := enumIndex(stateTypeNames[:], text)
	*t = StateType(n)
	return err
}

// State is one state of a flow run or task run.
type State struct {
	ID        ID           `json:"id" row:"1"`
	Type      StateType    `json:"type" row:"2"`
	Name      string       `json:"name" row:"3"`
	Timestamp Time         `json:"timestamp" row:"4"`
	Message   *string      `json:"message" row:"5"`
	Data      JSON         `json:"data"`
	Details   StateDetails `json:"state_details" row:"6"`

	// RunID is the flow run or task run that the state belongs to, Previous the
	// state that it followed there: a run's history is a chain, not an index.
	RunID    ID `json:"-" cbor:"row7" row:"7"`
	Previous ID `json:"-" cbor:"row8" row:"8"`
	// ResultArtifact holds the data of the state, if any was kept.
	ResultArtifact ID `json:"-" cbor:"row9" row:"9"`
	// Recorded is the data of a state that a client told of when it had happened:
	// it is no artifact.
	Recorded JSON `json:"-" cbor:"row10" row:"10"`
}

// StateDetails is what orchestration knows about a state. The fields' meaning
// is that of the Prefect client's StateDetails.
type StateDetails struct {
	FlowRunID         ID        `json:"flow_run_id" row:"1"`
	TaskRunID         ID        `json:"task_run_id" row:"2"`
	ChildFlowRunID    ID        `json:"child_flow_run_id" row:"3"`
	ScheduledTime     Time      `json:"scheduled_time" row:"4"`
	CacheKey          *string   `json:"cache_key" row:"5"`
	CacheExpiration   Time      `json:"cache_expiration" row:"6"`
	Deferred          *bool     `json:"deferred" check:"default=false" row:"7"`
	UntrackableResult bool      `json:"untrackable_result" row:"8"`
	PauseTimeout      Time      `json:"pause_timeout" row:"9"`
	PauseReschedule   bool      `json:"pause_reschedule" row:"10"`
	PauseKey          *string   `json:"pause_key" row:"11"`
	RunInputKeyset    StringMap `json:"run_input_keyset" row:"12"`
	RefreshCache      *bool     `json:"refresh_cache" row:"13"`
	Retriable         *bool     `json:"retriable" row:"14"`
	TransitionID      ID        `json:"transition_id" row:"15"`
	TaskParametersID  ID        `json:"task_parameters_id" row:"16"`
	Traceparent       *string   `json:"traceparent" row:"17"`
	DeploymentLeaseID ID        `json:"deployment_concurrency_lease_id" row:"18"`
}

// StateCreate is a state as a client proposes it. Its id and timestamp are
// always the server's.
type StateCreate struct {
	_       struct{}     `check:"closed"`
	Type    StateType    `json:"type" check:"required"`
	Name    *string      `json:"name"`
	Message *string      `json:"message"`
	Data    JSON         `json:"data"`
	Details StateDetails `json:"state_details"`
}

// SetDefaults names a state without a name after its type.
func (s *StateCreate) SetDefaults() {
	if s.Name == nil {
		title := s.Type.Title()
		s.Name = &title
	}
}

// MarshalJSONTo prints the wire name, or null.
func (t StateType) MarshalJSONTo(enc *jsontext.Encoder) error {
	if t == NoState {
		return enc.WriteToken(jsontext.Null)
	}
	return enc.WriteToken(jsontext.String(stateTypeNames[t]))
}
