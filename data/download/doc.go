// Package download fetches published files and unpacks archives. It trusts neither the
// connection nor the contents.
//
//	f := download.File{URL: "https://publisher.org/birds.tgz", Size: 1150585339, SHA256: "0c68…"}
//	err := f.Fetch(ctx, "cache/birds.tgz", download.DefaultOptions())
//	err = download.Unpack(ctx, "cache/birds.tgz", "cache/birds", download.Limits{Files: 20000, Bytes: 4 << 30}, nil)
//
// An interrupted download resumes where it stopped, in this run or a later one. The file at path is complete
// and checked, or it does not exist. An archive unpacks into a new folder, whole or not at all.
//
// If the publisher gives no hash, the first download checks the size alone and writes the SHA-256 beside the
// file; later calls check that.
//
// Neither function is safe against another process doing the same: hold a lock, as machine.Lock gives.
package download
