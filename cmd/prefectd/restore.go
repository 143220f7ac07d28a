package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"prefectd/node"
)

type backupCommand struct {
	File    string `arg:"" type:"path" help:"The file to make."`
	DataDir string `aliases:"data" env:"PREFECTD_DATA_DIR" default:"./prefectd-data" type:"path" help:"Folder of a running node of the cluster, on this machine."`
	Offline bool   `help:"The node is stopped: take all that it has. For when most of the others are lost."`
}

// Run has a running node make a backup of the whole cluster.
func (c *backupCommand) Run(out output) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var h *node.BackupHeader
	var err error
	if c.Offline {
		h, err = node.SalvageBackup(ctx, c.DataDir, c.File, programVersion())
	} else {
		h, err = node.FetchBackup(ctx, c.DataDir, c.File, slog.New(slog.DiscardHandler))
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is a backup of cluster %s as it was at %s\n", c.File, h.ClusterID, h.Created)
	return nil
}

type restoreCommand struct {
	File     string `arg:"" type:"path" help:"The backup."`
	DataDir  string `aliases:"data" env:"PREFECTD_DATA_DIR" default:"./prefectd-data" type:"path" help:"Folder to make; it must be empty or not be there."`
	NodeName string `env:"PREFECTD_NODE_NAME" help:"Name of the node; the name of the machine."`
}

// Run restores the backup; no server takes part in it.
func (c *restoreCommand) Run(out output) error {
	h, err := node.RestoreBackup(c.File, c.DataDir, c.NodeName)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "restored what cluster %s was at %s (prefectd %s, %d run groups): start it with prefectd server --data-dir %s\n",
		h.ClusterID, h.Created, h.Version, h.RunGroups, c.DataDir)
	return nil
}
