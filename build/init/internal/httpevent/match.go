package httpevent

import "strings"

// match is the route that answers a request, and its parameters.
type match struct {
	route      Route
	parameters map[string]string
}

// find looks a request up in the route table.
//
// An HTTP API takes the most specific route among those that allow the
// method. A REST API takes the most specific path, and has no answer if the
// method is missing there. REST APIs overlook a slash at the end; HTTP APIs
// are taken not to.
func (s *Settings) find(r *Request) (match, bool) {
	path := r.path()
	rest := s.Kind == APIGatewayV1
	if rest && len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	if len(s.Routes) == 0 {
		return s.catchAll(path), true
	}
	parts := segments(path)
	var best match
	found := false
	for _, route := range s.Routes {
		if !rest && !route.allows(r.Method) {
			continue
		}
		parameters, ok := route.bind(parts)
		if !ok {
			continue
		}
		if !found || route.before(best.route, r.Method) {
			best, found = match{route, parameters}, true
		}
	}
	if !found || !best.route.allows(r.Method) {
		return match{}, false
	}
	if best.route.Path == defaultPath {
		return s.catchAll(path), true
	}
	return best, true
}

// catchAll is the match of a table without routes, and of $default. REST APIs
// have no $default, but a resource that takes every path.
func (s *Settings) catchAll(path string) match {
	switch {
	case s.Kind != APIGatewayV1:
		return match{route: Route{anyMethod, defaultPath}}
	case path == "/":
		return match{route: Route{anyMethod, "/"}}
	default:
		return match{Route{anyMethod, "/{proxy+}"}, map[string]string{"proxy": unescape(path[1:])}}
	}
}

func (r Route) allows(method string) bool { return r.Method == anyMethod || r.Method == method }

// bind lays the route's path on a request's, which is cut at its slashes. An
// escaped slash is no cut. Parameters are decoded.
func (r Route) bind(parts []string) (parameters map[string]string, ok bool) {
	if r.Path == defaultPath {
		return nil, true
	}
	wanted := segments(r.Path)
	for i, segment := range wanted {
		if i >= len(parts) {
			return nil, false
		}
		name, kind := parameter(segment)
		value := parts[i]
		if kind == greedy {
			value = strings.Join(parts[i:], "/")
		}
		value = text(unescape(value))
		if kind == literal && value != segment || kind != literal && value == "" {
			return nil, false
		}
		if kind == literal {
			continue
		}
		if parameters == nil {
			parameters = map[string]string{}
		}
		parameters[name] = value
		if kind == greedy {
			return parameters, true
		}
	}
	return parameters, len(parts) == len(wanted)
}

// before is whether a route is to be preferred to another that fits the same
// path.
func (r Route) before(other Route, method string) bool {
	if order := compare(r.Path, other.Path); order != 0 {
		return order < 0
	}
	if r.allows(method) != other.allows(method) {
		return r.allows(method)
	}
	return r.Method == method && other.Method != method
}

// compare tells which of two paths that fit the same request is the more
// specific: the first segment in which they are of different sorts decides.
func compare(a, b string) int {
	if a == defaultPath || b == defaultPath {
		return order(a == defaultPath, b == defaultPath)
	}
	left, right := segments(a), segments(b)
	for i := 0; i < len(left) && i < len(right); i++ {
		_, x := parameter(left[i])
		_, y := parameter(right[i])
		if x != y {
			return int(x - y)
		}
	}
	return 0
}

// order puts false before true.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}
