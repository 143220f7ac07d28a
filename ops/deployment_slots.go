package ops

import (
	"context"
	"strings"

	"prefectd/prefect"
	"prefectd/store"
)

// A flow run takes a slot of its deployment's limit before it becomes pending, and keeps it
// until it has ended, by a lease that its client renews. Limits live in another group than
// runs: the slot is taken first, and given back if the transition did not come about.

// DeploymentSlot is what the limit of a flow run's deployment gave. The zero value: there
// is none to obey.
type DeploymentSlot struct {
	Gone    bool       // there is no such deployment
	Zero    bool       // the limit has no slots at all
	Full    bool       // all slots are taken
	Cancels bool       // a run that finds the limit full is cancelled, else it waits
	Lease   prefect.ID // on the slot; null if there is none
	Taken   bool       // just now
}

// limitOfRuns is the limit that a deployment's runs obey; nil for none.
func limitOfRuns(tx *store.Tx, d *prefect.Deployment) *prefect.ConcurrencyLimit {
	l := store.ConcurrencyLimits.Get(tx, key(d.ConcurrencyLimitID))
	if l == nil || !l.Active {
		return nil
	}
	return l
}

func cancelsNew(d *prefect.Deployment) bool {
	return d.ConcurrencyOptions != nil && d.ConcurrencyOptions.CollisionStrategy == prefect.CancelNew
}

// ReadDeploymentSlot reads whether a run of a deployment would get a slot.
type ReadDeploymentSlot struct {
	DeploymentID prefect.ID
}

// Read answers a *DeploymentSlot, nil if there is no limit to obey.
func (q *ReadDeploymentSlot) Read(tx *store.Tx, now prefect.Time) (any, error) {
	d := deployment(tx, q.DeploymentID)
	if d == nil {
		return &DeploymentSlot{Gone: true}, nil
	}
	l := limitOfRuns(tx, d)
	if l == nil {
		return (*DeploymentSlot)(nil), nil
	}
	return &DeploymentSlot{Zero: l.Limit == 0, Full: activeSlots(l, now) >= l.Limit, Cancels: cancelsNew(d)}, nil
}

// TakeDeploymentSlot takes a slot for a flow run, or renews the lease that it has.
type TakeDeploymentSlot struct {
	DeploymentID prefect.ID
	RunID        prefect.ID
	Lease        prefect.ID // of the slot that the run has, or had; null for none
	Renew        bool       // keep that slot if it is there still, else take another
	Hold         bool       // the client does not renew the lease: it lasts as long as the run
}

// Run answers a DeploymentSlot.
func (o *TakeDeploymentSlot) Run(c *Context) (any, error) {
	d := deployment(c.Tx, o.DeploymentID)
	if d == nil {
		return DeploymentSlot{Gone: true}, nil
	}
	limit := limitOfRuns(c.Tx, d)
	if limit == nil {
		return DeploymentSlot{Lease: o.Lease}, nil
	}
	lasts := c.Settings.DeploymentLease
	if d.ConcurrencyOptions != nil && d.ConcurrencyOptions.GracePeriodSeconds != nil {
		lasts = prefect.Duration(*d.ConcurrencyOptions.GracePeriodSeconds) * prefect.Second
	}
	if o.Hold {
		lasts = heldForGood
	}
	if lease := store.Leases.Get(c.Tx, key(o.Lease)); lease != nil {
		if o.Renew {
			lease.Expiration = c.Now.Add(lasts)
			store.Leases.Put(c.Tx, lease)
			return DeploymentSlot{Lease: o.Lease}, nil
		}
		c.endLease(lease) // of an earlier attempt of the run
	}
	if limit.Limit == 0 {
		return DeploymentSlot{Zero: true}, nil
	}
	taken, err := as[SlotsTaken]((&TakeSlots{
		Names: []string{limit.Name}, Slots: 1, Lease: lasts, HolderType: flowRunHolder, Holder: o.RunID,
	}).Run(c))
	return DeploymentSlot{Full: taken.Full, Cancels: cancelsNew(d), Lease: taken.Lease, Taken: !taken.Full}, err
}

// flowRunHolder is the type of a flow run as the holder of a lease.
const flowRunHolder = "flow_run"

// holdsDeploymentSlot are the types of state in which a flow run has its slot.
var holdsDeploymentSlot = states(prefect.Pending, prefect.Running, prefect.Cancelling)

// The rules about a deployment's limit (reference/orchestration.md, section 6).
var (
	secureFlowSlots = rule{
		name: "SecureFlowConcurrencySlots",
		from: anyState &^ holdsDeploymentSlot, to: states(prefect.Pending),
		before: func(t *transition) {
			const full = "Deployment concurrency limit reached."
			switch s := &t.deploymentSlot; {
			case s.Gone:
				t.abort("Deployment not found.")
			case s.Zero:
				t.abort("The deployment concurrency limit is 0. The flow will deadlock if submitted again.")
			case s.Full && s.Cancels:
				t.reject(t.c.tellingState(t.run.id, prefect.Cancelled, full), full)
			case s.Full:
				wait := t.c.newState(t.run.id, prefect.Scheduled, "AwaitingConcurrencySlot")
				wait.Details.ScheduledTime = t.c.Now.Add(t.c.Settings.DeploymentSlotWait)
				t.reject(wait, full)
			case s.Taken:
				t.proposed.Details.DeploymentLeaseID = s.Lease
			}
		},
	}
	validateSlotAtRunning = rule{
		name: "ValidateDeploymentConcurrencyAtRunning",
		from: states(prefect.Pending), to: states(prefect.Running),
		before: func(t *transition) {
			switch s := &t.deploymentSlot; {
			case s.Full || s.Zero:
				t.reject(t.c.tellingState(t.run.id, prefect.Cancelled,
					"Deployment concurrency slot lost during provisioning - no slots available to continue execution"),
					"Deployment concurrency limit reached after lease expiry.")
			case s.Taken:
				t.proposed.Details.DeploymentLeaseID = s.Lease
			}
		},
	}
	// The reference drops the lease of a client that does not renew it, and still counts the
	// slot. Here that lease was made to last when the slot was renewed.
	dropLeaseOfOldClients = rule{
		name: "RemoveDeploymentConcurrencyLeaseForOldClientVersions",
		from: states(prefect.Pending), to: states(prefect.Running, prefect.Cancelling),
	}
	enforceSlotsOnLate = rule{
		name: "EnforceDeploymentConcurrencyOnLate",
		from: states(prefect.Scheduled), to: states(prefect.Scheduled),
		before: func(t *transition) {
			const full = "Deployment concurrency limit reached."
			if s := &t.deploymentSlot; t.proposed.Name == "Late" && s.Full && s.Cancels {
				t.reject(t.c.tellingState(t.run.id, prefect.Cancelled, full), full)
			}
		},
	}
	releaseFlowSlots = rule{
		name: "ReleaseFlowConcurrencySlots", always: true,
		after: func(t *transition) {
			if t.proposed == nil || t.initial == nil || t.keepsDeploymentSlot() {
				return
			}
			t.fail(t.c.releaseDeploymentSlot(t.initial))
		},
	}
)

// keepsDeploymentSlot reports whether a run that had a slot has it still: also while the
// same process waits to try again, where its client goes on renewing the lease.
func (t *transition) keepsDeploymentSlot() bool {
	return holdsDeploymentSlot.has(t.proposed.Type) ||
		t.proposed.Type == prefect.Scheduled && t.proposed.Name == "AwaitingRetry" && t.status == rejected
}

// releaseDeploymentSlot gives back the slot of a flow run in a state, if it has one.
func (c *Context) releaseDeploymentSlot(s *prefect.State) error {
	if s.Details.DeploymentLeaseID.IsNull() || s.Type.IsTerminal() {
		return nil
	}
	return c.Send(Coordination, &ReleaseLease{ID: s.Details.DeploymentLeaseID})
}

// ReadRunSlot reads what a flow run has of its deployment's limit.
type ReadRunSlot struct {
	RunID prefect.ID
}

// RunSlot is that: its type of state, and the lease that this names.
type RunSlot struct {
	State prefect.StateType
	Lease prefect.ID
}

// Read answers a RunSlot.
func (q *ReadRunSlot) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	run := flowRun(tx, q.RunID)
	if run == nil {
		return RunSlot{}, nil
	}
	s := RunSlot{State: run.StateType}
	if state := stateOf(tx, store.FlowRunStates, run.StateID); state != nil {
		s.Lease = state.Details.DeploymentLeaseID
	}
	return s, nil
}

// takeDeploymentSlot takes, or renews, the slot that a flow run needs for a state.
func takeDeploymentSlot(ctx context.Context, b Backend, op *SetFlowRunState) error {
	to, of := op.State.Type, op.Around.DeploymentID
	if of.IsNull() || op.Force || !holdsDeploymentSlot.has(to) || op.Client.limitsDeployments() {
		return nil
	}
	limit, err := Ask[*DeploymentSlot](ctx, b, Coordination, &ReadDeploymentSlot{DeploymentID: of})
	if err != nil || limit == nil {
		return err
	}
	has, err := Ask[RunSlot](ctx, b, b.Groups().Of(op.RunID), &ReadRunSlot{RunID: op.RunID})
	if err != nil {
		return err
	}
	take := &TakeDeploymentSlot{DeploymentID: of, RunID: op.RunID, Lease: has.Lease}
	switch {
	case to == prefect.Pending && !holdsDeploymentSlot.has(has.State):
	case to != prefect.Pending && has.State == prefect.Pending && !has.Lease.IsNull():
		take.Renew, take.Hold = true, !op.Client.renewsLeases()
		if to == prefect.Cancelling && !take.Hold {
			return nil
		}
	default:
		return nil
	}
	op.Slot, err = Do[DeploymentSlot](ctx, b, Coordination, take)
	return err
}

// settleDeploymentSlot gives a slot back that a run was not to have in the end, and returns
// when one that it gave back is free.
func settleDeploymentSlot(ctx context.Context, b Backend, op *SetFlowRunState, o *Orchestration) error {
	if s := &op.Slot; s.Taken && (o.State == nil || o.State.Details.DeploymentLeaseID != s.Lease || !holdsDeploymentSlot.has(o.State.Type)) {
		_, err := b.Do(ctx, Coordination, &ReleaseLease{ID: s.Lease})
		return err
	}
	if o.Created && !o.State.Details.DeploymentLeaseID.IsNull() && !holdsDeploymentSlot.has(o.State.Type) {
		return b.Settle(ctx, b.Groups().Of(op.RunID))
	}
	return nil
}

// renewsLeases reports whether a client renews the lease on its deployment's slot: since
// 3.4.11. One that does not name its version does not.
func (c ClientInfo) renewsLeases() bool {
	return c.PrefectVersion != "" && !packageBefore(c.PrefectVersion, 3, 4, 11)
}

// limitsDeployments reports whether a client sees to the limits of deployments by itself.
func (c ClientInfo) limitsDeployments() bool {
	switch c.PrefectVersion {
	case "3.0.0rc20", "3.0.0", "3.0.1", "3.0.2", "3.0.3":
		return true
	}
	return false
}

// packageBefore reports whether a version of the Prefect package, which may end in letters,
// is lower than another.
func packageBefore(version string, than ...int) bool {
	parts := strings.SplitN(version, ".", 4)
	if len(parts) < len(than) {
		return true
	}
	last := len(than) - 1
	digits := strings.IndexFunc(parts[last], func(r rune) bool { return r < '0' || r > '9' })
	if digits >= 0 {
		parts[last] = parts[last][:digits]
	}
	return versionBefore(strings.Join(parts[:len(than)], "."), than...)
}
