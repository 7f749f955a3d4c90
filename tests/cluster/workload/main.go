// Command workload is all that runs in the test cluster's containers: it holds a sandbox, serves, or dials.
//
//	workload pause                          hold namespaces and reap orphans
//	workload serve -tcp 80 -udp 53          say who answers, over HTTP on TCP ports and in datagrams
//	workload dial tcp 10.96.0.20:80         ask such a server; prints its answer
package main

import (
	"errors"
	"fmt"
	"os"
)

var commands = map[string]func(arguments []string) error{
	"pause": pause,
	"serve": serve,
	"dial":  dial,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("workload: pause, serve or dial?")
	}
	command, known := commands[arguments[0]]
	if !known {
		return fmt.Errorf("workload: no command %q", arguments[0])
	}
	return command(arguments[1:])
}
