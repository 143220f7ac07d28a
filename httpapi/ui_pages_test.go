package httpapi

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/httpapi/webui"
)

// withoutFiles is a UI without the files of any.
func withoutFiles(t *testing.T) *webui.UI {
	folder := t.TempDir()
	for _, site := range []string{"ui", "ui-v2"} {
		require.NoError(t, os.Mkdir(filepath.Join(folder, site), 0o755))
	}
	pages, err := webui.Open(webui.Config{Folder: folder})
	require.NoError(t, err)
	return pages
}

func TestUISettings(t *testing.T) {
	s := serveRoutes(t, Config{AuthString: "admin:secret", UI: UI{Enabled: true, Pages: withoutFiles(t), Base: "/pre/", Default: "v2"}})
	got := s.do("GET", "/pre/ui-settings", "")
	require.Equal(t, 200, got.status)
	require.JSONEq(t, `{"api_url": "http://prefect.test/api", "csrf_enabled": false, "auth": "BASIC", "flags": [], "default_ui": "v2",
		"available_uis": [], "v1_base_url": null, "v2_base_url": null}`, got.body)
	require.Equal(t, 404, s.do("GET", "/ui-settings", "").status)

	s = serveRoutes(t, Config{UI: UI{APIURL: "https://elsewhere/api", Default: "v1"}})
	got = s.do("GET", "/ui-settings", "")
	require.Contains(t, got.body, `"api_url":"https://elsewhere/api"`)
	require.Contains(t, got.body, `"auth":null`)
	require.Equal(t, 404, s.do("GET", "/", "", "Accept: text/html").status, "the UI is off")
}

func TestAPageSaysThatThereIsNoUI(t *testing.T) {
	s := serveRoutes(t, Config{UI: UI{Enabled: true, Pages: withoutFiles(t), Base: "/"}})
	got := s.do("GET", "/", "", "Accept: text/html")
	require.Equal(t, 200, got.status)
	require.Contains(t, got.body, "--ui-dir")
	require.Equal(t, 404, s.do("GET", "/flows", "", "Accept: text/html").status)
	require.Equal(t, 200, s.do("GET", "/api/health", "").status)
}
