package ops

import (
	"fmt"
	"reflect"
)

// sendable lists the operations that one group may send to another.
func sendable() []Operation {
	return []Operation{
		&DeleteFlowRunsOf{},
		&SweepFlowRun{},
		&DetachFlowRun{},
		&MirrorSubflowState{},
		&InsertCachedState{},
	}
}

// kindOf is the name of a sendable operation, empty for another.
func kindOf(op Operation) string {
	for _, known := range sendable() {
		if reflect.TypeOf(known) == reflect.TypeOf(op) {
			return reflect.TypeOf(op).Elem().Name()
		}
	}
	return ""
}

func newOperation(kind string) (Operation, error) {
	for _, known := range sendable() {
		if reflect.TypeOf(known).Elem().Name() == kind {
			return known, nil
		}
	}
	return nil, fmt.Errorf("operation %q is not known to this version", kind)
}
