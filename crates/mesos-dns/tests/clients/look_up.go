// Looks a name up with Go's own resolver, as most programs of a Mesos cluster do, and prints what it finds, a line each.
//
// usage: look_up KIND NAME, where KIND is A, AAAA, host (both), SRV or TXT
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
)

func main() {
	resolver := net.Resolver{PreferGo: true}
	found, err := lookUp(&resolver, os.Args[1], os.Args[2])
	for _, line := range found {
		fmt.Println(line)
	}
	var failure *net.DNSError
	switch {
	case err == nil:
	case errors.As(err, &failure) && failure.IsNotFound:
		fmt.Println("no such name")
	case errors.As(err, &failure) && failure.IsTemporary:
		fmt.Println("no answer")
	default:
		fmt.Println(err)
	}
}

func lookUp(resolver *net.Resolver, kind, name string) (found []string, err error) {
	ctx := context.Background()
	switch kind {
	case "A", "AAAA":
		var addresses []net.IP
		addresses, err = resolver.LookupIP(ctx, map[string]string{"A": "ip4", "AAAA": "ip6"}[kind], name)
		for _, address := range addresses {
			found = append(found, address.String())
		}
	case "host":
		return resolver.LookupHost(ctx, name)
	case "SRV":
		var services []*net.SRV
		_, services, err = resolver.LookupSRV(ctx, "", "", name)
		for _, service := range services {
			found = append(found, fmt.Sprintf("%d %s", service.Port, service.Target))
		}
	case "TXT":
		return resolver.LookupTXT(ctx, name)
	default:
		err = fmt.Errorf("no such kind: %s", kind)
	}
	return found, err
}
