// Package machine is what programs need that share folders with other processes and with power cuts: locks
// that end with their process, renames of what is on the disk, and how much room there is.
package machine
