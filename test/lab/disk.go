//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Disk is a disk of its own, in memory, that can be filled up.
type Disk struct{ path string }

// roomy is the size of a disk that is not full; only what is on it takes memory.
const roomy = "size=4g"

// NewDisk puts an empty disk at a path, which it makes.
func NewDisk(path string) (*Disk, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, roomy); err != nil {
		return nil, fmt.Errorf("mount %s: %w", path, err)
	}
	return &Disk{path}, nil
}

// fillTries is how often Fill tries to be faster than who writes.
const fillTries = 1000

// Fill leaves no room on the disk: it becomes as small as what is on it.
func (d *Disk) Fill() (err error) {
	for range fillTries {
		var u unix.Statfs_t
		if err := unix.Statfs(d.path, &u); err != nil {
			return fmt.Errorf("statfs %s: %w", d.path, err)
		}
		err = d.resize(fmt.Sprintf("size=%d", max(1, u.Blocks-u.Bfree)*uint64(u.Bsize)))
		if !errors.Is(err, unix.EINVAL) { // there is more on it by now
			return err
		}
	}
	return err
}

// Free makes room on the disk.
func (d *Disk) Free() error { return d.resize(roomy) }

func (d *Disk) resize(size string) error {
	if err := unix.Mount("tmpfs", d.path, "tmpfs", unix.MS_REMOUNT, size); err != nil {
		return fmt.Errorf("resize %s to %s: %w", d.path, size, err)
	}
	return nil
}

// Close takes the disk away with all that is on it.
func (d *Disk) Close() error { return unix.Unmount(d.path, unix.MNT_DETACH) }
