// Package webui serves the web UIs of Prefect, version 1 and 2, as they are in its
// published Python package. They are static files but for one placeholder, where the
// path goes under which they are served.
package webui
