package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"

	"prefectd/cluster"
	"prefectd/ops"
	"prefectd/store"
)

func newBackend(layout ops.Groups, settings *ops.Settings, log *slog.Logger) *backend {
	b := &backend{layout: layout, settings: settings, groups: make([]*cluster.Group, len(layout.All()))}
	for _, number := range layout.All() {
		b.couriers = append(b.couriers, newCourier(number, b, log))
	}
	return b
}

// openGroups opens all groups side by side and waits until they can serve.
func (n *Node) openGroups(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	errs := make([]error, len(n.groups))
	var wait sync.WaitGroup
	for number := range n.groups {
		wait.Go(func() { errs[number] = n.openGroup(ctx, number) })
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err // one reason is enough for a line
		}
	}
	return nil
}

func (n *Node) openGroup(ctx context.Context, number int) error {
	group, err := cluster.Open(cluster.Config{
		Dir:      n.folder.group(number),
		Node:     n.folder.Name,
		Number:   number,
		Schema:   store.State,
		Evaluate: evaluator(number, n.layout, n.settings),
		Observe: func(changes []store.Change) {
			if changes == nil {
				n.hub.Replaced(number)
			}
			n.hub.Observe(number, changes)
			n.couriers[number].observe(changes)
		},
		Log: n.config.Log.With("group", number),
	})
	if err != nil {
		return n.explainGroup(err)
	}
	n.groups[number] = group
	n.beside.Go(func() {
		if err := <-group.Failed(); err != nil {
			n.fail(fmt.Errorf("group %d: %w", number, err))
		}
	})
	return group.Ready(ctx)
}

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
