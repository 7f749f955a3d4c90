package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// serve listens on every port given, and answers with the host's name and the addresses of both ends.
func serve(arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	tcp := flags.String("tcp", "", "TCP ports, with commas between them")
	udp := flags.String("udp", "", "UDP ports, with commas between them")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	failed := make(chan error)
	for _, port := range ports(*tcp) {
		listener, err := net.Listen("tcp", ":"+port)
		if err != nil {
			return err
		}
		go func() { failed <- http.Serve(listener, http.HandlerFunc(answer)) }()
	}
	for _, port := range ports(*udp) {
		socket, err := net.ListenPacket("udp", ":"+port)
		if err != nil {
			return err
		}
		go func() { failed <- datagrams(socket) }()
	}
	// Process 1 of a container ends by a signal only if it asks for it.
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	select {
	case err := <-failed:
		return err
	case <-ended:
		return nil
	}
}

func ports(list string) []string {
	return strings.FieldsFunc(list, func(letter rune) bool { return letter == ',' })
}

func answer(writer http.ResponseWriter, request *http.Request) {
	local := request.Context().Value(http.LocalAddrContextKey)
	fmt.Fprintf(writer, "%s at %v to %s\n", hostname(), local, request.RemoteAddr)
}

func datagrams(socket net.PacketConn) error {
	buffer := make([]byte, 2048)
	for {
		_, peer, err := socket.ReadFrom(buffer)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s at %v to %v\n", hostname(), socket.LocalAddr(), peer)
		if _, err := socket.WriteTo([]byte(text), peer); err != nil && !errors.Is(err, syscall.EPERM) {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
