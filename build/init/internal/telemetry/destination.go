package telemetry

import (
	"slices"
	"strconv"
	"strings"
)

const (
	// loopback is where the hosts of an execution environment are.
	loopback = "127.0.0.1"
	// reservedPort belongs to the Runtime API.
	reservedPort = 9001
)

var sandboxHosts = []string{"sandbox.localdomain", "sandbox", "localhost", loopback}

// parseDestination reads where events shall go. For TCP, a port alone will do.
func parseDestination(protocol, uri string, port *int64, wrong *faults) Destination {
	d := Destination{Protocol: protocol}
	if protocol != httpProtocol && protocol != tcpProtocol {
		wrong.add("protocol should be %s or %s", httpProtocol, tcpProtocol)
		return d
	}
	if uri == "" && protocol == tcpProtocol && port != nil {
		uri = "tcp://" + sandboxHosts[0] + ":" + strconv.FormatInt(*port, 10)
	}
	if uri == "" {
		wrong.add("URI is not provided")
		return d
	}
	authority, path, ok := splitURI(protocol, uri)
	if !ok {
		wrong.add("URI should be like http://%s:8080", sandboxHosts[0])
		return d
	}
	host, portText, _ := strings.Cut(authority, ":")
	if !slices.Contains(sandboxHosts, strings.ToLower(host)) {
		wrong.add("URI host should be %s", sandboxHosts[0])
	}
	number := checkPort(portText, wrong)
	d.Address = loopback + ":" + strconv.Itoa(number)
	d.Host, d.Path = authority, path
	return d
}

func checkPort(text string, wrong *faults) int {
	if text == "" {
		wrong.add("URI port is not provided")
		return 0
	}
	number, err := strconv.ParseUint(text, 10, 16)
	switch {
	case err != nil || number == 0:
		wrong.add("URI port should be a number from 1 to 65535")
	case number == reservedPort:
		wrong.add("URI port %d is reserved", reservedPort)
	}
	return int(number)
}

// splitURI returns what is between the scheme and the path, and the path with
// what follows it. TCP has no scheme of its own in the documentation, so that
// of HTTP and none are taken too.
func splitURI(protocol, uri string) (authority, path string, ok bool) {
	if strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		// It becomes part of a request's head.
		return "", "", false
	}
	scheme, rest, found := strings.Cut(uri, "://")
	switch {
	case !found && protocol == tcpProtocol:
		rest = uri
	case !found:
		return "", "", false
	case strings.EqualFold(scheme, "http"):
	case strings.EqualFold(scheme, "tcp") && protocol == tcpProtocol:
	default:
		return "", "", false
	}
	rest, _, _ = strings.Cut(rest, "#")
	end := strings.IndexAny(rest, "/?")
	switch {
	case end < 0:
		return rest, "/", true
	case rest[end] == '?':
		return rest[:end], "/" + rest[end:], true
	default:
		return rest[:end], rest[end:], true
	}
}
