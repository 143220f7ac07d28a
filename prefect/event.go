package prefect

import "errors"

// Event is something that happened to a resource. Received is set by the server.
type Event struct {
	Occurred Time       `json:"occurred" check:"required" row:"1"`
	Event    string     `json:"event" check:"required,event_name" row:"2"`
	Resource Resource   `json:"resource" check:"required" row:"3"`
	Related  []Resource `json:"related" check:"each=related_resource,related" row:"4"`
	Payload  JSON       `json:"payload" check:"object,default={}" row:"5"`
	ID       ID         `json:"id" check:"required" row:"6"`
	Follows  ID         `json:"follows" row:"7"`
	Received Time       `json:"received" check:"-" row:"8"`

	// Sequence numbers the events of a group in the order in which they were
	// written: the position in the durable stream.
	Sequence uint64 `json:"-" cbor:"row9" row:"9"`
}

// Resource is a set of labels, among them prefect.resource.id; a related
// resource also has prefect.resource.role.
type Resource map[string]string

// Check applies the rules for every resource of an event that a client sends.
func (r Resource) Check() error {
	id, ok := r["prefect.resource.id"]
	switch {
	case len(r) > 500:
		return errors.New("The maximum number of labels per resource is 500")
	case !ok:
		return errors.New("Resources must include the prefect.resource.id label")
	case id == "":
		return errors.New("The prefect.resource.id label must be non-empty")
	}
	return nil
}

// ID is the resource's id label.
func (r Resource) ID() string { return r["prefect.resource.id"] }

// Role is the role in which a related resource takes part.
func (r Resource) Role() string { return r["prefect.resource.role"] }

// Name is the label that people see: the resource's name, else its id.
func (r Resource) Name() string {
	for _, label := range []string{"prefect.resource.name", "prefect.name"} {
		if name := r[label]; name != "" {
			return name
		}
	}
	return r.ID()
}

// Fits reports whether the event, as JSON, is no longer than a limit in bytes.
func (e *Event) Fits(limit int) bool {
	rough := 500 + len(e.Event) + len(e.Payload)
	for _, r := range append(e.Related[:len(e.Related):len(e.Related)], e.Resource) {
		for label, value := range r {
			rough += 2 + len(label) + len(value)
		}
	}
	if 6*rough <= limit { // an escape makes six bytes of one
		return true
	}
	sent := *e
	sent.Received = 0 // the server's own
	data, err := Marshal(&sent)
	return err == nil && len(data)-len(`,"received":null`) <= limit
}
