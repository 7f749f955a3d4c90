package main

import (
	"os"
	"os/signal"
	"syscall"
)

// pause waits to be told to end, and reaps: it is process 1 of a pod's sandbox, and of a whole node.
func pause([]string) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGINT, syscall.SIGTERM)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return nil
		}
		reap()
	}
	return nil
}

// reap collects every child that has ended: signals of the same kind merge.
func reap() {
	for {
		child, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || child <= 0 {
			return
		}
	}
}
