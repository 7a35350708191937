package download

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// part is a file that may be partially downloaded.
type part struct {
	File
	Options
	path string
}

// origin is the version of a file that a part is the beginning of.
type origin struct {
	URL string `json:"url"`
	// The strong ETag, or else the date of the last change (RFC 9110, section 13.1.5).
	Validator string `json:"validator"`
}

// A refusal is an answer that another try would not change.
type refusal struct{ error }

func refuse(format string, a ...any) error { return refusal{fmt.Errorf(format, a...)} }

var errStalled = errors.New("the server went silent")

// complete downloads until the part has all bytes.
func (p *part) complete(ctx context.Context) error {
	most, err := p.size()
	if err != nil {
		return err
	}
	if most == p.Size && p.SHA256 == "" && p.MD5 == "" {
		// Nothing but the server can say whose bytes these are, and it does when it is asked for the last.
		most--
		if err := os.Truncate(p.path, most); err != nil {
			return err
		}
	}
	for try := 1; most < p.Size; try++ {
		err := p.attempt(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.As(err, new(refusal)) {
			return err
		}
		n, e := p.size()
		if e != nil {
			return e
		}
		if n > most { // a server that starts over each time must get farther each time
			most, try = n, 0
		} else if try == p.Tries {
			return fmt.Errorf("gave up after %d connections that brought nothing, with %d of %d bytes: %w", try, n, p.Size, err)
		}
		if try > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(p.Pause << (try - 1)):
			}
		}
	}
	return nil
}

// size returns how many bytes have come. It removes a part that is longer than the file.
func (p *part) size() (int64, error) {
	info, err := lstat(p.path)
	switch {
	case err != nil || info == nil:
		return 0, err
	case info.Size() > p.Size:
		return 0, p.remove()
	}
	return info.Size(), nil
}

func (p *part) remove() error {
	var errs []error
	for _, path := range []string{p.path, p.path + ".json"} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// attempt appends what one connection delivers.
func (p *part) attempt(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	alive := func() {}
	if p.Stall > 0 {
		watch := time.AfterFunc(p.Stall, func() { cancel(fmt.Errorf("%w for %v", errStalled, p.Stall)) })
		defer watch.Stop()
		alive = func() { watch.Reset(p.Stall) }
	}
	err := p.receive(ctx, alive)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// receive asks for the missing bytes and calls alive when some arrive.
func (p *part) receive(ctx context.Context, alive func()) error {
	from, err := p.size()
	if err != nil {
		return refusal{err}
	}
	old := p.origin()
	if old.Validator == "" { // the server's file may have changed
		from = 0
	}
	answer, err := p.ask(ctx, from, old.Validator)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	now := origin{p.URL, validator(answer.Header)}
	switch answer.StatusCode {
	case http.StatusOK:
		from = 0
		if n := answer.ContentLength; n >= 0 && n != p.Size {
			return refuse("the server has %d bytes, want %d", n, p.Size)
		}
	case http.StatusPartialContent:
		first, all, ok := contentRange(answer.Header)
		// Some servers send a part of another version, although If-Range forbids it.
		if !ok || from == 0 || first != from || now.Validator != "" && now.Validator != old.Validator {
			return errors.Join(fmt.Errorf("the server sent a part %q that does not follow %d bytes of %q", answer.Header.Get("Content-Range"), from, old.Validator), p.remove())
		}
		if all >= 0 && all != p.Size {
			return refuse("the server has %d bytes, want %d", all, p.Size)
		}
	case http.StatusRequestedRangeNotSatisfiable:
		return errors.Join(errors.New("the server has another file than before"), p.remove())
	default:
		if c := answer.StatusCode; c >= 500 || c == http.StatusRequestTimeout || c == http.StatusTooManyRequests {
			return errors.New(answer.Status)
		}
		return refuse("%s", answer.Status)
	}
	return p.store(answer.Body, from, now, alive)
}

// ask sends the request.
func (p *part) ask(ctx context.Context, from int64, validator string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL, nil)
	if err != nil {
		return nil, refusal{err}
	}
	request.Header.Set("User-Agent", "promptcam")
	request.Header.Set("Accept-Encoding", "identity") // a range counts encoded bytes
	if from > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		request.Header.Set("If-Range", validator)
	}
	client := *cmp.Or(p.Client, http.DefaultClient)
	follow := client.CheckRedirect
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		switch {
		case via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme != "https":
			return refuse("redirected from https to %s, which anybody could change", next.URL.Redacted())
		case follow != nil:
			return follow(next, via)
		case len(via) >= 10:
			return refuse("redirected %d times", len(via))
		}
		return nil
	}
	answer, err := client.Do(request)
	if e := (*url.Error)(nil); errors.As(err, &e) {
		return nil, e.Err // Fetch says the address
	}
	return answer, err
}

// store writes the body behind the first from bytes, and its origin if it is the beginning.
func (p *part) store(body io.Reader, from int64, o origin, alive func()) (err error) {
	file, err := p.open(from, o)
	if err != nil {
		return refusal{err}
	}
	defer func() {
		if e := file.Close(); e != nil && err == nil {
			err = refusal{e}
		}
	}()
	at := from
	_, err = io.Copy(file, &watched{body, func(n int) error {
		if n == 0 {
			return nil
		}
		alive()
		if at += int64(n); at > p.Size {
			return errors.Join(refuse("the server has more than %d bytes", p.Size), p.remove())
		}
		if p.Progress != nil {
			p.Progress(at, p.Size)
		}
		return nil
	}})
	if errors.As(err, new(*fs.PathError)) { // of the disk
		return refusal{err}
	}
	if err == nil && at < p.Size {
		return fmt.Errorf("cut off after %d of %d bytes", at, p.Size)
	}
	return err
}

// open opens the part to write behind the first from bytes, and records the origin of a new one.
func (p *part) open(from int64, o origin) (*os.File, error) {
	flag := os.O_APPEND
	if from == 0 {
		flag = os.O_TRUNC
	}
	file, err := os.OpenFile(p.path, os.O_WRONLY|os.O_CREATE|flag, 0o644)
	if err != nil || from > 0 {
		return file, err
	}
	text, _ := json.Marshal(o) // of strings alone, which cannot fail
	if err = write(p.path+".json", append(text, '\n')); err != nil {
		file.Close()
	}
	return file, err
}

// origin returns the part's recorded origin; the zero value if there is none of this address.
func (p *part) origin() (o origin) {
	text, err := readSmall(p.path + ".json")
	if err != nil || json.Unmarshal(text, &o) != nil || o.URL != p.URL {
		return origin{}
	}
	return o
}

// validator returns what identifies a version of a file in If-Range.
func validator(h http.Header) string {
	if tag := h.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		return tag
	}
	return h.Get("Last-Modified")
}

// contentRange reads "bytes FIRST-LAST/ALL"; all is -1 where the server leaves it open.
func contentRange(h http.Header) (first, all int64, ok bool) {
	var last int64
	text := h.Get("Content-Range")
	if n, _ := fmt.Sscanf(text, "bytes %d-%d/%d", &first, &last, &all); n == 3 {
		return first, all, true
	}
	n, _ := fmt.Sscanf(text, "bytes %d-%d/*", &first, &last)
	return first, -1, n == 2
}
