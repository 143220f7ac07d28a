package prefect

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"prefectd/prefect/templates"
)

// Action is what an automation does. Which of the fields matter depends on the type
// (reference/automations.md, "Actions").
type Action struct {
	Type   ActionType `json:"type" check:"required"`
	Source string     `json:"source" check:"default=selected,oneof=selected|inferred"`

	DeploymentID ID `json:"deployment_id"`
	WorkPoolID   ID `json:"work_pool_id"`
	WorkQueueID  ID `json:"work_queue_id"`
	AutomationID ID `json:"automation_id"`

	Parameters    JSON     `json:"parameters" check:"object,nullable"`
	JobVariables  JSON     `json:"job_variables" check:"object,nullable"`
	ScheduleAfter Duration `json:"schedule_after"`

	Name    *string    `json:"name"`
	State   *StateType `json:"state"`
	Message *string    `json:"message"`
	Force   bool       `json:"force" check:"default=false"`

	BlockDocumentID ID     `json:"block_document_id"`
	Subject         string `json:"subject" check:"default=Prefect automated notification"`
	Body            string `json:"body"`
	Payload         JSON   `json:"payload"`
}

// ActionType is the type of an action.
type ActionType string

// The types of actions.
const (
	DoNothing          ActionType = "do-nothing"
	RunDeployment      ActionType = "run-deployment"
	PauseDeployment    ActionType = "pause-deployment"
	ResumeDeployment   ActionType = "resume-deployment"
	CancelFlowRun      ActionType = "cancel-flow-run"
	DeleteFlowRun      ActionType = "delete-flow-run"
	ChangeFlowRunState ActionType = "change-flow-run-state"
	SuspendFlowRun     ActionType = "suspend-flow-run"
	ResumeFlowRun      ActionType = "resume-flow-run"
	PauseWorkPool      ActionType = "pause-work-pool"
	ResumeWorkPool     ActionType = "resume-work-pool"
	PauseWorkQueue     ActionType = "pause-work-queue"
	ResumeWorkQueue    ActionType = "resume-work-queue"
	PauseAutomation    ActionType = "pause-automation"
	ResumeAutomation   ActionType = "resume-automation"
	SendNotification   ActionType = "send-notification"
	CallWebhook        ActionType = "call-webhook"
)

// EnumValues lists the accepted texts.
func (ActionType) EnumValues() []string {
	return []string{
		string(DoNothing), string(RunDeployment), string(PauseDeployment), string(ResumeDeployment), string(CancelFlowRun),
		string(DeleteFlowRun), string(ChangeFlowRunState), string(PauseWorkQueue), string(ResumeWorkQueue), string(SendNotification),
		string(CallWebhook), string(PauseAutomation), string(ResumeAutomation), string(SuspendFlowRun), string(ResumeFlowRun),
		string(PauseWorkPool), string(ResumeWorkPool),
	}
}

// UnmarshalText reads the wire name.
func (t *ActionType) UnmarshalText(text []byte) error { return choose(t, text) }

// Target is the kind of object that an action is about, as resources name it, and the id
// of the one that was selected; empty for an action about a flow run, or nothing.
func (a *Action) Target() (kind string, selected ID) {
	switch a.Type {
	case RunDeployment, PauseDeployment, ResumeDeployment:
		return "deployment", a.DeploymentID
	case PauseWorkPool, ResumeWorkPool:
		return "work-pool", a.WorkPoolID
	case PauseWorkQueue, ResumeWorkQueue:
		return "work-queue", a.WorkQueueID
	case PauseAutomation, ResumeAutomation:
		return "automation", a.AutomationID
	}
	return "", NoID
}

// Check refuses an action that lacks what its type needs.
func (a *Action) Check() error {
	kind, id := a.Target()
	field := strings.ReplaceAll(kind, "-", "_") + "_id"
	switch {
	case kind != "" && a.Source == "selected" && id.IsNull():
		return errors.New(field + " is required")
	case kind != "" && a.Source == "inferred" && !id.IsNull():
		return errors.New(field + " is not allowed")
	case a.ScheduleAfter < 0:
		return errors.New("schedule_after must be non-negative")
	case a.Type == ChangeFlowRunState && a.State == nil:
		return errors.New("state is required")
	case (a.Type == SendNotification || a.Type == CallWebhook) && a.BlockDocumentID.IsNull():
		return errors.New("block_document_id is required")
	}
	for field, text := range map[string]string{"subject": a.Subject, "body": a.Body} {
		if err := templates.Validate(text); err != nil {
			return fmt.Errorf("'%s' is not a valid template: %w", field, err)
		}
	}
	if a.Type == CallWebhook && a.Payload.Kind() != '"' {
		return a.writePayload()
	}
	return nil
}

// writePayload turns the payload of a webhook into a text.
func (a *Action) writePayload() (err error) {
	text := ""
	if !IsNull(a.Payload) {
		indented := a.Payload.Clone()
		if err := indented.Indent(jsontext.WithIndent("  ")); err != nil {
			return err
		}
		text = string(bytes.TrimSpace(indented))
	}
	a.Payload, err = Marshal(text)
	return err
}

// MarshalJSONTo prints the fields that the type has.
func (a Action) MarshalJSONTo(enc *jsontext.Encoder) error {
	return json.MarshalEncode(enc, a.printed())
}

func (a *Action) printed() any {
	type head struct {
		Type   ActionType `json:"type"`
		Source string     `json:"source,omitzero"`
	}
	h := head{Type: a.Type}
	switch kind, _ := a.Target(); {
	case a.Type == RunDeployment:
		h.Source = a.Source
		return struct {
			head
			DeploymentID  ID       `json:"deployment_id"`
			Parameters    JSON     `json:"parameters"`
			JobVariables  JSON     `json:"job_variables"`
			ScheduleAfter Duration `json:"schedule_after"`
		}{h, a.DeploymentID, a.Parameters, a.JobVariables, a.ScheduleAfter}
	case kind == "deployment":
		h.Source = a.Source
		return struct {
			head
			DeploymentID ID `json:"deployment_id"`
		}{h, a.DeploymentID}
	case kind == "work-pool":
		h.Source = a.Source
		return struct {
			head
			WorkPoolID ID `json:"work_pool_id"`
		}{h, a.WorkPoolID}
	case kind == "work-queue":
		h.Source = a.Source
		return struct {
			head
			WorkQueueID ID `json:"work_queue_id"`
		}{h, a.WorkQueueID}
	case kind == "automation":
		h.Source = a.Source
		return struct {
			head
			AutomationID ID `json:"automation_id"`
		}{h, a.AutomationID}
	case a.Type == ChangeFlowRunState:
		return struct {
			head
			Name    *string    `json:"name"`
			State   *StateType `json:"state"`
			Message *string    `json:"message"`
			Force   bool       `json:"force"`
		}{h, a.Name, a.State, a.Message, a.Force}
	case a.Type == SendNotification:
		return struct {
			head
			BlockDocumentID ID     `json:"block_document_id"`
			Subject         string `json:"subject"`
			Body            string `json:"body"`
		}{h, a.BlockDocumentID, a.Subject, a.Body}
	case a.Type == CallWebhook:
		return struct {
			head
			BlockDocumentID ID   `json:"block_document_id"`
			Payload         JSON `json:"payload"`
		}{h, a.BlockDocumentID, a.Payload}
	}
	return h
}
