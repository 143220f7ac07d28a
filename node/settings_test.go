package node

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

func TestReadEnvironment(t *testing.T) {
	s := DefaultSettings()
	ignored, err := s.ReadEnvironment([]string{
		"PREFECT_SERVER_API_PORT=4300",
		"PREFECT_API_DEFAULT_LIMIT=50", // an alias
		"PREFECT_SERVER_CORS_ALLOWED_ORIGINS=http://a,http://b",
		"PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS=http://c", // counts more than its alias
		"PREFECT_SERVER_API_AUTH_STRING=admin:pa=ss",
		"PREFECT_SERVER_LOGS_STREAM_OUT_ENABLED=on",
		"PREFECT_SERVER_EVENTS_MAXIMUM_WEBSOCKET_BACKFILL=PT1H30M",
		"PREFECT_SERVER_TASKS_TAG_CONCURRENCY_SLOT_WAIT_SECONDS=2.5",
		"PREFECT_SERVER_API_KEEPALIVE_TIMEOUT=",              // empty is not set
		"PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE=0", // no effect yet
		"PREFECT_API_DATABASE_CONNECTION_URL=postgresql://x",
		"PREFECT_API_URL=http://x", // of clients
		"PATH=/bin",
	})
	require.NoError(t, err)
	require.Equal(t, []string{"PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE"}, ignored)
	require.Equal(t, 4300, s.Port)
	require.Equal(t, 50, s.DefaultLimit)
	require.Equal(t, "http://c", s.CORSOrigins)
	require.EqualValues(t, "admin:pa=ss", s.AuthString)
	require.True(t, s.LogsStreamOut)
	require.Equal(t, 90*prefect.Minute, s.Ops.EventMaxBackfill)
	require.Equal(t, prefect.SecondsOf(2.5), s.Ops.TagSlotWait)
	require.Equal(t, 5, s.KeepAlive)
}

func TestSettingsThatCannotWork(t *testing.T) {
	for variable, message := range map[string]string{
		"PREFECT_SERVER_API_PORT=x":                                           `PREFECT_SERVER_API_PORT: "x" is no whole number`,
		"PREFECT_SERVER_API_PORT=70000":                                       "70000 is no port",
		"PREFECT_SERVER_API_BASE_PATH=api":                                    "must begin with a slash",
		"PREFECT_SERVER_API_WEBSOCKET_PING_INTERVAL=0":                        "must be more than 0",
		"PREFECT_SERVER_LOGGING_LEVEL=LOUD":                                   `log level "LOUD"`,
		"PREFECT_SERVER_EVENTS_STREAM_OUT_ENABLED=maybe":                      "neither true nor false",
		"PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS=0":                    "must be more than 0",
		"PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED=logs":                      `"logs" is none of events, flow_runs, orphans`,
		"PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD=3600":             "must be more than an hour",
		`PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES={"a":0}`: "a: 0 must be more than 0",
		"PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES=7":       "no object",
		"PREFECT_EVENTS_MAXIMUM_WEBSOCKET_BACKFILL=forever":                   "PREFECT_EVENTS_MAXIMUM_WEBSOCKET_BACKFILL: \"forever\" is no duration",
	} {
		_, err := DefaultSettings().ReadEnvironment([]string{variable})
		require.ErrorContains(t, err, message)
	}
}

func TestVacuumSettings(t *testing.T) {
	for value, want := range map[string][]string{
		"true": {"events", "flow_runs", "orphans"}, "False": {"events"}, "events, orphans": {"events", "orphans"},
		`["flow_runs"]`: {"flow_runs"}, "[]": {}, "null": {},
	} {
		s := DefaultSettings()
		_, err := s.ReadEnvironment([]string{"PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED=" + value})
		require.NoError(t, err)
		require.Equal(t, want, s.Ops.Vacuum.Of, value)
	}
	s := DefaultSettings()
	_, err := s.ReadEnvironment([]string{
		`PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES={"a":"P1D","b":3600}`, "PREFECT_EVENTS_RETENTION_PERIOD=P2D",
	})
	require.NoError(t, err)
	require.Equal(t, map[string]prefect.Duration{"a": prefect.Day, "b": prefect.Hour}, s.Ops.Vacuum.EventsNamed)
	require.Equal(t, 2*prefect.Day, s.Ops.Vacuum.Events)
	raw, err := s.Document()
	require.NoError(t, err)
	require.Contains(t, string(raw), `"event_retention_overrides":{"a":"P1D","b":"PT1H"}`)
}

func TestLevel(t *testing.T) {
	s := DefaultSettings()
	for name, level := range map[string]slog.Level{"debug": slog.LevelDebug, "INFO": slog.LevelInfo, "WARNING": slog.LevelWarn, "CRITICAL": slog.LevelError} {
		s.LogLevel = name
		got, err := s.Level()
		require.NoError(t, err)
		require.Equal(t, level, got)
	}
}

func TestDocument(t *testing.T) {
	s := DefaultSettings()
	s.AuthString, s.Port = "admin:secret", 4300
	raw, err := s.Document()
	require.NoError(t, err)
	require.NotContains(t, string(raw), "secret")
	var document struct {
		Server struct {
			API struct {
				AuthString   string  `json:"auth_string"`
				BasePath     *string `json:"base_path"`
				Port         int     `json:"port"`
				DefaultLimit int     `json:"default_limit"`
			} `json:"api"`
			Events struct {
				Backfill string `json:"maximum_websocket_backfill"`
			} `json:"events"`
			Deployments struct {
				Wait prefect.JSON `json:"concurrency_slot_wait_seconds"`
			} `json:"deployments"`
			Services struct {
				LateRuns struct {
					After string `json:"after_seconds"`
				} `json:"late_runs"`
			} `json:"services"`
		} `json:"server"`
		Client struct {
			MaxRetries int `json:"max_retries"`
		} `json:"client"`
	}
	require.NoError(t, prefect.Unmarshal(raw, &document))
	require.Equal(t, "**********", document.Server.API.AuthString)
	require.Nil(t, document.Server.API.BasePath)
	require.Equal(t, 4300, document.Server.API.Port)
	require.Equal(t, 200, document.Server.API.DefaultLimit)
	require.Equal(t, "PT15M", document.Server.Events.Backfill)
	require.Equal(t, "30.0", string(document.Server.Deployments.Wait))
	require.Equal(t, "PT15S", document.Server.Services.LateRuns.After)
	require.Equal(t, 5, document.Client.MaxRetries)
}

// The defaults that are built in and those of the document are the same.
func TestDefaultsAreThoseOfTheReference(t *testing.T) {
	root, err := grow(defaultDocument)
	require.NoError(t, err)
	for _, row := range DefaultSettings().rows() {
		b := root.(branch)
		names := strings.Split(row.path, ".")
		for _, name := range names[:len(names)-1] {
			b = b[name].(branch)
		}
		value, err := row.json()
		require.NoError(t, err)
		want, err := prefect.Marshal(b[names[len(names)-1]])
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(value), row.path)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]prefect.Duration{
		"90": 90 * prefect.Second, "0.5": prefect.Second / 2, "00:01:30": 90 * prefect.Second, "02:00": 2 * prefect.Hour,
		"PT2H": 2 * prefect.Hour, "P7D": 7 * prefect.Day, "P1W": 7 * prefect.Day, "P1DT1H1M1.5S": 25*prefect.Hour + prefect.Minute + prefect.SecondsOf(1.5),
	} {
		got, err := parseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "P", "PT", "P1DT", "-5", "1e99", "NaN", "tomorrow", "PT1..5S"} {
		_, err := parseDuration(text)
		require.Error(t, err, text)
	}
	for want, d := range map[string]prefect.Duration{
		"PT0S": 0, "PT15S": 15 * prefect.Second, "PT1H": prefect.Hour, "P100D": 100 * prefect.Day,
		"P1DT1H1M1.5S": 25*prefect.Hour + prefect.Minute + prefect.SecondsOf(1.5),
	} {
		require.Equal(t, want, formatDuration(d))
	}
}

func TestSettingsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	for _, row := range DefaultSettings().rows() {
		require.Contains(t, string(page), "| `"+row.env()+"` |")
	}
}
