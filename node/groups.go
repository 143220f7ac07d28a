package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"prefectd/cluster"
	"prefectd/ops"
	"prefectd/store"
)

func newBackend(f *folder, settings *ops.Settings, log *slog.Logger) *backend {
	layout := ops.Groups{Runs: f.RunGroups}
	groups := len(layout.All())
	b := &backend{
		name: f.Name, layout: layout, settings: settings, replicas: newReplicas(groups), readers: make([]reader, groups),
	}
	for _, number := range layout.All() {
		b.couriers = append(b.couriers, newCourier(number, b, log))
		b.heralds = append(b.heralds, newHerald(number, b))
	}
	return b
}

// openGroups opens the groups that this node holds. A node that is a cluster by
// itself waits until they can serve, another one may have to wait for others.
func (n *Node) openGroups(ctx context.Context) error {
	if err := n.openGroup(ops.Coordination, n.folder.Joined); err != nil {
		return err
	}
	coordination := n.replicas.get(ops.Coordination)
	alone := coordination.Alone()
	if alone {
		if err := coordination.Ready(ctx); err != nil {
			return err
		}
	}
	layout, err := n.layoutHere()
	if err != nil {
		return err
	}
	if alone && (layout.Charter == nil || layout.Charter.ClusterID != n.folder.ClusterID) {
		return n.foundGroups(ctx)
	}
	held := slices.DeleteFunc(n.layout.RunGroups(), func(group int) bool {
		return !slices.Contains(layout.Holders(group), n.name)
	})
	return n.openAll(ctx, held, true, alone)
}

// foundGroups makes a new node a cluster of one.
func (n *Node) foundGroups(ctx context.Context) error {
	if err := n.openAll(ctx, n.layout.RunGroups(), false, true); err != nil {
		return err
	}
	return n.found(ctx)
}

// openAll opens run groups side by side.
func (n *Node) openAll(ctx context.Context, groups []int, join, wait bool) error {
	errs := make([]error, len(groups))
	var opening sync.WaitGroup
	for i, number := range groups {
		opening.Go(func() {
			if errs[i] = n.openGroup(number, join); errs[i] != nil {
				return
			}
			if g := n.replicas.get(number); wait && g.Alone() {
				errs[i] = g.Ready(ctx)
			}
		})
	}
	opening.Wait()
	for _, err := range errs {
		if err != nil {
			return err // one reason is enough for a line
		}
	}
	return nil
}

// openGroup opens a group's replica. A new one begins the group, or joins those who
// have it.
func (n *Node) openGroup(number int, join bool) error {
	group, err := cluster.Open(cluster.Config{
		Dir:       n.folder.group(number),
		Node:      n.name,
		Number:    number,
		Schema:    store.State,
		Evaluate:  evaluator(number, n.layout, n.settings),
		Observe:   func(changes []store.Change) { n.observe(number, changes) },
		Transport: n.net.Transport(number, n.name),
		Join:      join,
		MaxLevel:  n.level(),
		Answers:   answers{},
		Log:       n.log.With("group", number),
	})
	if err != nil {
		return n.explainGroup(err)
	}
	n.replicas.set(number, group)
	group.Serve(append(n.servicesOf(number), n.couriers[number], n.heralds[number])...)
	n.beside.Go(func() {
		if err := <-group.Failed(); err != nil {
			n.fail(fmt.Errorf("group %d: %w", number, err))
		}
	})
	return nil
}

// answers encode what operations answered, for those that are sent again.
type answers struct{}

// EncodeAnswer encodes an answer.
func (answers) EncodeAnswer(op, answer any) ([]byte, error) { return ops.EncodeAnswer(op, answer) }

// DecodeAnswer decodes it.
func (answers) DecodeAnswer(op any, data []byte) (any, error) { return ops.DecodeAnswer(op, data) }

// wireErrors encode errors on the way between nodes.
type wireErrors struct{}

// EncodeError encodes an error.
func (wireErrors) EncodeError(err error) []byte { return ops.EncodeError(err) }

// DecodeError decodes it.
func (wireErrors) DecodeError(data []byte) error { return ops.DecodeError(data) }

// explainGroup says what to do about a group whose files, which the error names,
// cannot be used.
func (n *Node) explainGroup(err error) error {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	switch {
	case errors.Is(err, fs.ErrPermission), isReadOnly(err):
		return explainFolder(n.folder.path, err)
	case isDiskFull(err):
		return fmt.Errorf("%s: make room on the disk", text)
	case strings.Contains(text, "backup"):
		return errors.New(text)
	}
	return fmt.Errorf("%s: if the file is damaged, restore the data folder from a backup", text)
}
