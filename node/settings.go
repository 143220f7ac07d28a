package node

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"prefectd/ops"
	"prefectd/prefect"
)

// Settings are those settings of the Python server that prefectd obeys. Each has
// the name that it has there, also as an environment variable.
type Settings struct {
	LogLevel string
	Metrics  bool // whether the API has them too

	AuthString   secret
	Host         string
	Port         int
	BasePath     string
	DefaultLimit int
	KeepAlive    int // seconds
	CORSOrigins  string
	CORSMethods  string
	CORSHeaders  string
	PingInterval float64 // seconds
	PingTimeout  float64 // seconds

	CSRFEnabled bool
	CSRFLasts   prefect.Duration

	UIEnabled   bool
	UIV2        bool
	UIAPIURL    string
	UIServeBase string

	EventsStreamOut bool
	LogsStreamOut   bool
	LogsPublish     bool

	Ops ops.Settings
}

// secret is a text that is not shown.
type secret string

// DefaultSettings are the defaults of the Python server.
func DefaultSettings() *Settings {
	return &Settings{
		LogLevel: "WARNING",
		Host:     "127.0.0.1", Port: 4200,
		DefaultLimit: 200, KeepAlive: 5,
		CORSOrigins: "*", CORSMethods: "*", CORSHeaders: "*",
		PingInterval: 20, PingTimeout: 20,
		CSRFLasts: prefect.Hour,
		UIEnabled: true, UIV2: true, UIServeBase: "/",
		EventsStreamOut: true,
		Ops:             *ops.DefaultSettings(),
	}
}

// setting is one row: where a setting stands in the document of GET
// /admin/settings, which names its environment variable too, and where its value is.
type setting struct {
	path    string
	value   any      // a pointer
	aliases []string // older environment variables
}

// env is the name of the setting's environment variable.
func (s setting) env() string {
	return "PREFECT_" + strings.ToUpper(strings.ReplaceAll(s.path, ".", "_"))
}

func (s *Settings) rows() []setting {
	return []setting{
		{"server.logging_level", &s.LogLevel, []string{"PREFECT_LOGGING_SERVER_LEVEL"}},
		{"server.metrics_enabled", &s.Metrics, []string{"PREFECT_API_ENABLE_METRICS"}},
		{"server.api.auth_string", &s.AuthString, nil},
		{"server.api.host", &s.Host, nil},
		{"server.api.port", &s.Port, nil},
		{"server.api.base_path", &s.BasePath, nil},
		{"server.api.default_limit", &s.DefaultLimit, []string{"PREFECT_API_DEFAULT_LIMIT"}},
		{"server.api.keepalive_timeout", &s.KeepAlive, nil},
		{"server.api.cors_allowed_origins", &s.CORSOrigins, []string{"PREFECT_SERVER_CORS_ALLOWED_ORIGINS"}},
		{"server.api.cors_allowed_methods", &s.CORSMethods, []string{"PREFECT_SERVER_CORS_ALLOWED_METHODS"}},
		{"server.api.cors_allowed_headers", &s.CORSHeaders, []string{"PREFECT_SERVER_CORS_ALLOWED_HEADERS"}},
		{"server.api.websocket_ping_interval", &s.PingInterval, nil},
		{"server.api.websocket_ping_timeout", &s.PingTimeout, nil},
		{"server.api.csrf_protection_enabled", &s.CSRFEnabled, []string{"PREFECT_SERVER_CSRF_PROTECTION_ENABLED"}},
		{"server.api.csrf_token_expiration", &s.CSRFLasts, []string{"PREFECT_SERVER_CSRF_TOKEN_EXPIRATION"}},
		{"server.ui.enabled", &s.UIEnabled, []string{"PREFECT_UI_ENABLED"}},
		{"server.ui.v2_enabled", &s.UIV2, nil},
		{"server.ui.api_url", &s.UIAPIURL, []string{"PREFECT_UI_API_URL"}},
		{"server.ui.serve_base", &s.UIServeBase, []string{"PREFECT_UI_SERVE_BASE"}},
		{"server.events.stream_out_enabled", &s.EventsStreamOut, []string{"PREFECT_API_EVENTS_STREAM_OUT_ENABLED"}},
		{"server.events.maximum_size_bytes", &s.Ops.EventMaxBytes, []string{"PREFECT_EVENTS_MAXIMUM_SIZE_BYTES"}},
		{"server.events.retention_period", &s.Ops.Vacuum.Events, []string{"PREFECT_EVENTS_RETENTION_PERIOD"}},
		{"server.events.maximum_websocket_backfill", &s.Ops.EventMaxBackfill, []string{"PREFECT_EVENTS_MAXIMUM_WEBSOCKET_BACKFILL"}},
		{"server.logs.stream_out_enabled", &s.LogsStreamOut, nil},
		{"server.logs.stream_publishing_enabled", &s.LogsPublish, nil},
		{"server.concurrency.initial_deployment_lease_duration", (*seconds)(&s.Ops.DeploymentLease), nil},
		{"server.deployments.concurrency_slot_wait_seconds", (*seconds)(&s.Ops.DeploymentSlotWait), []string{"PREFECT_DEPLOYMENT_CONCURRENCY_SLOT_WAIT_SECONDS"}},
		{"server.concurrency.maximum_concurrency_slot_wait_seconds", (*seconds)(&s.Ops.GlobalSlotWait), nil},
		{"server.services.repossessor.enabled", &s.Ops.Repossessor.Enabled, nil},
		{"server.services.repossessor.loop_seconds", (*seconds)(&s.Ops.Repossessor.Every), nil},
		{"server.services.triggers.enabled", &s.Ops.Triggers.Enabled, []string{"PREFECT_API_SERVICES_TRIGGERS_ENABLED"}},
		{"server.events.proactive_granularity", &s.Ops.Triggers.Granularity, []string{"PREFECT_EVENTS_PROACTIVE_GRANULARITY"}},
		{"server.events.expired_bucket_buffer", &s.Ops.Triggers.BucketBuffer, []string{"PREFECT_EVENTS_EXPIRED_BUCKET_BUFFER"}},
		{"server.tasks.tag_concurrency_slot_wait_seconds", (*seconds)(&s.Ops.TagSlotWait), []string{"PREFECT_TASK_RUN_TAG_CONCURRENCY_SLOT_WAIT_SECONDS"}},
		{"server.tasks.max_cache_key_length", &s.Ops.MaxCacheKeyLength, []string{"PREFECT_API_TASK_CACHE_KEY_MAX_LENGTH"}},
		{"server.flow_run_graph.max_nodes", &s.Ops.GraphMaxNodes, []string{"PREFECT_API_MAX_FLOW_RUN_GRAPH_NODES"}},
		{"server.flow_run_graph.max_artifacts", &s.Ops.GraphMaxArtifacts, []string{"PREFECT_API_MAX_FLOW_RUN_GRAPH_ARTIFACTS"}},
		{"server.services.foreman.enabled", &s.Ops.Foreman, []string{"PREFECT_API_SERVICES_FOREMAN_ENABLED"}},
		{"server.services.foreman.loop_seconds", (*seconds)(&s.Ops.ForemanLoop), []string{"PREFECT_API_SERVICES_FOREMAN_LOOP_SECONDS"}},
		{"server.services.foreman.inactivity_heartbeat_multiple", &s.Ops.MissedHeartbeats, []string{"PREFECT_API_SERVICES_FOREMAN_INACTIVITY_HEARTBEAT_MULTIPLE"}},
		{"server.services.foreman.fallback_heartbeat_interval_seconds", &s.Ops.UsualHeartbeat, []string{"PREFECT_API_SERVICES_FOREMAN_FALLBACK_HEARTBEAT_INTERVAL_SECONDS"}},
		{"server.services.foreman.deployment_last_polled_timeout_seconds", &s.Ops.DeploymentPollTimeout, []string{"PREFECT_API_SERVICES_FOREMAN_DEPLOYMENT_LAST_POLLED_TIMEOUT_SECONDS"}},
		{"server.services.foreman.work_queue_last_polled_timeout_seconds", &s.Ops.QueuePollTimeout, []string{"PREFECT_API_SERVICES_FOREMAN_WORK_QUEUE_LAST_POLLED_TIMEOUT_SECONDS"}},
		{"server.services.scheduler.enabled", &s.Ops.Scheduler.Enabled, []string{"PREFECT_API_SERVICES_SCHEDULER_ENABLED"}},
		{"server.services.scheduler.loop_seconds", (*seconds)(&s.Ops.Scheduler.Every), []string{"PREFECT_API_SERVICES_SCHEDULER_LOOP_SECONDS"}},
		{"server.services.scheduler.deployment_batch_size", &s.Ops.Scheduler.DeploymentBatch, []string{"PREFECT_API_SERVICES_SCHEDULER_DEPLOYMENT_BATCH_SIZE"}},
		{"server.services.scheduler.insert_batch_size", &s.Ops.Scheduler.InsertBatch, []string{"PREFECT_API_SERVICES_SCHEDULER_INSERT_BATCH_SIZE"}},
		{"server.services.scheduler.min_runs", &s.Ops.Scheduler.MinRuns, []string{"PREFECT_API_SERVICES_SCHEDULER_MIN_RUNS"}},
		{"server.services.scheduler.max_runs", &s.Ops.Scheduler.MaxRuns, []string{"PREFECT_API_SERVICES_SCHEDULER_MAX_RUNS"}},
		{"server.services.scheduler.min_scheduled_time", &s.Ops.Scheduler.MinTime, []string{"PREFECT_API_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME"}},
		{"server.services.scheduler.max_scheduled_time", &s.Ops.Scheduler.MaxTime, []string{"PREFECT_API_SERVICES_SCHEDULER_MAX_SCHEDULED_TIME"}},
		{"server.services.scheduler.recent_deployments_loop_seconds", (*seconds)(&s.Ops.Scheduler.Recent), nil},
		{"server.services.late_runs.enabled", &s.Ops.LateRuns.Enabled, []string{"PREFECT_API_SERVICES_LATE_RUNS_ENABLED"}},
		{"server.services.late_runs.loop_seconds", (*seconds)(&s.Ops.LateRuns.Every), []string{"PREFECT_API_SERVICES_LATE_RUNS_LOOP_SECONDS"}},
		{"server.services.late_runs.after_seconds", &s.Ops.LateRuns.After, []string{"PREFECT_API_SERVICES_LATE_RUNS_AFTER_SECONDS"}},
		{"server.services.pause_expirations.enabled", &s.Ops.PauseExpirations.Enabled, []string{"PREFECT_API_SERVICES_PAUSE_EXPIRATIONS_ENABLED"}},
		{"server.services.pause_expirations.loop_seconds", (*seconds)(&s.Ops.PauseExpirations.Every), []string{"PREFECT_API_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS"}},
		{"server.services.cancellation_cleanup.enabled", &s.Ops.CancellationCleanup.Enabled, []string{"PREFECT_API_SERVICES_CANCELLATION_CLEANUP_ENABLED"}},
		{"server.services.cancellation_cleanup.loop_seconds", (*seconds)(&s.Ops.CancellationCleanup.Every), []string{"PREFECT_API_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS"}},
		{"server.services.cancellation_cleanup.cancelling_timeout_seconds", (*seconds)(&s.Ops.CancellationCleanup.Timeout), nil},
		{"server.services.db_vacuum.enabled", (*vacuumTypes)(&s.Ops.Vacuum.Of), nil},
		{"server.services.db_vacuum.loop_seconds", (*seconds)(&s.Ops.Vacuum.Every), nil},
		{"server.services.db_vacuum.orphan_cleanup_loop_seconds", (*seconds)(&s.Ops.Vacuum.OrphansEvery), nil},
		{"server.services.db_vacuum.retention_period", &s.Ops.Vacuum.FlowRuns, nil},
		{"server.services.db_vacuum.batch_size", &s.Ops.Vacuum.Batch, nil},
		{"server.services.db_vacuum.event_retention_overrides", (*retentions)(&s.Ops.Vacuum.EventsNamed), nil},
		{"server.services.cleanup_reconciler.enabled", &s.Ops.CleanupReconciler, nil},
		{"server.services.cleanup_reconciler.loop_seconds", (*seconds)(&s.Ops.CleanupReconcilerLoop), nil},
		{"server.services.cleanup_reconciler.batch_size", &s.Ops.CleanupReconcilerBatch, nil},
		{"server.worker_channel.cleanup_lease_seconds", (*seconds)(&s.Ops.CleanupLease), nil},
		{"server.worker_channel.cleanup_max_delivery_attempts", &s.Ops.CleanupDeliveries, nil},
		{"server.services.task_run_recorder.enabled", &s.Ops.RecordTaskRunEvents, []string{"PREFECT_API_SERVICES_TASK_RUN_RECORDER_ENABLED"}},
	}
}

// seconds is a duration that is written as a number.
type seconds prefect.Duration

// encryptionKey is a variable of the Python server that is none of its settings, and that
// no document of them shows.
const encryptionKey = "PREFECT_SERVER_ENCRYPTION_KEY"

// ReadEnvironment takes settings from environment variables, given as NAME=value.
// It answers the names of those that belong to the Python server but have no
// effect here.
func (s *Settings) ReadEnvironment(environ []string) (ignored []string, err error) {
	env := map[string]string{}
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); value != "" {
			env[name] = value
		}
	}
	for _, row := range s.rows() {
		names := append([]string{row.env()}, row.aliases...)
		for _, name := range slices.Backward(names) { // the first counts
			if value, ok := env[name]; ok {
				if err := row.set(value); err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
			}
			delete(env, name)
		}
	}
	s.Ops.EncryptionKey = env[encryptionKey]
	delete(env, encryptionKey)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if isServerSetting(name) {
			ignored = append(ignored, name)
		}
	}
	return ignored, s.check()
}

// isServerSetting recognises the settings of the Python server by how their names
// begin.
func isServerSetting(name string) bool {
	return slices.ContainsFunc([]string{
		"PREFECT_SERVER_", "PREFECT_API_SERVICES_", "PREFECT_API_DATABASE_", "PREFECT_SQLALCHEMY_",
		"PREFECT_UI_", "PREFECT_EVENTS_", "PREFECT_MESSAGING_", "PREFECT_REDIS_", "PREFECT_TASK_SCHEDULING_",
	}, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// set reads a value.
func (s setting) set(text string) (err error) {
	switch v := s.value.(type) {
	case *string:
		*v = text
	case *secret:
		*v = secret(text)
	case *int:
		if *v, err = strconv.Atoi(text); err != nil {
			return fmt.Errorf("%q is no whole number", text)
		}
	case *float64:
		if *v, err = strconv.ParseFloat(text, 64); err != nil {
			return fmt.Errorf("%q is no number", text)
		}
	case *bool:
		*v, err = parseBool(text)
	case *prefect.Duration:
		*v, err = parseDuration(text)
	case *seconds:
		var d prefect.Duration
		d, err = parseDuration(text)
		*v = seconds(d)
	case encoding.TextUnmarshaler:
		err = v.UnmarshalText([]byte(text))
	default:
		panic(fmt.Sprintf("setting %s is a %T", s.path, v))
	}
	return err
}

// parseBool reads what Python takes for a truth value.
func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on", "t", "y":
		return true, nil
	case "false", "0", "no", "off", "f", "n":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", text)
}

// json is the value as the settings document shows it.
func (s setting) json() (prefect.JSON, error) {
	var shown any
	switch v := s.value.(type) {
	case *string:
		if *v != "" {
			shown = *v
		}
	case *secret:
		if *v != "" {
			shown = "**********"
		}
	case *prefect.Duration:
		shown = formatDuration(*v)
	case *seconds:
		shown = prefect.Duration(*v)
	default:
		shown = v
	}
	return prefect.Marshal(shown)
}

// check refuses values that cannot work.
func (s *Settings) check() error {
	positive := func(name string, value float64) error {
		if value <= 0 {
			return fmt.Errorf("%s: %v must be more than 0", name, value)
		}
		return nil
	}
	switch {
	case s.Port < 0 || s.Port > 65535:
		return fmt.Errorf("PREFECT_SERVER_API_PORT: %d is no port", s.Port)
	case s.BasePath != "" && (!strings.HasPrefix(s.BasePath, "/") || strings.HasSuffix(s.BasePath, "/")):
		return fmt.Errorf("PREFECT_SERVER_API_BASE_PATH: %q must begin with a slash and not end with one", s.BasePath)
	case s.Ops.Vacuum.FlowRuns <= prefect.Hour:
		return errors.New("PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD: must be more than an hour")
	}
	if _, err := s.Level(); err != nil {
		return err
	}
	for name, value := range map[string]float64{
		"PREFECT_SERVER_API_DEFAULT_LIMIT":           float64(s.DefaultLimit),
		"PREFECT_SERVER_API_KEEPALIVE_TIMEOUT":       float64(s.KeepAlive),
		"PREFECT_SERVER_API_WEBSOCKET_PING_INTERVAL": s.PingInterval,
		"PREFECT_SERVER_API_WEBSOCKET_PING_TIMEOUT":  s.PingTimeout,

		"PREFECT_SERVER_EVENTS_RETENTION_PERIOD":                                  s.Ops.Vacuum.Events.Seconds(),
		"PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS":                          s.Ops.Vacuum.Every.Seconds(),
		"PREFECT_SERVER_SERVICES_DB_VACUUM_ORPHAN_CLEANUP_LOOP_SECONDS":           s.Ops.Vacuum.OrphansEvery.Seconds(),
		"PREFECT_SERVER_SERVICES_DB_VACUUM_BATCH_SIZE":                            float64(s.Ops.Vacuum.Batch),
		"PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS":                          s.Ops.LateRuns.Every.Seconds(),
		"PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS":                  s.Ops.PauseExpirations.Every.Seconds(),
		"PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS":               s.Ops.CancellationCleanup.Every.Seconds(),
		"PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS": s.Ops.CancellationCleanup.Timeout.Seconds(),
	} {
		if err := positive(name, value); err != nil {
			return err
		}
	}
	return nil
}

// Level is the log level in Go's terms.
func (s *Settings) Level() (slog.Level, error) {
	switch strings.ToUpper(s.LogLevel) {
	case "DEBUG", "NOTSET", "TRACE":
		return slog.LevelDebug, nil
	case "INFO":
		return slog.LevelInfo, nil
	case "WARNING", "WARN":
		return slog.LevelWarn, nil
	case "ERROR", "CRITICAL", "FATAL":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log level %q is none of DEBUG, INFO, WARNING, ERROR, CRITICAL", s.LogLevel)
}

// Seconds is a duration of so many seconds.
func Seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
