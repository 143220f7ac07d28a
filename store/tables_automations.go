package store

import "prefectd/prefect"

// Bucket counts the events of one kind that a trigger waits for, in some span of time.
type Bucket struct {
	AutomationID prefect.ID   `row:"1"`
	TriggerID    prefect.ID   `row:"2"`
	Labels       []string     `row:"3"` // the values by which the trigger keeps events apart
	Start        prefect.Time `row:"4"`
	End          prefect.Time `row:"5"` // not in the span any more
	Count        int          `row:"6"`
	LastEvent    prefect.JSON `row:"7"` // that was counted; null for none
}

// ChildFiring notes that a trigger fired which another one is made of. Of each there is
// the last.
type ChildFiring struct {
	AutomationID prefect.ID   `row:"1"`
	ParentID     prefect.ID   `row:"2"`
	TriggerID    prefect.ID   `row:"3"`
	Triggered    prefect.Time `row:"4"`
	Firing       prefect.JSON `row:"5"`
}

// EventCursor says up to where a group's events were looked at for automations.
type EventCursor struct {
	Group int    `row:"1"`
	Next  uint64 `row:"2"` // the number of the first event that was not
}

// Invocation is an action of an automation that is to be done.
type Invocation struct {
	ID             prefect.ID   `row:"1"`
	Created        prefect.Time `row:"2"`
	AutomationID   prefect.ID   `row:"3"`
	AutomationName string       `row:"4"`
	TriggerType    string       `row:"5"`
	Posture        string       `row:"6"` // of an event trigger
	Index          int          `row:"7"` // among the actions of the automation
	Action         prefect.JSON `row:"8"`
	Firing         prefect.JSON `row:"9"`
	Event          prefect.JSON `row:"10"` // that caused it; null for none
	TriggeredEvent prefect.ID   `row:"11"` // that told that the automation was triggered
}

// Automations and what belongs to them, in the coordination group.
var (
	AutomationsByOwner = &Index[prefect.Automation]{
		Number: 1, Version: 1,
		Keys: func(a *prefect.Automation, k Key, add func(Key)) {
			if a.Owner != "" {
				add(k.String(a.Owner))
			}
		},
	}
	Automations = NewTable("automations", 33, idLen,
		func(a *prefect.Automation, k Key) Key { return k.ID(a.ID) },
		AutomationsByOwner)

	BucketsByEnd = &Index[Bucket]{
		Number: 1, Version: 1,
		Keys: func(b *Bucket, k Key, add func(Key)) { add(k.Time(b.End)) },
	}
	Buckets = NewTable("automation_buckets", 34, 3*idLen,
		func(b *Bucket, k Key) Key { return BucketKey(k, b.AutomationID, b.TriggerID, b.Labels) },
		BucketsByEnd)

	ChildFirings = NewTable("automation_child_firings", 35, 3*idLen,
		func(f *ChildFiring, k Key) Key { return k.ID(f.AutomationID).ID(f.ParentID).ID(f.TriggerID) })

	EventCursors = NewTable("event_cursors", 36, 8,
		func(c *EventCursor, k Key) Key { return k.Uint64(uint64(c.Group)) })

	Invocations = NewTable("automation_invocations", 37, idLen,
		func(i *Invocation, k Key) Key { return k.ID(i.ID) })
)

// BucketKey is the key of a bucket.
func BucketKey(k Key, automation, trigger prefect.ID, labels []string) Key {
	var all Key
	for _, label := range labels {
		all = all.String(label)
	}
	return k.ID(automation).ID(trigger).Name(string(all))
}
