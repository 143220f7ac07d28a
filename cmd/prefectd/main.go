// Command prefectd is a server for the Prefect API that keeps its data itself.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"prefectd/node"
)

// version is stamped by scripts/build.
var version = ""

// commands is the command line.
type commands struct {
	Server   serverCommand   `cmd:"" help:"Run a server: a node with its data in one folder. Nothing needs to be configured."`
	Join     joinCommand     `cmd:"" help:"Run a server as a further node of a cluster. A node that is a member already just starts."`
	Token    tokenCommand    `cmd:"" help:"Print the token with which nodes join this machine's cluster."`
	Status   statusCommand   `cmd:"" help:"Tell what a running server and its cluster are and do. Exits with 1 when the server does not serve."`
	Transfer transferCommand `cmd:"" help:"Have a node lead a group."`
	Drain    drainCommand    `cmd:"" help:"Have other nodes take over what a node holds and leads."`
	Remove   removeCommand   `cmd:"" help:"End a node's membership."`
	Backup   backupCommand   `cmd:"" help:"Make a backup of the whole cluster, while it goes on."`
	Restore  restoreCommand  `cmd:"" help:"Make the data folder of a new node, and cluster, from a backup."`
	Version  versionCommand  `cmd:"" help:"Print the version."`
}

const description = `A server for the Prefect API (3.9.1): clients, command line and workers of Prefect use it unchanged.

  prefectd server
  PREFECT_API_URL=http://127.0.0.1:4200/api python flow.py

Flags take precedence over PREFECTD_ variables, those over the PREFECT_SERVER_ variables of the Python server, which are obeyed where they apply.`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// output is where commands print.
type output struct{ io.Writer }

// errQuiet ends a command with status 1 when it has said why already.
var errQuiet = errors.New("failed")

// run runs a command line and answers the exit status.
func run(args []string, stdout, stderr io.Writer) (status int) {
	exited := false
	parser, err := kong.New(&commands{},
		kong.Name("prefectd"), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Bind(output{stdout}),
		kong.Vars{"run_groups": strconv.Itoa(node.DefaultRunGroups)},
		kong.Exit(func(code int) { status, exited = code, true }),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100}),
	)
	if err != nil {
		panic(err) // the commands are declared wrongly
	}
	command, err := parser.Parse(args)
	switch {
	case exited: // --help
		return status
	case err != nil:
		fmt.Fprintf(stderr, "prefectd: %v; prefectd --help tells more\n", err)
		return 2
	}
	if err := command.Run(); err != nil {
		if !errors.Is(err, errQuiet) {
			fmt.Fprintf(stderr, "prefectd: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		return 1
	}
	return 0
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(out output) error {
	fmt.Fprintf(out, "prefectd %s, API of Prefect 3.9.1\n", programVersion())
	return nil
}

// programVersion is the stamped version, or else the commit that was built.
func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return "dev-" + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return "dev"
}
