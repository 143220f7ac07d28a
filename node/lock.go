//go:build unix

package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockFolder keeps other processes off a folder until the file is closed, or this
// process ends in whatever way.
func lockFolder(path string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("lock: %w", err)
	}
	return lock, nil
}

func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

func isNoFolder(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

func isDiskFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }

// isMount reports whether a file system begins at a folder.
func isMount(path string) bool {
	var here, above syscall.Stat_t
	return syscall.Stat(path, &here) == nil && syscall.Stat(filepath.Dir(path), &above) == nil && here.Dev != above.Dev
}
