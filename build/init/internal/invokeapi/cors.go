package invokeapi

import "net/http"

// exposedHeaders are those that Lambda lets a browser's script read.
const exposedHeaders = "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date," +
	"x-amz-log-result,x-amz-function-error"

// allowOrigin answers a browser's cross-origin call.
func allowOrigin(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") == "" {
		return
	}
	setHeader(w, "Access-Control-Allow-Origin", "*")
	setHeader(w, "Access-Control-Expose-Headers", exposedHeaders)
}

// servePreflight answers a browser that asks whether it may call.
func servePreflight(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") == "" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	allowOrigin(w, r)
	setHeader(w, "Access-Control-Max-Age", "172800")
	echo(w, r, "Access-Control-Request-Headers", "Access-Control-Allow-Headers")
	echo(w, r, "Access-Control-Request-Method", "Access-Control-Allow-Methods")
	w.WriteHeader(http.StatusOK)
}

func echo(w http.ResponseWriter, r *http.Request, asked, allowed string) {
	if value := r.Header.Get(asked); value != "" {
		setHeader(w, allowed, value)
	}
}
