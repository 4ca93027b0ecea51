package app

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

func withHTTP(t *testing.T, kind string, env ...string) *run {
	t.Helper()
	return begin(t, options{args: []string{"http"}, open: true,
		env: append([]string{"DOCKER_LAMBDA_HTTP_EVENT=" + kind, "DOCKER_LAMBDA_HTTP_PORT=0", "AWS_LAMBDA_FUNCTION_TIMEOUT=1"}, env...)})
}

// get calls a path of the HTTP front.
func get(t *testing.T, r *run, path string) (*http.Response, string) {
	t.Helper()
	res, err := client.Get("http://" + r.at.HTTP + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestHTTPEvents(t *testing.T) {
	t.Parallel()
	cases := []struct{ kind, key, value string }{
		{"apigw-v1", "path", `"/http-echo"`},
		{"apigw-v2", "rawPath", `"/http-echo"`},
		{"function-url", "rawPath", `"/http-echo"`},
		{"alb", "path", `"/http-echo"`},
	}
	for _, c := range cases {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			r := withHTTP(t, c.kind)
			r.stderr.wait(t, "HTTP requests become "+c.kind+" events on port ", 1)
			res, body := get(t, r, "/http-echo?a=1")
			equal(t, "status", res.StatusCode, 200)
			var event map[string]json.RawMessage
			if err := json.Unmarshal([]byte(body), &event); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			equal(t, c.key, string(event[c.key]), c.value)
			res, _ = get(t, r, "/teapot")
			equal(t, "status", res.StatusCode, 418)
			equal(t, "header", res.Header.Get("X-Test"), "yes")
		})
	}
}

func TestHTTPFailures(t *testing.T) {
	t.Parallel()
	cases := []struct {
		kind   string
		status int
		body   string
	}{
		{"apigw-v1", 502, `{"message": "Internal server error"}`},
		{"apigw-v2", 500, `{"message":"Internal Server Error"}`},
		{"function-url", 502, "Internal Server Error"},
		{"alb", 502, "502 Bad Gateway"},
	}
	for _, c := range cases {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			r := withHTTP(t, c.kind)
			for _, path := range []string{"/fail", "/exit", "/hang", "/malformed"} {
				res, body := get(t, r, path)
				equal(t, path, res.StatusCode, c.status)
				contains(t, path, body, c.body)
			}
			r.stderr.wait(t, "The function's answer to request ", 1)
		})
	}
}

func TestHTTPRoutes(t *testing.T) {
	t.Parallel()
	r := withHTTP(t, "apigw-v2", "DOCKER_LAMBDA_HTTP_ROUTES=GET /http-echo/{id}")
	_, body := get(t, r, "/http-echo/7")
	contains(t, "event", body, `"pathParameters":{"id":"7"}`)
	res, body := get(t, r, "/other")
	equal(t, "status", res.StatusCode, 404)
	equal(t, "body", body, `{"message":"Not Found"}`)
}

func TestHTTPTooLarge(t *testing.T) {
	t.Parallel()
	r := withHTTP(t, "alb")
	res, err := client.Post("http://"+r.at.HTTP+"/http-echo", "text/plain", strings.NewReader(strings.Repeat("x", 1<<20+1)))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	equal(t, "status", res.StatusCode, 413)
}

func TestHTTPStreaming(t *testing.T) {
	t.Parallel()
	r := withHTTP(t, "function-url", "DOCKER_LAMBDA_HTTP_STREAMING=1")
	t.Run("with a prelude", func(t *testing.T) {
		res, body := get(t, r, "/stream-http")
		equal(t, "status", res.StatusCode, 201)
		equal(t, "header", res.Header.Get("X-Test"), "yes")
		equal(t, "cookie", res.Header.Get("Set-Cookie"), "a=b")
		equal(t, "body", body, "one,two,three")
	})
	t.Run("without", func(t *testing.T) {
		res, body := get(t, r, "/stream")
		equal(t, "status", res.StatusCode, 200)
		equal(t, "content type", res.Header.Get("Content-Type"), "application/octet-stream")
		equal(t, "body", body, "one,two,three")
	})
	t.Run("not streamed", func(t *testing.T) {
		res, _ := get(t, r, "/teapot")
		equal(t, "status", res.StatusCode, 418)
	})
	t.Run("nothing but a prelude", func(t *testing.T) {
		res, _ := get(t, r, "/stream-prelude-only")
		equal(t, "status", res.StatusCode, 502)
	})
	t.Run("breaks", func(t *testing.T) {
		res, err := client.Get("http://" + r.at.HTTP + "/stream-break")
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if err == nil && res.StatusCode == 200 {
			t.Error("a response that broke off was taken for whole")
		}
	})
}
