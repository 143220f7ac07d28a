// Package browser opens the pages of the web UI in a browser without a window: each
// has to show what the server holds, and no request of theirs may fail.
package browser
