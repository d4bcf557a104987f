"""Says whether records are in a bank's signed journal: python verify_evidence.py FILE KEY [WITNESS-KEY ...].

Needs Python 3.9 and cryptography. FILE: evidence as JSON. KEY: the journal's, got on a way that you trust.
"""

import json
import sys
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def check(condition, reason):
    if not condition:
        sys.exit(f"no: {reason}")


def unbase64(text):
    check(b64encode(b64decode(text)).decode() == text, f"{text!r} is not Base64 as it is written")
    return b64decode(text)


def verify(evidence, log_key, *witness_keys):
    text, _, signatures = evidence["checkpoint"].rpartition("\n\n")
    origin, size, root = text.split("\n")[:3]
    for needed, verifier_key in [(1, log_key)] + [(4, key) for key in witness_keys]:
        name, key_id, key = verifier_key.split("+", 2)
        check(origin == name or needed == 4, f"the checkpoint is of {origin!r}, the key of {name!r}")
        kind, verifier = unbase64(key)[0], Ed25519PublicKey.from_public_bytes(unbase64(key)[1:])
        known = sha256(f"{name}\n".encode() + unbase64(key)).hexdigest()[:8] == key_id and kind == needed
        check(known, f"the key of {name} is damaged, or not of the kind that is needed")
        signed = [unbase64(s.split(" ")[2]) for s in signatures.split("\n") if s.startswith(f"— {name} ")]
        signature = next((each[4:] for each in signed if each[:4].hex() == key_id), b"")
        check(signature, f"{name} ({key_id}) did not sign the checkpoint")
        time = f"cosignature/v1\ntime {int.from_bytes(signature[:8], 'big')}\n" if kind == 4 else ""
        verifier.verify(signature[8 if kind == 4 else 0 :], f"{time}{text}\n".encode())  # behind its time
    for entry in evidence["entries"] or [{}]:
        index, last, record = entry["index"], int(size) - 1, unbase64(entry["record"])
        check(0 <= index <= last, f"a log of {size} entries has none at {index}")
        above = sha256(b"\0" + record).digest()
        for sibling in map(unbase64, entry["path"]):
            right = index % 2 or index == last
            above = sha256(b"\x01" + (sibling + above if right else above + sibling)).digest()
            check(last > 0 and len(sibling) == 32, "the path is not one of this log")
            while right and index % 2 == 0 and index:
                index, last = index // 2, last // 2
            index, last = index // 2, last // 2
        check(last == 0 and above == unbase64(root), "the path does not lead from the record to the root")
        check(all(unbase64(part) in record for part in entry["holds"]), "a record does not hold its part")
    print("yes:", *(e["index"] for e in evidence["entries"]), f"of {origin}'s {size} entries, counted from 0")


if __name__ == "__main__":
    check(len(sys.argv) > 2, __doc__)
    try:
        verify(json.loads(Path(sys.argv[1]).read_text("utf-8")), *sys.argv[2:])
    except Exception as error:
        sys.exit(f"no: {error!r}")
