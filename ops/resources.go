package ops

import "prefectd/prefect"

// resource names an object in an event.
func resource(kind string, id prefect.ID, name string) prefect.Resource {
	return prefect.Resource{"prefect.resource.id": "prefect." + kind + "." + id.String(), "prefect.resource.name": name}
}

// inRole names an object that takes part in an event.
func inRole(kind string, id prefect.ID, role string) prefect.Resource {
	return prefect.Resource{"prefect.resource.id": "prefect." + kind + "." + id.String(), "prefect.resource.role": role}
}

// withRole is a resource in a role.
func withRole(r prefect.Resource, role string) prefect.Resource {
	r["prefect.resource.role"] = role
	return r
}

// tell emits an event about a resource, with a payload.
func (c *Context) tell(event string, about prefect.Resource, related []prefect.Resource, payload any) error {
	text, err := prefect.Marshal(payload)
	if err != nil {
		return err
	}
	c.Emit(&prefect.Event{ID: c.freshID(), Occurred: c.Now, Event: event, Resource: about, Related: related, Payload: text})
	return nil
}
