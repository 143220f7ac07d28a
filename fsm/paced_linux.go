package fsm

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// writeBack brings a piece of a file to the disk, but not what the file system notes
// about the file: for that, others who do so would have to wait.
func writeBack(file *os.File, at, size int64) error {
	const flags = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	err := unix.SyncFileRange(int(file.Fd()), at, size, flags)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ESPIPE) || errors.Is(err, unix.EINVAL) {
		return nil // this file system cannot
	}
	if err != nil {
		return &os.PathError{Op: "write", Path: file.Name(), Err: err}
	}
	return nil
}
