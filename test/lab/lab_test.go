//go:build linux

package lab

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"prefectd/test/proc"
)

// impossible is why there is no lab here.
var impossible error

func TestMain(m *testing.M) {
	if !Inside() {
		code, err := Enter()
		if err == nil {
			os.Exit(code)
		}
		impossible = err
	}
	os.Exit(m.Run())
}

func newLab(t *testing.T, n int) *Lab {
	t.Helper()
	if errors.Is(impossible, ErrImpossible) {
		t.Skip(impossible)
	}
	require.NoError(t, impossible)
	l, err := New(n)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// on runs a function on a host; the sockets that it makes are the host's.
func on(t *testing.T, h *Host, fn func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never let go of: the thread ends with the goroutine
		f, err := os.Open("/run/netns/" + h.Name)
		if err == nil {
			err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = fn()
		}
		done <- err
	}()
	require.NoError(t, <-done)
}

// mouth is a UDP socket on a host.
type mouth struct {
	*net.UDPConn
	host *Host
}

func open(t *testing.T, h *Host) *mouth {
	t.Helper()
	m := &mouth{host: h}
	on(t, h, func() (err error) {
		m.UDPConn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(h.Address), Port: 7000})
		return err
	})
	t.Cleanup(func() { m.Close() })
	return m
}

func (m *mouth) say(t *testing.T, to *mouth, word string) {
	t.Helper()
	_, err := m.WriteTo([]byte(word), to.LocalAddr())
	require.NoError(t, err, "a cut must not be told")
}

// hear waits for a word, up to a time.
func (m *mouth) hear(patience time.Duration) string {
	word := make([]byte, 100)
	m.SetReadDeadline(time.Now().Add(patience))
	n, _, err := m.ReadFrom(word)
	if err != nil {
		return ""
	}
	return string(word[:n])
}

const (
	soon  = 10 * time.Second       // for what must come
	never = 200 * time.Millisecond // for what must not
)

// TestCut cuts one direction between two of three hosts, twice, and mends it.
func TestCut(t *testing.T) {
	l := newLab(t, 3)
	a, b, c := open(t, l.Hosts[0]), open(t, l.Hosts[1]), open(t, l.Hosts[2])
	hears := func(from, to *mouth, does bool) {
		t.Helper()
		from.say(t, to, "word")
		patience, word := never, ""
		if does {
			patience, word = soon, "word"
		}
		require.Equal(t, word, to.hear(patience), "%s to %s", from.host.Name, to.host.Name)
	}
	for _, pair := range [][2]*mouth{{a, b}, {b, a}, {a, c}, {b, c}} {
		hears(pair[0], pair[1], true)
	}
	require.NoError(t, l.Cut(a.host, b.host))
	require.NoError(t, l.Cut(a.host, b.host))
	hears(a, b, false)
	hears(b, a, true)
	hears(a, c, true)
	require.NoError(t, l.Mend(a.host, b.host))
	hears(a, b, false)
	require.NoError(t, l.Mend(a.host, b.host))
	hears(a, b, true)
}

// TestCutConnection cuts a connection that is in use: it is silent, and goes on
// when it is mended.
func TestCutConnection(t *testing.T) {
	l := newLab(t, 2)
	a, b := l.Hosts[0], l.Hosts[1]
	var server net.Listener
	var dialled net.Conn
	on(t, b, func() (err error) {
		server, err = net.Listen("tcp4", b.Address+":7000")
		return err
	})
	defer server.Close()
	on(t, a, func() (err error) {
		dialled, err = net.Dial("tcp4", server.Addr().String())
		return err
	})
	defer dialled.Close()
	accepted, err := server.Accept()
	require.NoError(t, err)
	defer accepted.Close()
	word := make([]byte, 4)
	for _, cut := range []bool{false, true} {
		if cut {
			require.NoError(t, l.Cut(a, b))
		}
		_, err = dialled.Write([]byte("word"))
		require.NoError(t, err)
		if cut {
			accepted.SetReadDeadline(time.Now().Add(never))
			_, err = accepted.Read(word)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.NoError(t, l.Mend(a, b))
		}
		accepted.SetReadDeadline(time.Now().Add(soon))
		_, err = io.ReadFull(accepted, word)
		require.NoError(t, err)
		require.Equal(t, "word", string(word))
	}
}

// TestSpoil sends words over a bad line: they come late, in order, and not all.
func TestSpoil(t *testing.T) {
	l := newLab(t, 2)
	a, b := open(t, l.Hosts[0]), open(t, l.Hosts[1])
	const words, delay = 200, 50 * time.Millisecond
	wire, err := l.Spoil(a.host, Weather{Delay: delay, Jitter: 10 * time.Millisecond, Loss: 0.3}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	began := time.Now()
	for i := range words {
		a.say(t, b, fmt.Sprintf("%04d", i))
	}
	var heard []string
	for word := b.hear(soon); word != ""; word = b.hear(never) {
		if len(heard) == 0 {
			require.GreaterOrEqual(t, time.Since(began), delay)
		}
		heard = append(heard, word)
	}
	require.True(t, slices.IsSorted(heard))
	require.InDelta(t, words*7/10, len(heard), words/6)

	b.say(t, a, "word")
	require.Equal(t, "word", a.hear(soon), "the other direction is good")
	require.NoError(t, l.Cut(a.host, b.host))
	a.say(t, b, "word")
	require.Empty(t, b.hear(never), "a cut holds on a bad line")
	require.NoError(t, l.Mend(a.host, b.host))
	require.NoError(t, wire.Close())
	a.say(t, b, "word")
	require.Equal(t, "word", b.hear(soon))
}

// TestDisk fills a disk and makes room on it.
func TestDisk(t *testing.T) {
	newLab(t, 1)
	path := filepath.Join(t.TempDir(), "disk")
	d, err := NewDisk(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	write := func(name string) error { return os.WriteFile(filepath.Join(path, name), make([]byte, 1<<20), 0o600) }
	require.NoError(t, write("a"))
	require.NoError(t, d.Fill())
	require.ErrorIs(t, write("b"), syscall.ENOSPC)
	require.NoError(t, d.Free())
	require.NoError(t, write("b"))

	grows, err := os.Create(filepath.Join(path, "grows"))
	require.NoError(t, err)
	var wait sync.WaitGroup
	var done atomic.Bool
	wait.Go(func() {
		for !done.Load() {
			grows.Write(make([]byte, 1<<12)) // fails while the disk is full
		}
	})
	defer wait.Wait()
	defer done.Store(true)
	for range 100 {
		require.NoError(t, d.Fill(), "while somebody writes")
		require.NoError(t, d.Free())
	}
}

// TestCommand runs a command on a host.
func TestCommand(t *testing.T) {
	l := newLab(t, 2)
	out := filepath.Join(t.TempDir(), "out")
	p, err := proc.Start(l.Hosts[1].Command(proc.Command{Path: "ip", Args: []string{"-br", "addr"}, Output: out}))
	require.NoError(t, err)
	<-p.Done()
	said, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Contains(t, string(said), l.Hosts[1].Address)
}

// TestClose makes labs one after the other: nothing of the first is in the way.
func TestClose(t *testing.T) {
	for range 2 {
		t.Run("lab", func(t *testing.T) { newLab(t, 2) })
		links, err := net.Interfaces()
		require.NoError(t, err)
		for _, link := range links {
			require.NotEqual(t, bridge, link.Name)
			require.False(t, strings.HasPrefix(link.Name, "to-"), link.Name)
		}
	}
}
