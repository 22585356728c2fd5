// Command checklog holds a log folder against its checkpoint with the reference implementation of others: sumdb/note
// verifies the signature, sumdb/tlog the root, the tiles and the inclusion of every entry.
//
//	checklog FOLDER
//
// Prints one line and exits 0, or says what is wrong and exits 1.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io/ioutil"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func main() {
	if len(os.Args) != 2 {
		fail("give the log folder")
	}
	dir := os.Args[1]
	size, root := checkpoint(dir)
	tree := tlog.Tree{N: size, Hash: root}
	reader := tlog.TileHashReader(tree, tiles{dir, size})
	entries := bundles(dir, size)
	const step = 1000
	for start := int64(0); start < size; start += step {
		end := start + step
		if end > size {
			end = size
		}
		var indexes []int64
		for index := start; index < end; index++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, index))
		}
		// Authenticated against the root, tile by tile.
		hashes, err := reader.ReadHashes(indexes)
		check(err)
		for at, index := 0, start; index < end; at, index = at+1, index+1 {
			leaf := tlog.RecordHash(entries[index])
			if leaf != hashes[at] {
				fail(fmt.Sprintf("entry %d does not hash to its leaf", index))
			}
			// Proofs of some, built from the tiles and checked by the book.
			if index%997 == 0 || index+1 == size {
				proof, err := tlog.ProveRecord(size, index, reader)
				check(err)
				check(tlog.CheckRecord(proof, size, root, index, leaf))
			}
		}
	}
	for old := int64(1); old < size; old = old*3 + 1 {
		oldRoot, err := tlog.TreeHash(old, reader)
		check(err)
		proof, err := tlog.ProveTree(size, old, reader)
		check(err)
		check(tlog.CheckTree(proof, size, root, old, oldRoot))
	}
	fmt.Printf("ok %d %s\n", size, base64.StdEncoding.EncodeToString(root[:]))
}

// checkpoint verifies the signed checkpoint and gives size and root.
func checkpoint(dir string) (int64, tlog.Hash) {
	vkey := strings.TrimSpace(string(read(dir, "vkey")))
	verifier, err := note.NewVerifier(vkey)
	check(err)
	signed, err := note.Open(read(dir, "checkpoint"), note.VerifierList(verifier))
	check(err)
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != verifier.Name() {
		fail("the checkpoint has not three lines, or another origin than the key")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	bytes, err := base64.StdEncoding.DecodeString(lines[2])
	check(err)
	var root tlog.Hash
	if copy(root[:], bytes) != len(root) || len(bytes) != len(root) {
		fail("the root is no hash")
	}
	return size, root
}

// bundles reads every entry from the entry bundles.
func bundles(dir string, size int64) [][]byte {
	var entries [][]byte
	for index := int64(0); index*256 < size; index++ {
		width := size - index*256
		if width > 256 {
			width = 256
		}
		tile := tlog.Tile{H: height, L: -1, N: index, W: int(width)}
		bytes := read(dir, path(tile))
		for count := int64(0); count < width; count++ {
			length := int(binary.BigEndian.Uint16(bytes))
			entries = append(entries, bytes[2:2+length])
			bytes = bytes[2+length:]
		}
		if len(bytes) != 0 {
			fail(fmt.Sprintf("bundle %d holds more than its entries", index))
		}
	}
	return entries
}

// path of a tile as C2SP tlog-tiles writes it: without the height.
func path(tile tlog.Tile) string {
	written := strings.TrimPrefix(tile.Path(), "tile/8/")
	return "tile/" + strings.Replace(written, "data/", "entries/", 1)
}

type tiles struct {
	dir  string
	size int64
}

func (tiles) Height() int { return height }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range wanted {
		bytes, err := ioutil.ReadFile(filepath.Join(t.dir, path(tile)))
		if err != nil {
			return nil, err
		}
		read = append(read, bytes)
	}
	return read, nil
}

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func read(dir, name string) []byte {
	bytes, err := ioutil.ReadFile(filepath.Join(dir, name))
	check(err)
	return bytes
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(why string) {
	fmt.Println("not ok:", why)
	os.Exit(1)
}
