package ops

import (
	"strconv"
	"strings"
)

// ClientInfo is what a client says of itself; some rules spare old ones what they
// do not know. What it does not say is empty.
type ClientInfo struct {
	APIVersion     string // of the API that it was made for: x.y.z
	PrefectVersion string // of its Prefect package
}

// knowsPauses reports whether a client knows paused flow runs; one that does not
// name its version does.
func (c ClientInfo) knowsPauses() bool { return !versionBefore(c.APIVersion, 0, 8, 4) }

// resetsTasks reports whether a client expects that the failed task runs of a flow
// run that is retried are reset.
func (c ClientInfo) resetsTasks() bool { return versionBefore(c.APIVersion, 0, 8, 3) }

// versionBefore reports whether a version is known and lower than another.
func versionBefore(version string, than ...int) bool {
	parts := strings.Split(version, ".")
	if len(parts) != len(than) {
		return false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil {
			return false
		}
		if n != than[i] {
			return n < than[i]
		}
	}
	return false
}
