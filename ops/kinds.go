package ops

import (
	"reflect"

	"prefectd/prefect"
	"prefectd/store"
)

// kind is an operation or query that can be sent, to another node or, if it is an
// operation, by one group to another.
type kind struct {
	name    string
	request reflect.Type // a pointer
	answer  reflect.Type // nil if it answers nothing
}

// nothing is the answer of an operation that has none.
type nothing struct{}

// sent declares a request and what it answers. Its name is that of its type, and
// stays: it is in messages between nodes of two versions.
func sent[R, A any]() kind {
	k := kind{request: reflect.TypeFor[*R](), answer: reflect.TypeFor[A]()}
	k.name = k.request.Elem().Name()
	if k.answer == reflect.TypeFor[nothing]() {
		k.answer = nil
	}
	return k
}

// kinds lists every operation and query.
func kinds() []kind {
	return []kind{
		// The cluster.
		sent[ReadLayout, *Layout](),
		sent[FoundCluster, nothing](),
		sent[AdmitMember, *Layout](),
		sent[UpdateMember, nothing](),
		sent[DrainMember, nothing](),
		sent[RemoveMember, nothing](),
		sent[Place, nothing](),
		sent[RaiseLevel, nothing](),
		sent[ReplaceSecret, nothing](),
		// Messages between groups.
		sent[Deliver, []error](),
		sent[Delivered, nothing](),
		sent[Waiting, []store.Message](),
		// Flows.
		sent[CreateFlow, Upserted[prefect.Flow]](),
		sent[UpdateFlow, nothing](),
		sent[DeleteFlow, nothing](),
		sent[ReadFlow, *prefect.Flow](),
		sent[ReadFlowByName, *prefect.Flow](),
		sent[ReadFlowRef, *FlowRef](),
		sent[FindFlows, FoundFlows](),
		sent[FlowIDs, []prefect.ID](),
		sent[FlowIDsOfRuns, []prefect.ID](),
		sent[NextRunsOf, map[prefect.ID]*NextRun](),
		// Artifacts.
		sent[CreateArtifact, *prefect.Artifact](),
		sent[UpdateArtifact, nothing](),
		sent[DeleteArtifact, nothing](),
		sent[ReadArtifact, *prefect.Artifact](),
		sent[ReadLatestArtifact, *prefect.Artifact](),
		sent[ReadArtifacts, []*prefect.Artifact](),
		sent[ReadCollections, []*prefect.ArtifactCollection](),
		sent[GraphArtifactsOf, []*GraphArtifact](),
		sent[FindArtifacts, FoundRows[prefect.Artifact]](),
		sent[FindCollections, FoundRows[prefect.ArtifactCollection]](),
		sent[FlowRunIDs, []prefect.ID](),
		sent[TaskRunIDs, []prefect.ID](),
		// Saved searches.
		sent[SaveSearch, Upserted[prefect.SavedSearch]](),
		sent[DeleteSearch, nothing](),
		sent[ReadSearch, *prefect.SavedSearch](),
		sent[FindSearches, []*prefect.SavedSearch](),
		// Variables.
		sent[CreateVariable, *prefect.Variable](),
		sent[UpdateVariable, nothing](),
		sent[DeleteVariable, nothing](),
		sent[ReadVariable, *prefect.Variable](),
		sent[FindVariables, []*prefect.Variable](),
		sent[CountVariables, int](),
		// Flow runs.
		sent[CreateFlowRun, Upserted[prefect.FlowRun]](),
		sent[UpdateFlowRun, nothing](),
		sent[LabelFlowRun, nothing](),
		sent[DeleteFlowRun, bool](),
		sent[SweepFlowRun, nothing](),
		sent[DeleteFlowRunsOf, nothing](),
		sent[SetFlowRunState, *Orchestration](),
		sent[ResumeFlowRun, *Orchestration](),
		sent[ReadFlowRun, *prefect.FlowRun](),
		sent[ReadFlowRuns, []*prefect.FlowRun](),
		sent[readFlowRuns, []*prefect.FlowRun](),
		sent[FindFlowRuns, FoundRows[prefect.FlowRun]](),
		sent[CountFlowRunsIn, int](),
		sent[FlowRunHistoryIn, prefect.History](),
		sent[LatenessIn, Lateness](),
		sent[OutcomesIn, []Outcomes](),
		sent[ReadFlowRunLinks, *FlowRunLinks](),
		sent[NameOfFlowRun, *string](),
		sent[readGraphRows, *graphRows](),
		sent[ReadDependencies, []Dependency](),
		sent[CreateInput, nothing](),
		sent[DeleteInput, nothing](),
		sent[ReadInput, *prefect.FlowRunInput](),
		sent[FilterInputs, []*prefect.FlowRunInput](),
		sent[EndWait, bool](),
		sent[FindDue, FoundDue](),
		sent[FindCancelled, []store.CancelledRun](),
		sent[FindBelowCancelled, BelowCancelled](),
		sent[CancelTaskRuns, int](),
		sent[CancelSubflow, bool](),
		sent[ForgetCancelled, nothing](),
		sent[FindOldFlowRuns, FoundOldFlowRuns](),
		sent[DeleteOldFlowRuns, DeletedFlowRuns](),
		// Task runs.
		sent[CreateTaskRun, Upserted[prefect.TaskRun]](),
		sent[UpdateTaskRun, nothing](),
		sent[DeleteTaskRun, nothing](),
		sent[DetachFlowRun, nothing](),
		sent[SetTaskRunState, *Orchestration](),
		sent[MirrorSubflowState, nothing](),
		sent[InsertCachedState, nothing](),
		sent[ReadCachedState, *store.CachedState](),
		sent[ReadTaskRun, *prefect.TaskRun](),
		sent[ReadTaskRuns, []*prefect.TaskRun](),
		sent[FindTaskRuns, FoundRows[prefect.TaskRun]](),
		sent[CountTaskRunsIn, int](),
		sent[TaskRunIDsOf, []prefect.ID](),
		sent[TaskRunHistoryIn, prefect.History](),
		sent[CountTasksOf, map[prefect.ID]int](),
		sent[CountTaskStatesIn, CountByState](),
		sent[TaskWaits, bool](),
		sent[ClaimTask, *prefect.TaskRun](),
		sent[SettleClaim, nothing](),
		// States, logs, events.
		sent[ReadState, *prefect.State](),
		sent[StatesOf, []*prefect.State](),
		sent[AppendLogs, nothing](),
		sent[FindLogs, FoundLogs](),
		sent[ReadLogs, []*prefect.Log](),
		sent[FindOrphans, []prefect.ID](),
		sent[DeleteOrphanLogs, bool](),
		sent[FindOldLogs, FoundOldLogs](),
		sent[DeleteLogs, nothing](),
		sent[AppendEvents, Appended](),
		sent[FindOldEvents, FoundOldEvents](),
		sent[DeleteEvents, int](),
		sent[FindEvents, FoundEvents](),
		sent[ReadEvents, []*prefect.Event](),
		sent[CountEvents, []prefect.EventCount](),
		sent[ReadStream, []*prefect.Event](),
		// Deployments.
		sent[CreateDeployment, Upserted[prefect.Deployment]](),
		sent[UpdateDeployment, nothing](),
		sent[PauseDeployment, nothing](),
		sent[DeleteDeployment, nothing](),
		sent[CreateSchedules, []*prefect.DeploymentSchedule](),
		sent[UpdateSchedule, nothing](),
		sent[DeleteSchedule, nothing](),
		sent[ReadSchedules, []*prefect.DeploymentSchedule](),
		sent[ReadDeployment, *prefect.Deployment](),
		sent[ReadDeploymentByName, *prefect.Deployment](),
		sent[ReadDeploymentRef, *DeploymentRef](),
		sent[ReadRunPlan, *RunPlan](),
		sent[FindDeployments, FoundDeployments](),
		sent[DeploymentIDs, []prefect.ID](),
		sent[DeploymentIDsOfRuns, []prefect.ID](),
		sent[CountDeploymentsOf, map[prefect.ID]int](),
		sent[CheckQueues, []*prefect.WorkQueue](),
		sent[FindDueSchedules, []DueSchedule](),
		sent[ScheduleRuns, int](),
		sent[InsertScheduledRuns, nothing](),
		sent[RemoveScheduledRuns, nothing](),
		// Work pools, work queues, workers.
		sent[CreateWorkPool, *prefect.WorkPool](),
		sent[UpdateWorkPool, nothing](),
		sent[DeleteWorkPool, nothing](),
		sent[FindWorkPools, FoundPools](),
		sent[CountWorkPools, int](),
		sent[CreateWorkQueue, *prefect.WorkQueue](),
		sent[UpdateWorkQueue, nothing](),
		sent[DeleteWorkQueue, nothing](),
		sent[FindWorkQueues, []*prefect.WorkQueue](),
		sent[ReadWorkQueue, *prefect.WorkQueue](),
		sent[ReadWorkQueueByName, *prefect.WorkQueue](),
		sent[CountSlots, []Slots](),
		sent[FindHolders, [][]prefect.ID](),
		sent[ReadPoolQueues, *PoolQueues](),
		sent[FindScheduled, []DueRuns](),
		sent[MarkPolled, nothing](),
		sent[ReadQueueRefs, map[prefect.ID]*QueueRef](),
		sent[FindQueueRef, *QueueRef](),
		sent[EnsureQueue, *QueueRef](),
		sent[QueueIDs, []prefect.ID](),
		sent[RecordHeartbeat, nothing](),
		sent[DeleteWorker, nothing](),
		sent[FindWorkers, []*prefect.Worker](),
		sent[FindSilence, Silence](),
		sent[NoteSilence, int](),
		sent[WelcomeWorker, *Welcome](),
		sent[EnqueueCleanup, nothing](),
		sent[CleanupWaits, bool](),
		sent[ReserveCleanup, *prefect.Cleanup](),
		sent[SettleCleanup, Settled](),
		sent[CleanupsEnd, bool](),
		sent[EndCleanups, int](),
		// Leases.
		sent[CreateLimit, *prefect.ConcurrencyLimit](),
		sent[UpdateLimit, nothing](),
		sent[DeleteLimit, nothing](),
		sent[ReadLimit, *prefect.ConcurrencyLimitResponse](),
		sent[FindLimits, []*prefect.ConcurrencyLimitResponse](),
		sent[TakeSlots, SlotsTaken](),
		sent[GiveSlots, []prefect.MinimalConcurrencyLimit](),
		sent[SetTagLimit, Upserted[prefect.TagLimit]](),
		sent[ReadTagLimit, *prefect.TagLimit](),
		sent[FindTagLimits, []*prefect.TagLimit](),
		sent[DeleteTagLimit, nothing](),
		sent[ResetTagLimit, nothing](),
		sent[TakeTagSlots, []prefect.MinimalConcurrencyLimit](),
		sent[GiveTagSlots, []prefect.MinimalConcurrencyLimit](),
		sent[ExpireLeases, int](),
		sent[TakeRunSlots, RunSlots](),
		sent[EndRunSlots, nothing](),
		sent[KeepRunSlots, nothing](),
		sent[ReadDeploymentSlot, *DeploymentSlot](),
		sent[TakeDeploymentSlot, DeploymentSlot](),
		sent[ReadRunSlot, RunSlot](),
		sent[LeasesExpired, bool](),
		sent[RenewLease, nothing](),
		sent[ReleaseLease, nothing](),
	}
}
