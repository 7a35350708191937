// Package bench looks at the library as a whole.
package bench
