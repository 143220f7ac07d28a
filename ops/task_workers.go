package ops

import (
	"cmp"
	"slices"
	"sync"

	"prefectd/prefect"
)

// TaskWorkers are the task workers that are connected to this node.
type TaskWorkers struct {
	mu        sync.Mutex
	connected map[*ConnectedWorker]struct{}
}

// ConnectedWorker is one task worker.
type ConnectedWorker struct {
	Identifier string
	TaskKeys   []string
}

// Join adds a worker until leave is called.
func (w *TaskWorkers) Join(identifier string, keys []string) (leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.connected == nil {
		w.connected = map[*ConnectedWorker]struct{}{}
	}
	worker := &ConnectedWorker{Identifier: identifier, TaskKeys: keys}
	w.connected[worker] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.connected, worker)
	}
}

// Connected lists the workers.
func (w *TaskWorkers) Connected() []ConnectedWorker {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := []ConnectedWorker{}
	for worker := range w.connected {
		list = append(list, *worker)
	}
	return list
}

// FindTaskWorkers lists those of the connected workers that a filter selects, each
// once, by name.
func FindTaskWorkers(connected []ConnectedWorker, f *prefect.TaskWorkerFilter, now prefect.Time) []prefect.TaskWorker {
	byName := map[string]*prefect.TaskWorker{}
	for _, c := range connected {
		known := byName[c.Identifier]
		if known == nil {
			known = &prefect.TaskWorker{Identifier: c.Identifier, Timestamp: now}
			byName[c.Identifier] = known
		}
		known.TaskKeys = append(known.TaskKeys, c.TaskKeys...)
	}
	found := []prefect.TaskWorker{}
	for _, worker := range byName {
		slices.Sort(worker.TaskKeys)
		worker.TaskKeys = slices.Compact(worker.TaskKeys)
		wanted := func(key string) bool { return slices.Contains(worker.TaskKeys, key) }
		if f == nil || len(f.TaskKeys) == 0 || slices.ContainsFunc(f.TaskKeys, wanted) {
			found = append(found, *worker)
		}
	}
	slices.SortFunc(found, func(a, b prefect.TaskWorker) int { return cmp.Compare(a.Identifier, b.Identifier) })
	return found
}
