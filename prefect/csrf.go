package prefect

// CSRFToken lets a client change something, while requests that a page of somebody else
// makes a browser send cannot know it.
type CSRFToken struct {
	ID         ID     `json:"id" row:"1"`
	Created    Time   `json:"created" row:"2"`
	Updated    Time   `json:"updated" row:"3"`
	Token      string `json:"token" row:"4"`
	Client     string `json:"client" row:"5"`
	Expiration Time   `json:"expiration" row:"6"`
}
