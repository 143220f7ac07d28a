package proc

import "syscall"

// attributes make the process the leader of a group of its own that ends when
// the thread that started it does.
func attributes(user *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: user, Pdeathsig: syscall.SIGKILL}
}
