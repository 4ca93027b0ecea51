package invokeapi

import "imagemill/init/internal/wire"

// exposedHeaders are those that Lambda lets a browser's script read.
const exposedHeaders = "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date," +
	"x-amz-log-result,x-amz-function-error"

// allowOrigin answers a browser's cross-origin call.
func allowOrigin(header wire.Header, x *wire.Exchange) wire.Header {
	if x.Header.Get("Origin") == "" {
		return header
	}
	return append(header,
		wire.Field{Name: "Access-Control-Allow-Origin", Value: "*"},
		wire.Field{Name: "Access-Control-Expose-Headers", Value: exposedHeaders})
}

// servePreflight answers a browser that asks whether it may call.
func servePreflight(x *wire.Exchange) {
	if x.Header.Get("Origin") == "" {
		_ = x.Reply(403, nil, nil)
		return
	}
	header := append(allowOrigin(nil, x), wire.Field{Name: "Access-Control-Max-Age", Value: "172800"})
	header = echo(header, x, "Access-Control-Request-Headers", "Access-Control-Allow-Headers")
	header = echo(header, x, "Access-Control-Request-Method", "Access-Control-Allow-Methods")
	_ = x.Reply(200, header, nil)
}

func echo(header wire.Header, x *wire.Exchange, asked, allowed string) wire.Header {
	if value := x.Header.Get(asked); value != "" {
		return append(header, wire.Field{Name: allowed, Value: value})
	}
	return header
}
