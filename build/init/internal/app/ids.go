package app

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"imagemill/init/internal/config"
)

// newInstanceID returns 32 random hex digits. Ids only have to differ; crypto/rand
// would be a tenth of the program's size.
func newInstanceID() string {
	raw := randomBytes()
	return hex.EncodeToString(raw[:])
}

func randomBytes() (raw [16]byte) {
	binary.LittleEndian.PutUint64(raw[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(raw[8:], rand.Uint64())
	return raw
}

// newRequestID returns a request id: a UUID that says it is of version 1 as
// docker-lambda's do, or 4 as the emulator's.
func (p *program) newRequestID() string {
	version := byte(0x10)
	if p.cfg.Mode == config.RIE {
		version = 0x40
	}
	raw := randomBytes()
	raw[6] = raw[6]&0x0f | version
	raw[8] = raw[8]&0x3f | 0x80
	var id [36]byte
	hex.Encode(id[0:8], raw[0:4])
	hex.Encode(id[9:13], raw[4:6])
	hex.Encode(id[14:18], raw[6:8])
	hex.Encode(id[19:23], raw[8:10])
	hex.Encode(id[24:36], raw[10:16])
	id[8], id[13], id[18], id[23] = '-', '-', '-', '-'
	return string(id[:])
}
