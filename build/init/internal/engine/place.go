package engine

import (
	"sync/atomic"

	"imagemill/init/internal/extension"
	"imagemill/init/internal/runtimeapi"
	"imagemill/init/internal/wire"
)

// Place is where the processes of one environment find their APIs.
type Place struct {
	// API is the Runtime API, and Address where it listens.
	API     *runtimeapi.Server
	Address string

	extensions atomic.Pointer[extension.Registry]
}

// Serve answers the runtime and the extensions; false when the path is not of
// their APIs.
func (p *Place) Serve(x *wire.Exchange) bool {
	if p.API.Serve(x) {
		return true
	}
	registry := p.extensions.Load()
	return registry != nil && registry.Serve(x)
}
