package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Command says how a server is started.
type Command struct {
	Path   string
	Args   []string
	Env    []string            // added to the environment, which loses its PREFECT_ variables
	URL    string              // the API, ending in /api
	Output string              // file that standard output and error are appended to; empty for none
	User   *syscall.Credential // runs as another user when set
}

// Process is a server that was started.
type Process struct {
	URL  string
	PID  int
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// Start runs the command. The process leads a group of its own, so that a signal
// to the terminal doesn't reach it; on Linux it ends with this program.
func Start(c Command) (*Process, error) {
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env = append(environment(), c.Env...)
	cmd.SysProcAttr = attributes(c.User)
	if c.Output != "" {
		out, err := os.OpenFile(c.Output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, err
		}
		defer out.Close()
		cmd.Stdout, cmd.Stderr = out, out
	}
	started := make(chan error)
	p := &Process{URL: c.URL, cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		runtime.LockOSThread() // the child's life hangs on this thread
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() // the outcome is read from ProcessState
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.PID = cmd.Process.Pid
	return p, nil
}

// ErrEnded is what WaitReady answers when the process ended instead.
var ErrEnded = errors.New("the server ended before it was ready")

// readyPoll is how often a starting server is asked.
const readyPoll = 5 * time.Millisecond

// WaitReady returns when GET /ready answers 200.
func (p *Process) WaitReady(ctx context.Context) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if answer, err := client.Get(p.URL + "/ready"); err == nil {
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.done:
			return fmt.Errorf("%w: %s", ErrEnded, p.Outcome())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", p.URL, ctx.Err())
		case <-time.After(readyPoll):
		}
	}
}

// Signal sends a signal to the process.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Pause stops the process and its children until Resume.
func (p *Process) Pause() { syscall.Kill(-p.PID, syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() { syscall.Kill(-p.PID, syscall.SIGCONT) }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill ends the process and its children without warning and waits for it.
func (p *Process) Kill() {
	syscall.Kill(-p.PID, syscall.SIGKILL)
	<-p.done
}

// lastWords is how long a process that does not end may take to say why.
const lastWords = 2 * time.Second

// Stop asks the process to end and answers its exit code; when it takes longer than
// the patience it has to say what it is doing (SIGQUIT), and is killed.
func (p *Process) Stop(patience time.Duration) (code int, err error) {
	p.Resume()
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	select {
	case <-p.done:
		syscall.Kill(-p.PID, syscall.SIGKILL) // what it left behind
		return p.ExitCode(), nil
	case <-time.After(patience):
		p.Signal(syscall.SIGQUIT)
		select {
		case <-p.done:
		case <-time.After(lastWords):
		}
		p.Kill()
		return -1, fmt.Errorf("process %d had not ended %s after SIGTERM", p.PID, patience)
	}
}

// ExitCode is the code of a process that has ended, -1 if a signal ended it.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Outcome says how a process ended.
func (p *Process) Outcome() string { return p.cmd.ProcessState.String() }
