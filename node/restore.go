package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"prefectd/cluster"
	"prefectd/ops"
	"prefectd/store"
)

// RestoreBackup makes a data folder of a backup file: that of a node with this name (or
// the machine's), which is a cluster by itself, new but for its data. The folder must
// be empty or not be there; it is made beside and gets its name when it is complete.
// Errors are one line that says what to do.
func RestoreBackup(path, folder, name string) (*BackupHeader, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	if err := vacant(folder); err != nil {
		return nil, err
	}
	h, err := CheckBackup(path)
	if err != nil {
		return nil, err
	}
	if err := restoreFolder(path, folder, (&Config{Name: name}).name(), h.RunGroups); err != nil {
		if isDiskFull(err) {
			err = fmt.Errorf("%w: make room on the disk", err)
		}
		return nil, err
	}
	return h, nil
}

// vacant makes sure that a data folder can be put somewhere.
func vacant(folder string) error {
	entries, err := os.ReadDir(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return explainFolder(folder, err)
	case len(entries) > 0:
		return fmt.Errorf("data folder %s is not empty: name another one with --data-dir", folder)
	case isMount(folder):
		return fmt.Errorf("data folder %s is where a file system is mounted: name a folder in it with --data-dir", folder)
	}
	return nil
}

func restoreFolder(path, to, name string, runGroups int) error {
	parent := filepath.Dir(to)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return explainFolder(to, err)
	}
	draft, err := os.MkdirTemp(parent, filepath.Base(to)+".restore-*")
	if err != nil {
		return explainFolder(to, err)
	}
	defer os.RemoveAll(draft) // gone already when all went well
	f := &folder{path: draft}
	err = f.create(filepath.Join(draft, nodeFile), func() (*newcomer, error) {
		id := identity{Name: name, ClusterID: uuid.NewString(), RunGroups: runGroups}
		t, err := foundTrust(id.ClusterID, id.Name)
		return &newcomer{identity: id, trust: t}, err
	})
	if err != nil {
		return err
	}
	if _, err := readBackup(path, func(group int, r io.Reader) error {
		return cluster.Restore(f.group(group), name, store.State, r)
	}); err != nil {
		return err
	}
	if err := f.agree(); err != nil {
		return err
	}
	if err := f.sync(); err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) { // it is empty
		return explainFolder(to, err)
	}
	if err := os.Rename(draft, to); err != nil {
		return explainFolder(to, err)
	}
	return syncDir(parent)
}

// agree has the groups agree on the messages between them. Each of them is as it was at
// a moment of its own, so one may have taken messages that their sender has yet to
// write. The sender would give their numbers to others, which would be skipped.
func (f *folder) agree() error {
	taken := map[int][]ops.Delivered{} // by sender
	groups := ops.Groups{Runs: f.RunGroups}.All()
	for _, group := range groups {
		err := f.state(group, func(db *store.DB) error {
			return db.View(func(tx *store.Tx) error {
				for r := range store.Inbox.Rows(tx, store.Range{}) {
					taken[r.Group] = append(taken[r.Group], ops.Delivered{Group: group, Sequence: r.Sequence})
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	for _, group := range groups {
		if err := f.state(group, func(db *store.DB) error { return acknowledge(db, taken[group]) }); err != nil {
			return err
		}
	}
	return nil
}

// state opens a group's state file.
func (f *folder) state(group int, fn func(*store.DB) error) error {
	db, err := store.Open(cluster.StateFile(f.group(group)), store.State, store.Options{})
	if err != nil {
		return err
	}
	return errors.Join(fn(db), db.Close())
}

// acknowledge has a group know that others took messages of its, if it doesn't yet.
func acknowledge(db *store.DB, taken []ops.Delivered) (err error) {
	b, err := db.Batch()
	if err != nil {
		return err
	}
	for _, d := range taken {
		mark := store.OutboxMarks.Get(b.Tx(), store.Key{}.Uint64(uint64(d.Group)))
		if mark == nil || mark.Sequence < d.Sequence {
			_, err := d.Run(&ops.Context{Tx: b.Tx()})
			if err != nil {
				return errors.Join(err, b.Close())
			}
		}
	}
	changes := b.Changes()
	if err := b.Close(); err != nil || len(changes) == 0 {
		return err
	}
	return db.Update(func(w *store.Writer) error { return w.Apply(changes) })
}

// sync has a crash leave the folder as it is.
func (f *folder) sync() error {
	var errs []error
	for _, group := range (ops.Groups{Runs: f.RunGroups}).All() {
		errs = append(errs, syncDir(f.group(group)))
	}
	return errors.Join(append(errs, syncDir(f.groupsPath()), syncDir(f.path))...)
}
