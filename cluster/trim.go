package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// settleEvery is how often it is looked whether a group is quiet.
const settleEvery = time.Second

// trim cuts the log when it is too long. That happens by its length, not by what
// was appended since the start, so a node that restarts often cuts its log too.
// When nothing is written it brings the state file up to date.
func (g *Group) trim(ctx context.Context) {
	quiet := time.NewTicker(settleEvery)
	defer quiet.Stop()
	for {
		select {
		case <-quiet.C:
			if err := g.db.Settle(); err != nil {
				g.fail(err)
			}
		case <-g.log.long:
			// If it is too early (nothing was applied since the start), or fails, the
			// next entry tells again that the log is too long, or the next tenure.
			keep, worth := g.log.keep()
			if !worth {
				continue
			}
			err := g.cut(keep)
			if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
				g.config.Log.Warn("log is not cut", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// cut drops the oldest entries but some, and none that the state file does not hold.
func (g *Group) cut(keep uint64) error {
	conf := g.raft.ReloadableConfig()
	conf.TrailingLogs = keep
	if err := g.raft.ReloadConfig(conf); err != nil {
		return fmt.Errorf("cut log: %w", err)
	}
	return g.await(func() raft.Future { return g.raft.Snapshot() })
}
