package main

import (
	"fmt"

	"prefectd/node"
)

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
