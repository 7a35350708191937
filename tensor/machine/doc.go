// Package machine is what programs need that share folders with other processes and with power cuts: locks
// that end with their process, files that are replaced whole or not at all, and how much room there is.
package machine
