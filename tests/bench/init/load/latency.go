package main

import (
	"slices"
	"time"
)

// latencies are the times of the good answers, in nanoseconds.
type latencies []int64

// summary is what is told of them, in microseconds.
type summary struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// summarise sorts the times and takes the nearest ranks.
func (l latencies) summarise() summary {
	if len(l) == 0 {
		return summary{}
	}
	slices.Sort(l)
	rank := func(percent int) float64 {
		at := (len(l)*percent + 99) / 100
		return micros(l[max(at, 1)-1])
	}
	return summary{P50: rank(50), P90: rank(90), P99: rank(99), Max: micros(l[len(l)-1])}
}

// micros turns nanoseconds to microseconds.
func micros(ns int64) float64 { return float64(ns) / float64(time.Microsecond) }
