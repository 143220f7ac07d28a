package ops

import "prefectd/prefect"

// newState is a state of the server's own making.
func (c *Context) newState(run prefect.ID, kind prefect.StateType, name string) *prefect.State {
	s := &prefect.State{Type: kind, Name: name, Details: prefect.StateDetails{Deferred: new(bool)}}
	return c.identify(s, run)
}

// propose makes a state of what a client sent.
func (c *Context) propose(create *prefect.StateCreate, run prefect.ID) *prefect.State {
	create.SetDefaults()
	s := &prefect.State{Type: create.Type, Name: *create.Name, Message: create.Message, Data: create.Data, Details: create.Details}
	return c.identify(s, run)
}

// identify gives a state the id and the time of the server.
func (c *Context) identify(s *prefect.State, run prefect.ID) *prefect.State {
	s.ID, s.Timestamp = c.NewID(run.Slot()), c.Now
	if s.Type == prefect.Scheduled && s.Details.ScheduledTime.IsNull() {
		s.Details.ScheduledTime = c.Now
	}
	return s
}

// A run's result is the data of its state: some clients keep a reference to the
// result there, and say of a result that they did not keep that it is
// "unpersisted".

// isResult reports whether a state's data is a reference to a kept result.
func isResult(data prefect.JSON) bool {
	return data.Kind() == '{' && dataType(data) != "unpersisted"
}

// hasResult reports whether a run in a state has a kept result, which must not be
// lost; an empty reference is none.
func hasResult(s *prefect.State) bool { return isResult(s.Data) && !isEmpty(s.Data) }

// isEmpty reports whether a value is what Python takes for false: no members or
// items, no characters, zero or null.
func isEmpty(v prefect.JSON) bool {
	if len(v) == 0 {
		return true
	}
	compact := v.Clone()
	if compact.Compact() != nil {
		return false
	}
	switch string(compact) {
	case "{}", "[]", `""`, "null", "false", "0", "0.0", "-0.0", "":
		return true
	}
	return false
}

// keptData answers the data of a state if it is worth keeping: null is none,
// and unpersisted data says of itself that it is not.
func keptData(data prefect.JSON) (prefect.JSON, bool) {
	if prefect.IsNull(data) {
		return nil, false
	}
	return data, dataType(data) != "unpersisted"
}

func dataType(data prefect.JSON) string {
	var object struct {
		Type prefect.JSON `json:"type"`
	}
	if data.Kind() != '{' || prefect.Unmarshal(data, &object) != nil {
		return ""
	}
	text, _ := unquote(object.Type)
	return text
}

func unquote(v prefect.JSON) (text string, ok bool) {
	if v.Kind() != '"' {
		return "", false
	}
	return text, prefect.Unmarshal(v, &text) == nil
}

// artifactOf makes an artifact of a state's data, which may name and describe it.
func artifactOf(data prefect.JSON) *prefect.Artifact {
	a := &prefect.Artifact{Data: data}
	var object map[string]prefect.JSON
	if data.Kind() != '{' || prefect.Unmarshal(data, &object) != nil {
		return a
	}
	size := len(object)
	for name, field := range map[string]**string{
		"artifact_key": &a.Key, "artifact_type": &a.Type, "artifact_description": &a.Description,
	} {
		if text, ok := unquote(object[name]); ok && text != "" {
			*field = &text
		}
		delete(object, name)
	}
	if len(object) < size {
		if rest, err := prefect.Marshal(object); err == nil {
			a.Data = rest
		}
	}
	return a
}
