// Package tensortest holds what the tests of several packages share, as net/http/httptest does for net/http:
// comparison with a tolerance, and tensors to try things on.
package tensortest
