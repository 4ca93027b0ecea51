package httpevent

import (
	"fmt"
	"strings"
)

// Route is a row of a route table: a method and a path such as /users/{id} or
// /files/{proxy+}. The method ANY stands for all. The route $default has that
// word for a path, and ANY for a method.
type Route struct{ Method, Path string }

const (
	anyMethod   = "ANY"
	defaultPath = "$default"
)

var methods = set(anyMethod, "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

// key is the route as API Gateway writes it.
func (r Route) key() string {
	if r.Path == defaultPath {
		return defaultPath
	}
	return r.Method + " " + r.Path
}

// ParseRoutes reads routes with commas or line breaks between them:
// "GET /users/{id}, ANY /files/{proxy+}, $default".
func ParseRoutes(text string) ([]Route, error) {
	var routes []Route
	seen := map[string]bool{}
	for item := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == ',' || c == '\n' || c == '\r' }) {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		route, err := parseRoute(item)
		if err != nil {
			return nil, err
		}
		if seen[route.key()] {
			return nil, fmt.Errorf("the route %q is there twice: leave one out", route.key())
		}
		seen[route.key()] = true
		routes = append(routes, route)
	}
	return routes, nil
}

func parseRoute(item string) (Route, error) {
	if item == defaultPath {
		return Route{anyMethod, defaultPath}, nil
	}
	words := strings.Fields(item)
	if len(words) != 2 {
		return Route{}, fmt.Errorf(`%q is no route: write a method and a path, as in "GET /users/{id}", or "$default"`, item)
	}
	route := Route{strings.ToUpper(words[0]), words[1]}
	if !methods[route.Method] {
		return Route{}, fmt.Errorf("the route %q has an unknown method: use GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or ANY", item)
	}
	if err := checkPath(route.Path); err != nil {
		return Route{}, fmt.Errorf("the route %q %w", item, err)
	}
	return route, nil
}

func checkPath(path string) error {
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("has a path that does not begin with a slash: write /%s", path)
	}
	parts := segments(path)
	names := map[string]bool{}
	for i, part := range parts {
		name, sort := parameter(part)
		if sort == literal {
			if strings.ContainsAny(part, "{}") {
				return fmt.Errorf("has a parameter that is not the whole of %q: let it fill the part between two slashes", part)
			}
			continue
		}
		switch {
		case !isParameterName(name):
			return fmt.Errorf("has a parameter named %q: use letters, digits, '.', '_', ':' and '-'", name)
		case names[name]:
			return fmt.Errorf("has the parameter %q twice: give them different names", name)
		case sort == greedy && i != len(parts)-1:
			return fmt.Errorf("goes on after {%s+}: a greedy parameter must be the last", name)
		}
		names[name] = true
	}
	return nil
}

func isParameterName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && !strings.ContainsRune("._:-", rune(c)) {
			return false
		}
	}
	return name != ""
}

// sort is what a segment of a route's path is. The smaller is the more
// specific.
type sort int

const (
	literal sort = iota
	single
	greedy
)

// parameter is the name in a segment such as {id} or {proxy+}.
func parameter(segment string) (name string, kind sort) {
	inner, ok := strings.CutPrefix(segment, "{")
	if !ok {
		return "", literal
	}
	if inner, ok = strings.CutSuffix(inner, "}"); !ok {
		return "", literal
	}
	if name, ok = strings.CutSuffix(inner, "+"); ok {
		return name, greedy
	}
	return inner, single
}

func segments(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }
