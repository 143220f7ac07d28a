//go:build !linux

package proc

import "syscall"

// attributes make the process the leader of a group of its own.
func attributes(user *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: user}
}
