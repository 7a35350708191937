package promptcam_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
)

// The largest photograph that the service takes. A small file can hold a huge one.
const (
	mostBytes  = 10 << 20
	mostPixels = 24_000_000
)

// explainer returns a handler that answers a photograph with its classes and maps. Requests may come at the
// same time.
func explainer(model *promptcam.Model) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBytes))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		photo, err := data.Limits{Pixels: mostPixels}.Decode(r.Context(), body, "upload")
		if errors.Is(err, data.ErrTooLarge) {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		if err != nil { // data.ErrNotImage, ErrUnsupported, ErrDamaged, or the client has gone
			http.Error(w, err.Error(), http.StatusUnsupportedMediaType)
			return
		}
		e, err := model.ExplainContext(r.Context(), photo) // which ends if the client goes
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(e) // the client has gone if this fails
	})
}

// A service explains photographs.
func Example_service() {
	routes := http.NewServeMux()
	routes.Handle("POST /explain", explainer(open()))
	service := httptest.NewServer(routes)
	defer service.Close()

	var photo, huge bytes.Buffer
	check(png.Encode(&photo, bird()))
	check(png.Encode(&huge, image.NewGray(image.Rect(0, 0, 5000, 5000))))
	for _, upload := range []io.Reader{&photo, &huge, strings.NewReader("no photograph")} {
		response, err := http.Post(service.URL+"/explain", "image/png", upload)
		check(err)
		defer response.Body.Close()
		var answer struct {
			Classes []struct {
				Name        string
				Probability float64
			}
		}
		if json.NewDecoder(response.Body).Decode(&answer) == nil {
			fmt.Printf("%s %.0f %%\n", answer.Classes[0].Name, 100*answer.Classes[0].Probability)
		}
		fmt.Println(response.Status)
	}
	// Output:
	// Hooded Oriole 49 %
	// 200 OK
	// 413 Request Entity Too Large
	// 415 Unsupported Media Type
}
