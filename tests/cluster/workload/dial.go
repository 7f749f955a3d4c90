package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// dial asks servers for their answers, one connection or datagram each, and fails if any is missing.
func dial(arguments []string) error {
	flags := flag.NewFlagSet("dial", flag.ContinueOnError)
	count := flags.Int("count", 1, "how often")
	timeout := flags.Duration("timeout", 2*time.Second, "time for each")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errors.New("workload: dial [-count N] [-timeout T] tcp|udp ADDRESS:PORT")
	}
	ask, known := map[string]func(context.Context, string) (string, error){"tcp": askTCP, "udp": askUDP}[flags.Arg(0)]
	if !known {
		return fmt.Errorf("workload: dial %q?", flags.Arg(0))
	}
	var failed error
	for range *count {
		limit, cancel := context.WithTimeout(context.Background(), *timeout)
		text, err := ask(limit, flags.Arg(1))
		cancel()
		fmt.Fprint(os.Stdout, text)
		failed = errors.Join(failed, err)
	}
	return failed
}

func askTCP(limit context.Context, address string) (string, error) {
	request, err := http.NewRequestWithContext(limit, http.MethodGet, "http://"+address, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

func askUDP(limit context.Context, address string) (string, error) {
	var dialer net.Dialer
	socket, err := dialer.DialContext(limit, "udp", address)
	if err != nil {
		return "", err
	}
	defer socket.Close()
	if deadline, set := limit.Deadline(); set {
		if err := socket.SetDeadline(deadline); err != nil {
			return "", err
		}
	}
	if _, err := socket.Write([]byte("?")); err != nil {
		return "", err
	}
	buffer := make([]byte, 2048)
	length, err := socket.Read(buffer)
	return string(buffer[:length]), err
}
