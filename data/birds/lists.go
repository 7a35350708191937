package birds

import (
	"bytes"
	"fmt"
	"strings"
)

// lists returns the text files of the set, by name: those of CUB-200-2011, and ours.
func (c Config) lists(seen []sight) map[string]*bytes.Buffer {
	files := make(map[string]*bytes.Buffer)
	line := func(file, format string, values ...any) {
		if files[file] == nil {
			files[file] = new(bytes.Buffer)
		}
		fmt.Fprintf(files[file], format+"\n", values...)
	}
	c.listClasses(line)
	listAttributes(line)
	each := c.Train + c.Test
	for i, s := range seen {
		id, species, index := i+1, i/each, i%each
		line("images.txt", "%d %s", id, strings.TrimPrefix(c.Path(species, index), "images/"))
		line("image_class_labels.txt", "%d %d", id, species+1)
		line("train_test_split.txt", "%d %d", id, bit(index < c.Train))
		line("scenes.txt", "%d %d", id, c.Scene(species, index).Seed)
		line("bounding_boxes.txt", "%d %.1f %.1f %.1f %.1f", id,
			float64(s.box.Min.X), float64(s.box.Min.Y), float64(s.box.Dx()), float64(s.box.Dy()))
		for p, at := range s.points {
			if at.X < 0 {
				line("parts/part_locs.txt", "%d %d 0.0 0.0 0", id, p+1)
			} else {
				line("parts/part_locs.txt", "%d %d %.1f %.1f 1", id, p+1, float64(at.X)+0.5, float64(at.Y)+0.5)
			}
		}
		attribute := 0
		for k, v := range c.Species[species].Traits {
			visible := s.points[int(NumParts)+k].X >= 0
			certainty := 1 + 3*bit(visible) // not visible, or definitely
			for j := range kinds[k].values {
				attribute++
				line("attributes/image_attribute_labels.txt", "%d %d %d %d 0.0", id, attribute, bit(visible && j == int(v)), certainty)
			}
		}
	}
	return files
}

// listClasses lists the species and their differences.
func (c Config) listClasses(line func(file, format string, values ...any)) {
	line("taxonomy.csv", "class,name,genus,family")
	line("differences.csv", "class_a,class_b,kind,value_a,value_b")
	for i, s := range c.Species {
		line("classes.txt", "%d %s", i+1, c.Class(i))
		line("taxonomy.csv", "%d,%s,%s,%s", i+1, s.Name, s.Genus, s.Family)
		for j, other := range c.Species {
			for _, k := range s.Traits.Diff(other.Traits) {
				line("differences.csv", "%d,%d,%s,%s,%s", i+1, j+1, k,
					kinds[k].values[s.Traits[k]].name, kinds[k].values[other.Traits[k]].name)
			}
		}
		var shares []string
		for k, v := range s.Traits {
			for j := range kinds[k].values {
				shares = append(shares, fmt.Sprintf("%.1f", float64(100*bit(j == int(v)))))
			}
		}
		line("attributes/class_attribute_labels_continuous.txt", "%s", strings.Join(shares, " "))
	}
}

// listAttributes numbers the parts, the attributes and the certainties.
func listAttributes(line func(file, format string, values ...any)) {
	for p := range NumParts {
		line("parts/parts.txt", "%d %s", p+1, p)
	}
	attribute := 0
	for k := range NumKinds {
		line("parts/parts.txt", "%d place of %s", int(NumParts)+int(k)+1, k)
		for _, v := range k.Values() {
			attribute++
			line("attributes/attributes.txt", "%d has_%s::%s", attribute, underscored(k.String()), underscored(v))
		}
	}
	for i, name := range []string{"not visible", "guessing", "probably", "definitely"} {
		line("attributes/certainties.txt", "%d %s", i+1, name)
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
