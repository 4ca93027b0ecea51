package telemetry

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func split(chunks ...string) []string {
	var found []string
	l := NewLines(func(line []byte) { found = append(found, string(line)) })
	for _, chunk := range chunks {
		l.Write([]byte(chunk))
	}
	l.Flush()
	return found
}

func TestLines(t *testing.T) {
	full := strings.Repeat("x", maxLine)
	wide := strings.Repeat("x", maxLine-1) + "é" // its last character is across the limit
	cases := []struct {
		name     string
		chunks   []string
		expected []string
	}{
		{"nothing", nil, nil},
		{"empty chunks", []string{"", ""}, nil},
		{"one line", []string{"a\n"}, []string{"a"}},
		{"lines in a chunk", []string{"a\nb\n"}, []string{"a", "b"}},
		{"a line in chunks", []string{"a", "b", "c\nd", "\n"}, []string{"abc", "d"}},
		{"end of line alone", []string{"a", "\n", "\n"}, []string{"a", ""}},
		{"empty lines", []string{"\n\n"}, []string{"", ""}},
		{"no end", []string{"a\nb"}, []string{"a", "b"}},
		{"carriage returns stay", []string{"a\rb\r\n"}, []string{"a\rb\r"}},
		{"as long as can be", []string{full + "\n"}, []string{full}},
		{"as long as can be, its end apart", []string{full, "\n", "a"}, []string{full, "a"}},
		{"one too many", []string{full + "y\nz\n"}, []string{full, "y", "z"}},
		{"one too many, apart", []string{full, "y", "\nz\n"}, []string{full, "y", "z"}},
		{"several pieces", []string{full + full + "y\n"}, []string{full, full, "y"}},
		{"several pieces, in chunks", []string{"x", full + full + "y", "\n"}, []string{full, full, "xy"}},
		{"not within a character", []string{wide + "z\n"}, []string{full[1:], "éz"}},
		{"not within a character, apart", []string{wide, "z\n"}, []string{full[1:], "éz"}},
		{"no characters at all", []string{strings.Repeat("\x80", maxLine+2)}, []string{strings.Repeat("\x80", maxLine), "\x80\x80"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if found := split(c.chunks...); !slices.Equal(found, c.expected) {
				t.Errorf("expected %d lines %.80q, found %d %.80q", len(c.expected), c.expected, len(found), found)
			}
		})
	}
}

func TestLinesWithoutCopy(t *testing.T) {
	chunk := []byte("first\nsecond\nthird\n")
	l := NewLines(func(line []byte) { line[0] = 'X' })
	l.Write(chunk)
	if string(chunk) != "Xirst\nXecond\nXhird\n" {
		t.Errorf("whole lines were copied: the chunk is %q", chunk)
	}
	if found := testing.AllocsPerRun(10, func() { l.Write(chunk) }); found != 0 {
		t.Errorf("whole lines take %v allocations", found)
	}
}

func TestLinesGiveMemoryBack(t *testing.T) {
	l := NewLines(func([]byte) {})
	l.Write(make([]byte, maxLine))
	l.Write([]byte("\nx"))
	if cap(l.part) > keptLine {
		t.Errorf("%d bytes are kept for one", cap(l.part))
	}
}

// FuzzLines: however a stream is cut into chunks, its lines are the same, none
// is too long, and together they are the stream.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nbc\n\nd"), uint64(1), false)
	f.Add([]byte("é世\xff\n\r\n"), uint64(2), true)
	f.Add([]byte(""), uint64(3), true)
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, long bool) {
		if long {
			stream = append(bytes.Repeat([]byte("世"), maxLine/3), stream...)
		}
		random := rand.New(rand.NewPCG(seed, 0))
		var chunks []string
		for rest := string(stream); rest != ""; {
			n := min(1+random.IntN(1+len(rest)), len(rest))
			chunks = append(chunks, rest[:n])
			rest = rest[n:]
		}
		whole, cut := split(string(stream)), split(chunks...)
		if !slices.Equal(whole, cut) {
			t.Fatalf("%d lines in one chunk, %d in %d chunks", len(whole), len(cut), len(chunks))
		}
		var expected []string
		for line := range strings.Lines(string(stream)) {
			line = strings.TrimSuffix(line, "\n")
			for len(line) > maxLine {
				at := maxLine
				for i := range utf8.UTFMax {
					if utf8.RuneStart(line[maxLine-i]) {
						at = maxLine - i
						break
					}
				}
				expected = append(expected, line[:at])
				line = line[at:]
			}
			expected = append(expected, line)
		}
		if !slices.Equal(whole, expected) {
			t.Fatalf("expected %d lines, found %d", len(expected), len(whole))
		}
	})
}
