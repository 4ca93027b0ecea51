package httpevent

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseRoutes(t *testing.T) {
	cases := []struct{ name, text, expected string }{
		{"none", "", "[]"},
		{"only separators", " ,\n, ", "[]"},
		{"all sorts", "GET /users/{id}, ANY /files/{proxy+}, $default", "[{GET /users/{id}} {ANY /files/{proxy+}} {ANY $default}]"},
		{"lines", "GET /a\r\n  post\t/b\n", "[{GET /a} {POST /b}]"},
		{"the root", "GET /", "[{GET /}]"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found, err := ParseRoutes(c.text)
			if err != nil || fmt.Sprint(found) != c.expected {
				t.Errorf("expected %s, found %v, %v", c.expected, found, err)
			}
		})
	}
}

func TestParseRoutesErrors(t *testing.T) {
	cases := []struct{ name, text, expected string }{
		{"no method", "/users", `write a method and a path`},
		{"too much", "GET /users now", `write a method and a path`},
		{"unknown method", "FETCH /users", `unknown method`},
		{"no slash", "GET users", `write /users`},
		{"half a parameter", "GET /x{id}", `is not the whole of "x{id}"`},
		{"an open brace", "GET /{id", `is not the whole of "{id"`},
		{"no name", "GET /{}", `a parameter named ""`},
		{"no name but greedy", "GET /{+}", `a parameter named ""`},
		{"odd name", "GET /{a$b}", `a parameter named "a$b"`},
		{"a name twice", "GET /{a}/{a}", `the parameter "a" twice`},
		{"greedy in between", "GET /{a+}/b", `a greedy parameter must be the last`},
		{"a route twice", "GET /a, get /a", `"GET /a" is there twice`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseRoutes(c.text)
			if err == nil || !strings.Contains(err.Error(), c.expected) {
				t.Errorf("expected an error with %q, found %v", c.expected, err)
			}
		})
	}
}

func TestRouting(t *testing.T) {
	const table = "$default, ANY /{all+}, GET /pets/{more+}, GET /pets/{kind}/{id}, GET /pets/dog/{id}, GET /pets/dog/1, ANY /pets/dog/1, POST /pets, GET /"
	const noDefault = "GET /pets/{id}, ANY /pets/{id}/{rest+}, POST /{all+}"
	cases := []struct {
		name, table, method, path string
		// v2 and v1 are the route keys and the resources found; "" is none.
		v2, v1 string
	}{
		{"literals first", table, "GET", "/pets/dog/1", "GET /pets/dog/1", "/pets/dog/1"},
		{"ANY for other methods", table, "PUT", "/pets/dog/1", "ANY /pets/dog/1", "/pets/dog/1"},
		{"one parameter before two", table, "GET", "/pets/dog/2", "GET /pets/dog/{id}", "/pets/dog/{id}"},
		{"parameters before greedy", table, "GET", "/pets/cat/2", "GET /pets/{kind}/{id}", "/pets/{kind}/{id}"},
		{"greedy", table, "GET", "/pets/cat/2/3", "GET /pets/{more+}", "/pets/{more+}"},
		{"a longer literal before greedy", table, "GET", "/x", "ANY /{all+}", "/{all+}"},
		{"the root", table, "GET", "/", "GET /", "/"},
		{"the default", table, "POST", "/", "$default", ""},
		{"method missing on the best path", table, "POST", "/pets/dog/2", "ANY /{all+}", ""},
		{"greedy takes something", noDefault, "POST", "/", "", ""},
		{"no route", noDefault, "GET", "/other", "", ""},
		{"a slash at the end", noDefault, "GET", "/pets/1/", "", "/pets/{id}"},
		{"an escaped slash is none", noDefault, "GET", "/pets/1%2F2", "GET /pets/{id}", "/pets/{id}"},
		{"escaped literals", noDefault, "GET", "/%70ets/1", "GET /pets/{id}", "/pets/{id}"},
		{"no table", "", "PUT", "/a/b", "$default", "/{proxy+}"},
		{"no table, the root", "", "PUT", "/", "$default", "/"},
		{"only the default", "$default", "PUT", "/a", "$default", "/{proxy+}"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			checkRoute(t, APIGatewayV2, "routeKey", c.table, c.method, c.path, c.v2)
			checkRoute(t, APIGatewayV1, "resource", c.table, c.method, c.path, c.v1)
		})
	}
}

func checkRoute(t *testing.T, kind Kind, key, table, method, path, expected string) {
	t.Helper()
	routes, err := ParseRoutes(table)
	if err != nil {
		t.Fatal(err)
	}
	s, r := settings(kind), bareRequest()
	r.Method, r.RawPath = method, path
	// The order of the table is of no account.
	for range 2 {
		s.Routes = append([]Route(nil), routes...)
		for i, j := 0, len(routes)-1; i < j; i, j = i+1, j-1 {
			routes[i], routes[j] = routes[j], routes[i]
		}
		if _, ok := Event(s, r); !ok {
			if expected != "" {
				t.Errorf("%s: expected %q, found no route", kind, expected)
			}
			continue
		}
		if found := object(t, s, r)[key]; found != expected {
			t.Errorf("%s: expected %q, found %q", kind, expected, found)
		}
	}
}

func TestPathParameters(t *testing.T) {
	cases := []struct{ name, table, path, expected string }{
		{"none", "GET /a", "/a", "map[]"},
		{"decoded", "GET /{x}", "/caf%C3%A9+%2F", "map[x:café+/]"},
		{"greedy keeps slashes", "GET /a/{x}/{rest+}", "/a/1/b/c%20d", "map[rest:b/c d x:1]"},
		{"the name may have a dot", "GET /{a.b}", "/1", "map[a.b:1]"},
		{"none for the default", "$default", "/1", "map[]"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, r := settings(APIGatewayV2), bareRequest()
			routes, err := ParseRoutes(c.table)
			if err != nil {
				t.Fatal(err)
			}
			s.Routes, r.RawPath = routes, c.path
			found, ok := object(t, s, r)["pathParameters"]
			if !ok {
				found = map[string]any{}
			}
			if fmt.Sprint(found) != c.expected {
				t.Errorf("expected %s, found %v", c.expected, found)
			}
		})
	}
}

func TestOthersKnowNoRoutes(t *testing.T) {
	for _, kind := range []Kind{FunctionURL, ALB} {
		s := settings(kind)
		s.Routes = []Route{{"POST", "/nowhere"}}
		if _, ok := Event(s, bareRequest()); !ok {
			t.Errorf("%s: expected an event, found no route", kind)
		}
	}
}

func FuzzParseRoutes(f *testing.F) {
	f.Add("GET /users/{id}, ANY /files/{proxy+}, $default", "/users/1")
	f.Add("GET /{", "/")
	f.Add("ANY //{a+}", "//")
	f.Fuzz(func(t *testing.T, table, path string) {
		routes, err := ParseRoutes(table)
		if err != nil {
			return
		}
		var keys []string
		for _, route := range routes {
			keys = append(keys, route.key())
		}
		again, err := ParseRoutes(strings.Join(keys, ", "))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(routes) {
			t.Errorf("expected %v again, found %v, %v", routes, again, err)
		}
		r := bareRequest()
		r.RawPath = path
		for _, kind := range kinds {
			s := settings(kind)
			s.Routes = routes
			if _, ok := Event(s, r); ok {
				object(t, s, r)
			}
		}
	})
}
