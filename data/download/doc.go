// Package download fetches files that others publish and unpacks archives, trusting neither the
// connection nor what comes.
//
//	f := download.File{URL: "https://publisher.org/birds.tgz", Size: 1150585339, SHA256: "0c68…"}
//	err := f.Fetch(ctx, "cache/birds.tgz", download.DefaultOptions())
//	err = download.Unpack(ctx, "cache/birds.tgz", "cache/birds", download.Limits{Files: 20000, Bytes: 4 << 30}, nil)
//
// A download that was cut off goes on where it stopped, in this run or in a later one. What the
// path holds is complete and checked, or it is not there. An archive unpacks into a folder of its
// own, whole or not at all.
//
// Where a publisher gives no hash, the size alone is checked the first time. The SHA-256 of what
// came is then written beside it, and later uses are held to it.
//
// Neither function expects another process to do the same at the same time: Lock keeps it away.
package download
