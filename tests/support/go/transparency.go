// Reads a log of Kuntur with Go's golang.org/x/mod/sumdb, and signs a note for Kuntur to read.
//
// Its argument is a folder: checkpoint, key (a verifier key), witness (that of a cosignature), tile/, asked
// (a line INDEX OLD-SIZE for each proof) and proofs (for each a line of the audit path and one of the
// consistency proof, hashes in Base64 between blanks). What does not hold ends it with a message and 1.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(folder, name string) []byte {
	content, err := os.ReadFile(filepath.Join(folder, name))
	must(err)
	return content
}

// tiles reads tiles by the paths of C2SP, which leave Go's height of a tile out.
type tiles struct{ folder string }

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		path := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		content, err := os.ReadFile(filepath.Join(t.folder, path))
		if err != nil {
			return nil, err
		}
		found = append(found, content)
	}
	return found, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// witness verifies cosignatures as tlog-cosignature defines them, of which sumdb knows nothing.
type witness struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.id }
func (w witness) Verify(text, signature []byte) bool {
	time := binary.BigEndian.Uint64(signature)
	signed := append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", time)), text...)
	return ed25519.Verify(w.key, signed, signature[8:])
}

func newWitness(text string) witness {
	parts := strings.SplitN(text, "+", 3)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	must(err)
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	return witness{parts[0], binary.BigEndian.Uint32(sum[:]), ed25519.PublicKey(key[1:])}
}

func hashes(line string) []tlog.Hash {
	var found []tlog.Hash
	for _, text := range strings.Fields(line) {
		hash, err := tlog.ParseHash(text)
		must(err)
		found = append(found, hash)
	}
	return found
}

func same(one, other []tlog.Hash) {
	if fmt.Sprint(one) != fmt.Sprint(other) {
		must(fmt.Errorf("Go proves it by %v, Kuntur by %v", one, other))
	}
}

func main() {
	folder := os.Args[1]
	verifier, err := note.NewVerifier(string(read(folder, "key")))
	must(err)
	known := note.VerifierList(verifier, newWitness(string(read(folder, "witness"))))
	opened, err := note.Open(read(folder, "checkpoint"), known)
	must(err)
	if len(opened.Sigs) != 2 {
		must(fmt.Errorf("%d of 2 signatures hold", len(opened.Sigs)))
	}
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := tlog.ParseHash(lines[2])
	must(err)
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tiles{folder})
	proofs := strings.Split(string(read(folder, "proofs")), "\n")
	for number, line := range strings.Split(strings.TrimSpace(string(read(folder, "asked"))), "\n") {
		var index, old int64
		_, err := fmt.Sscan(line, &index, &old)
		must(err)
		path, growth := hashes(proofs[2*number]), hashes(proofs[2*number+1])
		leaf, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		must(err)
		must(tlog.CheckRecord(path, size, root, index, leaf[0]))
		oldRoot, err := tlog.TreeHash(old, reader)
		must(err)
		must(tlog.CheckTree(growth, size, root, old, oldRoot))
		own, err := tlog.ProveRecord(size, index, reader)
		must(err)
		same(own, path)
		grown, err := tlog.ProveTree(size, old, reader)
		must(err)
		same(grown, growth)
	}
	private, public, err := note.GenerateKey(rand.Reader, "bank.example/go")
	must(err)
	signer, err := note.NewSigner(private)
	must(err)
	ours, err := note.NewSigner(strings.TrimSpace(string(read(folder, "private"))))
	must(err)
	signed, err := note.Sign(&note.Note{Text: opened.Text}, signer, ours)
	must(err)
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s\n%s\n%s", private, public, signed)
	os.Stdout.Write(out.Bytes())
}
