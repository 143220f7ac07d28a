package ops

import (
	"cmp"
	"fmt"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// Triggers look at every event of every group, in the order of the group's stream, and
// once: how far they are is a row of the coordination group, which moves in the entry that
// counts the events, fires, and lists the actions that are to be done.

// Firing says that a trigger fired, and why.
type Firing struct {
	ID        prefect.ID        `json:"id"`
	TriggerID prefect.ID        `json:"trigger_id"`
	Triggered prefect.Time      `json:"triggered"`
	Labels    map[string]string `json:"triggering_labels"`
	Event     prefect.JSON      `json:"triggering_event"` // null for none
	Firings   []*Firing         `json:"triggering_firings"`
}

// EventsOfGroup are events of a group that matter to automations.
type EventsOfGroup struct {
	Group      int
	From, Next uint64 // the numbers between which all were looked at
	Events     []*prefect.Event
}

// EvaluateEvents counts events for the triggers that they matter to. Those of a group that
// somebody looked at before are left out.
type EvaluateEvents struct {
	Groups []EventsOfGroup
}

// Run answers how often an automation was triggered.
func (o *EvaluateEvents) Run(c *Context) (any, error) {
	e, err := c.evaluator()
	if err != nil {
		return nil, err
	}
	for _, part := range o.Groups {
		if nextEvent(c.Tx, part.Group) != part.From {
			continue
		}
		store.EventCursors.Put(c.Tx, &store.EventCursor{Group: part.Group, Next: part.Next})
		for _, event := range part.Events {
			if err := e.react(event); err != nil {
				return nil, err
			}
		}
	}
	return e.triggered, nil
}

// nextEvent is the number of the first event of a group that was not looked at.
func nextEvent(tx *store.Tx, group int) uint64 {
	if cursor := store.EventCursors.Get(tx, store.Key{}.Uint64(uint64(group))); cursor != nil {
		return cursor.Next
	}
	return 0
}

// EvaluateTime has the triggers fire that waited for events in vain, and forgets what can
// not become complete any more.
type EvaluateTime struct{}

// Run answers how often an automation was triggered.
func (o *EvaluateTime) Run(c *Context) (any, error) {
	e, err := c.evaluator()
	if err != nil {
		return nil, err
	}
	for _, l := range e.leaves {
		if l.test.Posture == prefect.Proactive {
			if err := e.await(l); err != nil {
				return nil, err
			}
		}
	}
	return e.triggered, c.sweepBuckets(e)
}

// expiredBuckets is how many buckets are forgotten at once.
const expiredBuckets = 500

// sweepBuckets forgets the buckets that ended a while ago, except those of Proactive
// triggers.
func (c *Context) sweepBuckets(e *evaluator) error {
	until := store.Key{}.Time(c.Now.Add(-c.Settings.Triggers.BucketBuffer))
	var over []*store.Bucket
	for b := range store.BucketsByEnd.Rows(c.Tx, store.Range{To: until}) {
		if over = append(over, b); len(over) == expiredBuckets {
			break
		}
	}
	for _, b := range over {
		if l := e.leaf(b.TriggerID); l == nil || l.test.Posture == prefect.Reactive {
			store.Buckets.Delete(c.Tx, store.Buckets.Key(b))
		}
	}
	return nil
}

// leaf is an event trigger of an automation that is switched on, with those above it, from
// the outermost on.
type leaf struct {
	automation *prefect.Automation
	test       *prefect.EventTest
	above      []*prefect.Trigger
}

func enabledAutomations(tx *store.Tx) (list []*prefect.Automation) {
	for a := range store.Automations.Rows(tx, store.Range{}) {
		if a.Enabled {
			list = append(list, a)
		}
	}
	return list
}

// leavesOf lists the event triggers of some automations.
func leavesOf(automations []*prefect.Automation) (list []*leaf, err error) {
	for _, a := range automations {
		var t prefect.Trigger
		if err := prefect.Unmarshal(a.Trigger, &t); err != nil {
			return nil, fmt.Errorf("trigger of automation %s: %w", a.ID, err)
		}
		list = appendLeaves(list, a, &t, nil)
	}
	return list, nil
}

func appendLeaves(list []*leaf, a *prefect.Automation, t *prefect.Trigger, above []*prefect.Trigger) []*leaf {
	if t.Event != nil {
		return append(list, &leaf{a, t.Event.Compile(), above})
	}
	above = append(slices.Clone(above), t)
	children := t.Children()
	for i := range children {
		list = appendLeaves(list, a, &children[i], above)
	}
	return list
}

// matters reports whether a trigger has to look at an event: one that was there when the
// automation was made or switched on, or before, does not count.
func (l *leaf) matters(e *prefect.Event) bool {
	return e.Received > l.automation.Updated && l.test.Covers(e)
}

// evaluator evaluates triggers in an operation.
type evaluator struct {
	*Context
	leaves    []*leaf
	triggered int
	last      prefect.Time // when something fired
}

func (c *Context) evaluator() (*evaluator, error) {
	leaves, err := leavesOf(enabledAutomations(c.Tx))
	return &evaluator{Context: c, leaves: leaves}, err
}

func (e *evaluator) leaf(trigger prefect.ID) *leaf {
	i := slices.IndexFunc(e.leaves, func(l *leaf) bool { return l.test.ID == trigger })
	if i < 0 {
		return nil
	}
	return e.leaves[i]
}

func (e *evaluator) bucket(l *leaf, labels []string) *store.Bucket {
	return store.Buckets.Get(e.Tx, store.BucketKey(nil, l.automation.ID, l.test.ID, labels))
}

func (e *evaluator) remove(b *store.Bucket) { store.Buckets.Delete(e.Tx, store.Buckets.Key(b)) }

// begin starts a bucket, which takes the place of the one there was.
func (e *evaluator) begin(l *leaf, labels []string, start prefect.Time, count int, last prefect.JSON) *store.Bucket {
	b := &store.Bucket{
		AutomationID: l.automation.ID, TriggerID: l.test.ID, Labels: labels,
		Start: start, End: start.Add(l.test.Within), Count: count, LastEvent: last,
	}
	store.Buckets.Put(e.Tx, b)
	return b
}

// lookback is how much earlier than the first event of a bucket others may have occurred
// that count in it (reference/automations.md, "Evaluation").
const lookback = 15 * prefect.Minute

// react counts an event for all triggers that it matters to.
func (e *evaluator) react(event *prefect.Event) error {
	var text prefect.JSON
	for _, l := range e.leaves {
		if !l.matters(event) {
			continue
		}
		if text == nil {
			var err error
			if text, err = prefect.Marshal(event); err != nil {
				return err
			}
		}
		if err := e.reactOne(l, &occurrence{event, text}); err != nil {
			return err
		}
	}
	return nil
}

// occurrence is an event, and its text.
type occurrence struct {
	*prefect.Event
	text prefect.JSON
}

func (e *evaluator) reactOne(l *leaf, o *occurrence) error {
	labels := l.test.Labels(o.Event)
	b := e.bucket(l, labels)
	expected := l.test.Expects(o.Event.Event)
	switch {
	case b != nil:
	case l.test.StartsAfter(o.Event.Event):
		count := 0
		if expected {
			count = -1 // the event counts, but as the one that begins
		}
		b = e.begin(l, labels, o.Occurred, count, o.text)
	case len(l.test.After) == 0 && expected:
		b = e.begin(l, labels, o.Occurred.Add(-lookback), 0, nil)
		b.End = o.Occurred.Add(l.test.Within)
		store.Buckets.Put(e.Tx, b)
	}
	if b == nil || !expected {
		return nil
	}
	return e.evaluate(l, b, o.Occurred, o)
}

// evaluate counts an event, if there is one, in a bucket at an instant, and fires if it is
// time to.
func (e *evaluator) evaluate(l *leaf, b *store.Bucket, now prefect.Time, o *occurrence) error {
	t := l.test
	if now < b.Start {
		return nil // late, or before the trigger fired
	}
	immediate := t.Posture == prefect.Reactive && t.Within == 0
	counted := o == nil
	if o != nil && (immediate || now < b.End) {
		b.Count, b.LastEvent, counted = b.Count+1, o.text, true
		store.Buckets.Put(e.Tx, b)
	}
	switch ready := t.Posture == prefect.Reactive || b.End <= now; {
	case ready && t.IsMet(b.Count):
		e.remove(b)
		return e.fireLeaf(l, b, o)
	case now < b.End:
		if o != nil && t.Posture == prefect.Proactive && !t.IsMet(b.Count) && t.StartsAfter(o.Event.Event) {
			e.begin(l, b.Labels, o.Occurred, 0, o.text)
		}
		return nil
	case len(t.After) > 0:
		e.remove(b)
		return nil
	case t.Within == 0:
		return nil
	}
	next := e.begin(l, b.Labels, max(b.End, now), 0, nil)
	switch {
	case counted:
		return nil
	case t.Posture == prefect.Reactive:
		return e.evaluate(l, next, now, o)
	}
	next.Count = 1
	store.Buckets.Put(e.Tx, next)
	return nil
}

// await evaluates the buckets of a Proactive trigger as of now. One that keeps no events
// apart, and needs none to begin, always has a bucket.
func (e *evaluator) await(l *leaf) error {
	if len(l.test.ForEach) == 0 && len(l.test.After) == 0 && e.bucket(l, []string{}) == nil {
		e.begin(l, []string{}, e.Now, 0, nil)
	}
	buckets := slices.Collect(store.Buckets.Rows(e.Tx, store.Range{Prefix: key(l.automation.ID).ID(l.test.ID)}))
	for _, b := range buckets {
		if b.Count >= l.test.Threshold {
			e.remove(b)
			continue
		}
		if err := e.evaluate(l, b, e.Now, nil); err != nil {
			return err
		}
	}
	return nil
}

// firing makes a firing, later than all others of the operation.
func (e *evaluator) firing(trigger prefect.ID, event prefect.JSON) *Firing {
	e.last = max(e.Now, e.last+1)
	return &Firing{ID: e.freshID(), TriggerID: trigger, Triggered: e.last, Labels: map[string]string{}, Event: event, Firings: []*Firing{}}
}

func (e *evaluator) fireLeaf(l *leaf, b *store.Bucket, o *occurrence) error {
	f := e.firing(l.test.ID, b.LastEvent)
	if o != nil {
		f.Event = o.text
	}
	for i, label := range l.test.ForEachLabels() {
		f.Labels[label] = b.Labels[i]
	}
	return e.fire(l, l.above, f)
}

// fire hands a firing to the trigger above, or has the automation act.
func (e *evaluator) fire(l *leaf, above []*prefect.Trigger, f *Firing) error {
	if len(above) == 0 {
		e.triggered++
		return e.act(l, f)
	}
	parent, above := above[len(above)-1], above[:len(above)-1]
	firings, err := e.compose(l.automation.ID, parent, f)
	if err != nil || firings == nil {
		return err
	}
	composed := e.firing(parent.ID(), f.Event)
	composed.Firings = firings
	return e.fire(l, above, composed)
}

// compose notes that a child of a trigger fired, and answers all firings that make the
// trigger fire; none if it does not yet.
func (e *evaluator) compose(automation prefect.ID, parent *prefect.Trigger, f *Firing) ([]*Firing, error) {
	needed, within := len(parent.Children()), (*prefect.Duration)(nil)
	switch {
	case parent.Compound != nil:
		needed, within = parent.Compound.Firings(), parent.Compound.Within
	default:
		within = parent.Sequence.Within
	}
	if needed == 1 {
		return []*Firing{f}, nil
	}
	text, err := prefect.Marshal(f)
	if err != nil {
		return nil, err
	}
	store.ChildFirings.Put(e.Tx, &store.ChildFiring{
		AutomationID: automation, ParentID: parent.ID(), TriggerID: f.TriggerID, Triggered: f.Triggered, Firing: text,
	})
	rows := slices.Collect(store.ChildFirings.Rows(e.Tx, store.Range{Prefix: key(automation).ID(parent.ID())}))
	rows = slices.DeleteFunc(rows, func(r *store.ChildFiring) bool {
		old := within != nil && r.Triggered < f.Triggered.Add(-*within)
		if old {
			store.ChildFirings.Delete(e.Tx, store.ChildFirings.Key(r))
		}
		return old
	})
	slices.SortFunc(rows, func(a, b *store.ChildFiring) int { return cmp.Compare(a.Triggered, b.Triggered) })
	if len(rows) < needed || parent.Sequence != nil && !inOrder(rows, parent.Sequence.Triggers) {
		return nil, nil
	}
	firings := make([]*Firing, len(rows))
	for i, r := range rows {
		if err := prefect.Unmarshal(r.Firing, &firings[i]); err != nil {
			return nil, fmt.Errorf("firing of trigger %s: %w", r.TriggerID, err)
		}
		store.ChildFirings.Delete(e.Tx, store.ChildFirings.Key(r))
	}
	return firings, nil
}

func inOrder(rows []*store.ChildFiring, triggers []prefect.Trigger) bool {
	return slices.EqualFunc(rows, triggers, func(r *store.ChildFiring, t prefect.Trigger) bool { return r.TriggerID == t.ID() })
}

// act tells that an automation was triggered, and lists its actions to be done.
func (e *evaluator) act(l *leaf, f *Firing) error {
	a := l.automation
	root := l.root()
	triggered, err := e.emitTriggered(a, root, f)
	if err != nil {
		return err
	}
	own, err := actionsOf(a.Actions)
	if err != nil {
		return err
	}
	onTrigger, err := actionsOf(a.ActionsOnTrigger)
	if err != nil {
		return err
	}
	firing, err := prefect.Marshal(f)
	if err != nil {
		return err
	}
	cause, err := prefect.Marshal(triggered)
	if err != nil {
		return err
	}
	for i, action := range slices.Concat(own, onTrigger) {
		text, err := prefect.Marshal(action)
		if err != nil {
			return err
		}
		event := f.Event
		if i >= len(own) {
			event = cause
		}
		store.Invocations.Put(e.Tx, &store.Invocation{
			ID: e.freshID(), Created: e.Now, AutomationID: a.ID, AutomationName: a.Name, TriggerType: root.kind, Posture: root.posture,
			Index: i, Action: text, Firing: firing, Event: event, TriggeredEvent: triggered.ID,
		})
	}
	return nil
}

// rootTrigger is what events tell of an automation's trigger.
type rootTrigger struct{ kind, posture string }

func (l *leaf) root() rootTrigger {
	if len(l.above) > 0 {
		return rootTrigger{kind: l.above[0].Type()}
	}
	return rootTrigger{"event", string(l.test.Posture)}
}

func (e *evaluator) emitTriggered(a *prefect.Automation, root rootTrigger, f *Firing) (*prefect.Event, error) {
	payload, err := prefect.Marshal(struct {
		Labels map[string]string `json:"triggering_labels"`
		Event  prefect.JSON      `json:"triggering_event"`
	}{f.Labels, f.Event})
	if err != nil {
		return nil, err
	}
	event := &prefect.Event{
		ID: e.freshID(), Occurred: f.Triggered, Event: "prefect.automation.triggered",
		Resource: resource("automation", a.ID, a.Name), Payload: payload, Related: relatedEvent(f.Event, "triggering-event"),
	}
	if root.posture != "" {
		event.Resource["prefect.posture"] = root.posture
	}
	e.Emit(event)
	return event, nil
}

// relatedEvent is an event as a related resource of another; none for null.
func relatedEvent(event prefect.JSON, role string) []prefect.Resource {
	var parts struct {
		ID prefect.ID `json:"id"`
	}
	if prefect.IsNull(event) || prefect.Unmarshal(event, &parts) != nil {
		return []prefect.Resource{}
	}
	return []prefect.Resource{inRole("event", parts.ID, role)}
}
