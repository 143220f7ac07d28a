package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"prefectd/prefect"
	"prefectd/store"
)

// folderFormat is the version of the data folder's layout:
//
//	node.json       what the node is; written once
//	trust.json      its certificate and key, and what it knows the others by
//	members.json    where the other nodes were the last time
//	token           lets a node join this one's cluster
//	lock            held while a prefectd uses the folder
//	groups/N/       log and state of group N
const folderFormat = 1

const nodeFile = "node.json"

// identity is what a data folder says about its node.
type identity struct {
	Format    int    `json:"format"`
	Name      string `json:"node"`
	ClusterID string `json:"cluster_id"`
	RunGroups int    `json:"run_groups"`
	Joined    bool   `json:"joined,omitempty"` // it did not found its cluster, so it makes no group
}

// maxRunGroups is the number of slots.
const maxRunGroups = 256

// folder is a data folder that this process holds.
type folder struct {
	path string
	identity
	lock *os.File
}

// newcomer is what a new folder is made of.
type newcomer struct {
	identity
	trust   *trust
	members []*store.Member // that are known so far
}

// openFolder opens the data folder, or makes one for the node that fresh describes.
// Every error names a file and what to do.
func openFolder(path string, fresh func() (*newcomer, error)) (*folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, explainFolder(path, err)
	}
	lock, err := lockFolder(path)
	if err != nil {
		return nil, explainFolder(path, err)
	}
	f := &folder{path: path, lock: lock}
	if err := f.identify(fresh); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// errLocked says that another process holds a folder.
var errLocked = errors.New("locked")

// explainFolder says what to do about a folder that cannot be used.
func explainFolder(path string, err error) error {
	switch {
	case errors.Is(err, errLocked):
		return fmt.Errorf("data folder %s is in use: another prefectd runs on it; stop that one, or give this one its own with --data-dir", path)
	case errors.Is(err, fs.ErrPermission), isReadOnly(err):
		return fmt.Errorf("data folder %s cannot be written (%w): give it to the user that prefectd runs as", path, err)
	case isNoFolder(err):
		return fmt.Errorf("data folder %s is a file, not a folder: choose another with --data-dir", path)
	}
	return fmt.Errorf("data folder %s: %w", path, err)
}

// identify reads what the folder says about its node, or writes it when the
// folder is new.
func (f *folder) identify(fresh func() (*newcomer, error)) error {
	path := filepath.Join(f.path, nodeFile)
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.create(path, fresh)
	case err != nil:
		return explainFolder(f.path, err)
	}
	var version struct {
		Format int `json:"format"`
	}
	if err := prefect.Unmarshal(raw, &version); err != nil || version.Format <= 0 {
		return damaged(path)
	}
	if version.Format != folderFormat {
		return fmt.Errorf("%s is of format %d, this prefectd knows format %d: run the version that wrote the data folder", path, version.Format, folderFormat)
	}
	if err := prefect.Unmarshal(raw, &f.identity); err != nil || f.Name == "" || f.RunGroups < 1 || f.RunGroups > maxRunGroups {
		return damaged(path)
	}
	return nil
}

func damaged(path string) error {
	return fmt.Errorf("%s is damaged: restore the data folder from a backup", path)
}

// create makes the folder that of a new node. A folder with groups but without a
// node file lost it, and is not to be started over.
func (f *folder) create(path string, fresh func() (*newcomer, error)) error {
	if _, err := os.Stat(f.groupsPath()); err == nil {
		return fmt.Errorf("%s is missing beside the data of a node: restore the data folder from a backup", path)
	}
	node, err := fresh()
	if err != nil {
		return err
	}
	f.identity = node.identity
	f.Format = folderFormat
	if err := f.saveTrust(node.trust); err != nil {
		return err
	}
	if err := f.save(membersFile, places(node.members, nil)); err != nil {
		return err
	}
	return f.save(nodeFile, f.identity) // last: with it the folder is complete
}

// writeFile writes a file so that after a crash it is there as a whole, or not.
func writeFile(path string, content []byte) error {
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name()) // gone already when all went well
	_, err = draft.Write(content)
	err = errors.Join(err, draft.Sync(), draft.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(draft.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir has a crash leave the names in a folder as they are.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (f *folder) groupsPath() string { return filepath.Join(f.path, "groups") }

// group is the folder of a group.
func (f *folder) group(number int) string {
	return filepath.Join(f.groupsPath(), strconv.Itoa(number))
}

// close lets go of the folder.
func (f *folder) close() error { return f.lock.Close() }
