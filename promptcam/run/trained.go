package run

import (
	"fmt"
	"strconv"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
)

// Trained is a model from a file, and what the file says of it.
type Trained struct {
	*promptcam.Model
	Classes   []string // nil: the file does not say
	Transform data.Transform
	File      string // beside which cached features may be; may be empty
}

// Names gives the classes of a model whose file does not name them those of set or, if that is nil,
// their numbers from 1.
func (m *Trained) Names(set *data.Set) error {
	switch {
	case m.Classes != nil:
	case set == nil:
		for i := range m.Config.Classes {
			m.Classes = append(m.Classes, strconv.Itoa(i+1))
		}
	case len(set.Classes) != m.Config.Classes:
		return fmt.Errorf("-load %s has %d classes, -data %s has %d", m.File, m.Config.Classes, set.Root, len(set.Classes))
	default:
		m.Classes = set.Classes
	}
	return nil
}

// fit returns the set with its classes numbered as m numbers them.
func (m *Trained) fit(set *data.Set) (*data.Set, error) {
	if err := m.Names(set); err != nil {
		return nil, err
	}
	again, err := renumber(set, m.Classes)
	if err != nil {
		return nil, fmt.Errorf("-data %s does not fit -load %s: %w", set.Root, m.File, err)
	}
	return again, nil
}
