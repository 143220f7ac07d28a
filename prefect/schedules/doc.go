// Package schedules computes when runs of deployments are due: at intervals, by cron
// lines, and by the recurrence rules of RFC 5545, in time zones. Dates are those that the
// Python server computes, which testdata/golden.json was made with; where two of its
// versions differ, those that leave no interval out.
package schedules
