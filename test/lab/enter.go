//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// inside marks the environment of a program that runs in a lab.
const inside = "PREFECTD_LAB"

// ErrImpossible is why there can be no lab here.
var ErrImpossible = errors.New("no network namespaces can be made here")

// Inside reports whether this program runs in a lab already.
func Inside() bool { return os.Getenv(inside) != "" }

// Enter runs this program again in a lab, with further arguments, and answers its
// exit code. Its temporary files are in a folder that is removed in the end; that
// of a program that failed is kept and named. An error wraps ErrImpossible.
func Enter(arguments ...string) (code int, err error) {
	if os.Geteuid() != 0 {
		return 0, fmt.Errorf("%w: that takes root", ErrImpossible)
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return 0, fmt.Errorf("%w: the command ip of iproute2 is not there", ErrImpossible)
	}
	removeDead()
	folder, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
	if err != nil {
		return 0, err
	}
	cmd := exec.Command("/proc/self/exe", append(os.Args[1:], arguments...)...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), inside+"=1", "TMPDIR="+folder)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL, // and with the first process of its namespace end the others
	}
	code, err = runForwarding(cmd)
	if code == 0 {
		return 0, errors.Join(err, os.RemoveAll(folder))
	}
	kept := strings.Replace(folder, prefix, prefix+"failed-", 1)
	if os.Rename(folder, kept) == nil {
		fmt.Fprintf(os.Stderr, "what the failed program left is in %s\n", kept)
	}
	return code, err
}

// runForwarding runs a command to its end. A signal ends it; SIGQUIT lets it tell
// what it was doing.
func runForwarding(cmd *exec.Cmd) (code int, err error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	runtime.LockOSThread() // its life hangs on the thread that starts it
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrImpossible, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cmd.Wait() // the outcome is read from ProcessState
	}()
	for {
		select {
		case <-done:
			if code = cmd.ProcessState.ExitCode(); code < 0 {
				code = 1 // a signal ended it
			}
			return code, nil
		case s := <-signals:
			if s != syscall.SIGQUIT {
				s = syscall.SIGKILL
			}
			cmd.Process.Signal(s)
		}
	}
}

// prefix begins the names of the folders of temporary files; the process id of
// whoever made it comes next.
const prefix = "prefectd-lab-"

// removeDead removes the folders of programs that were killed.
func removeDead() {
	folders, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"[0-9]*"))
	for _, folder := range folders {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), prefix), "-")
		pid, err := strconv.Atoi(owner)
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			os.RemoveAll(folder)
		}
	}
}

// furnish makes the namespaces that this program was started in usable: mounts
// that nobody else sees, /proc of its own processes, a place for the names of
// network namespaces, and a network that forwards.
func furnish() error {
	for _, m := range []struct {
		what, where, kind string
		flags             uintptr
	}{
		{"none", "/", "", unix.MS_REC | unix.MS_PRIVATE},
		{"proc", "/proc", "proc", 0},
		{"tmpfs", "/run", "tmpfs", 0},
	} {
		if err := unix.Mount(m.what, m.where, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.where, err)
		}
	}
	for name, value := range map[string]string{"ip_forward": "1", "conf/all/rp_filter": "0", "conf/default/rp_filter": "0"} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0o644); err != nil {
			return err
		}
	}
	return ip("link set lo up")
}

// ip runs a command of iproute2.
func ip(format string, a ...any) error {
	command := fmt.Sprintf(format, a...)
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", command, err, strings.TrimSpace(string(out)))
	}
	return nil
}
