package data

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Skipped is files or folders of one kind that Open left out.
type Skipped struct {
	Ext     string // of the files, in lower case, or the name of their format; empty: they are folders
	Count   int
	Example string // the first one's path in the set's FS
	Why     string // and what to do, such as "cannot be read: save as JPEG"
}

// Why files and folders are left out.
const (
	unreadable   = "cannot be read: save as JPEG"
	notHere      = "in iCloud alone: download it"
	outside      = "outside the class folders"
	besideSplits = "folder beside the splits"
	systemFolder = "system folder"
	linkedFolder = "link to a folder"
	circle       = "link to a folder that it is in"
)

// String returns such as "214 .heic, such as A/1.heic (cannot be read: save as JPEG)", or "2 system folders,
// such as A/@eaDir".
func (s Skipped) String() string {
	such := ", such as "
	if s.Count == 1 {
		such = ", "
	}
	if s.Ext != "" {
		return fmt.Sprintf("%d %s%s%s (%s)", s.Count, s.Ext, such, s.Example, s.Why)
	}
	first, rest, _ := strings.Cut(s.Why, " ")
	if s.Why == systemFolder {
		first, rest = s.Why, ""
	}
	if s.Count > 1 {
		first += "s"
	}
	return fmt.Sprintf("%d %s%s%s", s.Count, strings.TrimSpace(first+" "+rest), such, s.Example)
}

// LeftOut says in one line what is left out, empty if that is nothing: "215 files left out: 214 .heic, such as
// A/1.heic (cannot be read: save as JPEG); 1 .jpg, top.jpg (outside the class folders); 2 system folders, such
// as A/@eaDir".
func LeftOut(all []Skipped) string {
	var files, folders []string
	n := 0
	for _, s := range all {
		if s.Ext == "" {
			folders = append(folders, s.String())
			continue
		}
		n += s.Count
		files = append(files, s.String())
	}
	line := strings.Join(slices.Concat(files, folders), "; ")
	switch {
	case n == 1:
		return "1 file left out: " + line
	case n > 1:
		return fmt.Sprintf("%d files left out: %s", n, line)
	case line != "":
		return "left out: " + line
	}
	return ""
}

// skip notes a file or folder that is left out.
func (t *tree) skip(name, ext, why string) {
	i := slices.IndexFunc(t.skipped, func(of Skipped) bool { return of.Ext == ext && of.Why == why })
	if i < 0 {
		i = len(t.skipped)
		t.skipped = append(t.skipped, Skipped{Ext: ext, Example: name, Why: why})
	}
	t.skipped[i].Count++
}

// noteImages notes the images of f itself, which should hold folders alone.
func (t *tree) noteImages(f *folder) {
	for _, e := range f.entries {
		if e.sub == nil {
			t.skip(path.Join(f.path, e.name), cmp.Or(extension(e.name), "image"), outside)
		}
	}
}
