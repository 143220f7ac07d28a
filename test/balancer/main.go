// Command balancer is a load balancer for tests: it sends each request, and each
// websocket, to the next of several servers, and to another one if that is not there.
//
//	balancer -listen 127.0.0.1:0 http://127.0.0.1:4210 http://127.0.0.1:4220
//
// It prints its own address first.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync/atomic"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "where to listen")
	flag.Parse()
	if err := serve(*listen, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "balancer:", err)
		os.Exit(1)
	}
}

func serve(listen string, servers []string) error {
	if len(servers) == 0 {
		return errors.New("no servers are named")
	}
	b := &balancer{}
	for _, s := range servers {
		u, err := url.Parse(s)
		if err != nil {
			return fmt.Errorf("server %q: %w", s, err)
		}
		b.servers = append(b.servers, u)
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	return http.Serve(l, &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host },
		Transport: b, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
	})
}

// balancer is a transport that chooses the server.
type balancer struct {
	servers []*url.URL
	turn    atomic.Uint32
}

// RoundTrip sends a request to the next server. Only what was not sent at all is sent
// to another one.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	first := int(b.turn.Add(1))
	var err error
	for i := range b.servers {
		s := b.servers[(first+i)%len(b.servers)]
		r.URL.Scheme, r.URL.Host = s.Scheme, s.Host
		var resp *http.Response
		if resp, err = http.DefaultTransport.RoundTrip(r); err == nil {
			return resp, nil
		}
		var unreached *net.OpError
		if !errors.As(err, &unreached) || unreached.Op != "dial" {
			break
		}
	}
	return nil, err
}
