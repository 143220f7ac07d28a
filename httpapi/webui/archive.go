package webui

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"compress/gzip"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

//go:embed all:assets
var embedded embed.FS

// Version is that of the package that the UIs are taken from.
const Version = "3.9.1"

const archiveName = "assets/ui.zip"

// placeholder is what stands in the files for the path under which they are served.
const placeholder = "/PREFECT_UI_SERVE_BASE_REPLACE_PLACEHOLDER"

// archive is the files of the UIs, compressed, as they are sent.
type archive struct {
	data  []byte
	files map[string]*zip.File
}

// openArchive opens what is in a folder, or else what is embedded. Without either there
// are no UIs: nil.
func openArchive(folder string) (*archive, error) {
	data, err := embedded.ReadFile(archiveName)
	switch {
	case folder != "":
		if data, err = pack(folder); err != nil {
			return nil, fmt.Errorf("user interface in %s: %w", folder, err)
		}
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("user interface: %w", err)
	}
	a := &archive{data: data, files: map[string]*zip.File{}}
	for _, f := range z.File {
		if !f.FileInfo().IsDir() {
			a.files[f.Name] = f
		}
	}
	return a, nil
}

// pack makes an archive of a folder.
func pack(folder string) ([]byte, error) {
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	for _, site := range []string{"ui", "ui-v2"} {
		if err := packSite(w, folder, site); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

func packSite(w *zip.Writer, folder, site string) error {
	root := os.DirFS(filepath.Join(folder, site))
	return fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		out, err := w.CreateHeader(&zip.FileHeader{Name: path.Join(site, name), Method: zip.Deflate, Modified: info.ModTime()})
		if err == nil {
			_, err = out.Write(content)
		}
		return err
	})
}

// site is one of the UIs, for one path.
type site struct {
	*archive
	folder string // in the archive
	base   string // that replaces the placeholder

	mu     sync.Mutex
	edited map[string]*file // those that have a placeholder; nil for those that were looked at and have none
}

// file is one that can be sent.
type file struct {
	plain  []byte // nil if only the other is at hand
	zipped []byte // as gzip; nil if that is not worth it
	kind   string // content type
	tag    string // quoted
	source *zip.File
}

// find gives the file of a name.
func (s *site) find(name string) (*file, error) {
	source := s.files[path.Join(s.folder, name)]
	if source == nil {
		return nil, fs.ErrNotExist
	}
	if edited, err := s.edit(name, source); edited != nil || err != nil {
		return edited, err
	}
	offset, err := source.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("user interface: %s: %w", name, err)
	}
	content := s.data[offset : offset+int64(source.CompressedSize64)]
	f := &file{kind: kindOf(name), source: source, tag: `"` + strconv.FormatUint(uint64(source.CRC32), 16) + "-" + strconv.FormatUint(source.UncompressedSize64, 16) + `"`}
	switch source.Method {
	case zip.Store:
		f.plain = content
	case zip.Deflate:
		f.zipped = gzipped(content, source)
	default:
		return nil, fmt.Errorf("user interface: %s is compressed in a way that is not known", name)
	}
	return f, nil
}

// gzipped puts what gzip has around a deflated content, which is the same in both.
func gzipped(content []byte, source *zip.File) []byte {
	out := make([]byte, 0, len(content)+18)
	out = append(out, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff)
	out = append(out, content...)
	out = binary.LittleEndian.AppendUint32(out, source.CRC32)
	return binary.LittleEndian.AppendUint32(out, uint32(source.UncompressedSize64))
}

// edit gives a file with the path in place of the placeholder, nil if it has none.
func (s *site) edit(name string, source *zip.File) (*file, error) {
	switch path.Ext(name) {
	case ".html", ".js", ".css", ".json", ".txt":
	default:
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, known := s.edited[name]; known {
		return f, nil
	}
	f, err := s.editAnew(name, source)
	if err != nil {
		return nil, fmt.Errorf("user interface: %s: %w", name, err)
	}
	s.edited[name] = f
	return f, nil
}

func (s *site) editAnew(name string, source *zip.File) (*file, error) {
	plain, err := unpack(source)
	if err != nil || !bytes.Contains(plain, []byte(placeholder)) {
		return nil, err
	}
	f := &file{plain: bytes.ReplaceAll(plain, []byte(placeholder), []byte(s.base)), kind: kindOf(name), source: source}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write(f.plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	f.zipped = zipped.Bytes()
	f.tag = fmt.Sprintf(`"%x-%x-%x"`, source.CRC32, len(f.plain), len(s.base))
	return f, nil
}

func unpack(source *zip.File) ([]byte, error) {
	r, err := source.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// content is the file as it is.
func (f *file) content() ([]byte, error) {
	if f.plain != nil {
		return f.plain, nil
	}
	return io.ReadAll(flate.NewReader(bytes.NewReader(f.zipped[10 : len(f.zipped)-8])))
}

func kindOf(name string) string {
	return cmp.Or(kinds[path.Ext(name)], mime.TypeByExtension(path.Ext(name)), "application/octet-stream")
}

// kinds are those that must not depend on what the machine knows.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/vnd.microsoft.icon",
	".txt": "text/plain; charset=utf-8", ".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".webmanifest": "application/manifest+json",
}

// inside is a name within a site for a path below its base.
func inside(p string) string {
	return strings.TrimPrefix(path.Clean("/"+p), "/")
}
