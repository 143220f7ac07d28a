package prefect

// Flow is a named workflow; its runs hang below it.
type Flow struct {
	ID      ID       `json:"id" row:"1"`
	Created Time     `json:"created" row:"2"`
	Updated Time     `json:"updated" row:"3"`
	Name    string   `json:"name" row:"4"`
	Tags    []string `json:"tags" row:"5"`
	Labels  Labels   `json:"labels" row:"6"`
}

// FlowCreate is the body of POST /flows/.
type FlowCreate struct {
	_      struct{} `check:"closed"`
	Name   string   `json:"name" check:"required,name"`
	Tags   []string `json:"tags"`
	Labels Labels   `json:"labels" check:"nullable"`
}

// FlowUpdate is the body of PATCH /flows/{id}.
type FlowUpdate struct {
	_    struct{}      `check:"closed"`
	Tags Opt[[]string] `json:"tags"`
}

// Opt is a field of a partial update: only what was sent changes the object.
type Opt[T any] struct {
	Set   bool // the key was in the body
	Value T    // the zero value when null was sent
}

// Sent marks the field as sent and returns the *T to fill in; the decoder of
// requests calls it.
func (o *Opt[T]) Sent() any {
	o.Set = true
	return &o.Value
}
