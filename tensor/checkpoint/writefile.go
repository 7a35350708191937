package checkpoint

import (
	"bufio"
	"io"
	"os"

	"github.com/promptcam/promptcam/tensor/machine"
)

// WriteFile replaces a file by what write writes, whole or not at all, as machine.Replace does. Errors begin
// with path.
func WriteFile(path string, write func(io.Writer) error) error {
	return machine.Replace(path, func(f *os.File) error {
		w := bufio.NewWriterSize(f, 1<<16)
		if err := write(w); err != nil {
			return err
		}
		return w.Flush()
	})
}
