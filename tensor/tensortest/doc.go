// Package tensortest holds what the tests of several packages share, as
// net/http/httptest does for net/http: comparison with a tolerance, tensors to try
// things on, and the way to the development data.
package tensortest
