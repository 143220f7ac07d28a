package httpapi

import (
	"regexp"

	"prefectd/ops"
)

// client is what the request says of the program that makes it.
func (c *call) client() ops.ClientInfo {
	info := ops.ClientInfo{APIVersion: c.header("X-Prefect-Api-Version")}
	if m := prefectAgent.FindStringSubmatch(c.header("User-Agent")); m != nil {
		info.PrefectVersion = m[1]
	}
	return info
}

// prefectAgent is how the Prefect client names itself.
var prefectAgent = regexp.MustCompile(`^prefect/(\d+\.\d+\.\d+[a-z.+0-9]*) \(API \S+\)$`)
