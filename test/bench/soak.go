package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"

	"prefectd/test/client"
)

// soak loads one server for a long time and prints what it holds in memory, mapped
// files apart: a line every so often, and at the end what idle connections cost.
func soak(ctx context.Context, args []string) error {
	var o options
	f := flag.NewFlagSet("bench soak", flag.ContinueOnError)
	f.StringVar(&o.prefectd, "prefectd", "bin/prefectd", "the prefectd binary")
	f.StringVar(&o.venv, "python", "", "load the Python server of this environment instead")
	length := f.Duration("for", 10*time.Minute, "how long the load lasts")
	every := f.Duration("every", 15*time.Second, "how often memory is printed")
	connections := f.Int("connections", 1000, "idle keep-alive connections at the end")
	websockets := f.Int("websockets", 200, "idle websockets at the end")
	if err := f.Parse(args); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "prefectd-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	o.folder = folder
	s := prefectdSide(&o)
	if o.venv != "" {
		s = pythonSide(&o)
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	defer s.stop()
	if err := s.soakLoad(ctx, *length, *every); err != nil {
		return err
	}
	return s.idleConnections(ctx, *connections, *websockets)
}

// soakCounts is what a load has done so far.
type soakCounts struct{ runs, tasks, logs atomic.Int64 }

// soakLoad runs flow runs, task runs and logs side by side and watches memory.
func (s *side) soakLoad(ctx context.Context, length, every time.Duration) error {
	flow, err := s.flow(ctx, "soak")
	if err != nil {
		return err
	}
	load, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var done soakCounts
	var wait sync.WaitGroup
	errs := make(chan error, 4)
	for _, worker := range []func() error{
		func() error { return s.soakRuns(load, flow, &done) },
		func() error { return s.soakRuns(load, flow, &done) },
		func() error { return s.soakTasks(load, flow, &done) },
		func() error { return s.soakLogs(load, &done) },
	} {
		wait.Go(func() {
			if err := worker(); err != nil {
				errs <- err
				cancel()
			}
		})
	}
	fmt.Println("   time    own MiB  mapped MiB  CPU s  flow runs  task runs  log records")
	began := time.Now()
	for load.Err() == nil {
		u := s.process.Usage()
		fmt.Printf("%7s  %9.1f %11.1f %6.0f %10d %10d %12d\n", time.Since(began).Round(time.Second), mib(u.Own), mib(u.RSS-u.Own), u.CPU.Seconds(), done.runs.Load(), done.tasks.Load(), done.logs.Load())
		sleep(load, every)
	}
	wait.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	fmt.Printf("after the load: %.1f MiB\n", mib(s.process.Usage().Own))
	if err := sleep(ctx, every); err != nil {
		return err
	}
	fmt.Printf("%s later: %.1f MiB\n", every, mib(s.process.Usage().Own))
	return nil
}

func (s *side) soakRuns(ctx context.Context, flow string, done *soakCounts) error {
	for ctx.Err() == nil {
		if err := s.client.Lifecycle(ctx, flow); err != nil && ctx.Err() == nil {
			return err
		}
		done.runs.Add(1)
	}
	return nil
}

// soakBatch is how many task runs, or log requests, there are about a flow run.
const soakBatch = 100

func (s *side) soakTasks(ctx context.Context, flow string, done *soakCounts) error {
	socket, err := s.client.OpenEvents(ctx)
	if err != nil {
		return err
	}
	defer socket.Close()
	for ctx.Err() == nil {
		run, err := s.runningRun(ctx, flow)
		if err == nil {
			err = sendOn(ctx, socket, run, soakBatch)
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		done.tasks.Add(soakBatch)
	}
	return nil
}

func (s *side) soakLogs(ctx context.Context, done *soakCounts) error {
	for ctx.Err() == nil {
		run := newID()
		for batch := range soakBatch {
			if err := s.client.PostLogs(ctx, logRecords(run, batch)); err != nil && ctx.Err() == nil {
				return err
			}
			done.logs.Add(logBatch)
			// Paced: logs would fill the disk before memory says anything.
			sleep(ctx, 100*time.Millisecond)
		}
	}
	return nil
}

// idleConnections opens connections that do nothing and prints their price.
func (s *side) idleConnections(ctx context.Context, connections, websockets int) error {
	before := s.process.Usage().Own
	address := strings.TrimSuffix(strings.TrimPrefix(s.process.URL, "http://"), "/api")
	for range connections {
		conn, err := keepAlive(address)
		if err != nil {
			return fmt.Errorf("idle connection: %w", err)
		}
		defer conn.Close()
	}
	after, err := s.price(ctx, "keep-alive connections", connections, before)
	if err != nil {
		return err
	}
	for range websockets {
		conn, err := s.subscribe(ctx)
		if err != nil {
			return fmt.Errorf("idle websocket: %w", err)
		}
		defer conn.Close()
	}
	_, err = s.price(ctx, "websockets on /events/out", websockets, after)
	return err
}

// keepAlive opens a connection and has one request answered on it.
func keepAlive(address string) (net.Conn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, "GET /api/health HTTP/1.1\r\nHost: "+address+"\r\n\r\n"); err != nil {
		conn.Close()
		return nil, err
	}
	answer := make([]byte, 4096)
	if _, err := conn.Read(answer); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func (s *side) subscribe(ctx context.Context) (*websocket.Conn, error) {
	return s.client.OpenStream(ctx, "/events/out", object{"type": "filter", "filter": object{
		"occurred": object{"since": client.Stamp(time.Now()), "until": client.Stamp(time.Now().Add(time.Hour))},
		"event":    object{"name": []string{"never.happens"}},
	}})
}

func (s *side) price(ctx context.Context, what string, n int, before int64) (int64, error) {
	if err := sleep(ctx, time.Second); err != nil {
		return 0, err
	}
	after := s.process.Usage().Own
	fmt.Printf("%d idle %s: %.1f MiB more, %.1f KiB each\n", n, what, mib(after-before), float64(after-before)/1024/float64(max(n, 1)))
	return after, nil
}
