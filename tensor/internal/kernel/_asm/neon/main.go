// Program neon writes the arm64 assembly of package kernel. avo, which writes that of amd64, knows no other
// processor, so this program brings a small assembler of its own: function.go records instructions on virtual
// registers, registers.go gives them real ones, program.go prints, and instruction.go encodes what Go's
// assembler has no name for. The other files are the kernels. go generate in package kernel runs it.
package main

import (
	"flag"
	"log"
	"os"
	"strings"
)

func main() {
	log.SetFlags(0)
	out := flag.String("out", "", "file to write the assembly to")
	stubs := flag.String("stubs", "", "file to write the Go declarations to")
	flag.Parse()

	p := &program{command: "go run ./neon " + strings.Join(os.Args[1:], " ")}
	tile(p)
	pack(p)
	transpose8x4(p)
	elementwise(p)
	reductions(p)
	softmax(p)
	attention(p)
	layerNorm(p)
	activations(p)
	for name, text := range map[string]string{*out: p.assembly(), *stubs: p.stubs()} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
