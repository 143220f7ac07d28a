package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// folderSize adds up the files of a prefectd data folder that nobody has open:
// the pages in use of the state files, and the log files.
func folderSize(folder string) (z size, err error) {
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".db" {
			return err
		}
		used, free, err := pages(path)
		if err != nil {
			return err
		}
		if strings.Contains(entry.Name(), "log") {
			z.Log += used
		} else {
			z.Live += used
			z.Free += free
		}
		return nil
	})
	return z, err
}

// pages reads how many bytes of a bbolt file are in use and free.
func pages(path string) (used, free int64, err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true, Timeout: time.Second})
	if errors.Is(err, berrors.ErrTimeout) {
		return 0, 0, fmt.Errorf("%s is in use: stop the server first", path)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		free = int64(db.Stats().FreePageN) * int64(db.Info().PageSize)
		used = tx.Size() - free
		return nil
	})
	return used, free, err
}

func printSize(args []string) error {
	if len(args) != 1 {
		return errors.New("size wants one data folder")
	}
	z, err := folderSize(args[0])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(z)
}
