package prefect

// Log is one line that a flow run, task run or worker logged.
type Log struct {
	ID        ID     `json:"id" row:"1"`
	Created   Time   `json:"created" row:"2"`
	Updated   Time   `json:"updated"` // a log never changes: always Created
	Name      string `json:"name" row:"3"`
	Level     int    `json:"level" row:"4"`
	Message   string `json:"message" row:"5"`
	Timestamp Time   `json:"timestamp" row:"6"`
	FlowRunID ID     `json:"flow_run_id" row:"7"`
	TaskRunID ID     `json:"task_run_id" row:"8"`
}

// LogCreate is one row of the body of POST /logs/.
type LogCreate struct {
	_         struct{} `check:"closed"`
	Name      string   `json:"name" check:"required,clean"`
	Level     int      `json:"level" check:"required,int16"`
	Message   string   `json:"message" check:"required,clean"`
	Timestamp Time     `json:"timestamp" check:"required"`
	FlowRunID ID       `json:"flow_run_id"`
	TaskRunID ID       `json:"task_run_id"`
}
