"""The log of a ledger by RFC 6962 and the formats of C2SP: written from their texts, not from our program."""

import base64
import re

from stock import Refused, need, sha256, strict_base64, verifies

WIDTH = 256
ED25519 = b"\x01"


def leaf_hash(entry):
    return sha256(b"\x00", entry)


def root_of(hashes):
    """The Merkle tree hash of RFC 6962, 2.1."""
    if not hashes:
        return sha256()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01", root_of(hashes[:split]), root_of(hashes[split:]))


def root_from_path(leaf, index, size, path):
    """The root that an inclusion proof leads to (RFC 9162, 2.1.3.2)."""
    need(0 <= index < size, "the proof's index is not below the size of the tree")
    node, last = index, size - 1
    for sibling in path:
        need(last > 0, "the proof has too many hashes")
        if node & 1 or node == last:
            leaf = sha256(b"\x01", sibling, leaf)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            leaf = sha256(b"\x01", leaf, sibling)
        node, last = node >> 1, last >> 1
    need(last == 0, "the proof has too few hashes")
    return leaf


def edge_of(hashes):
    """The roots of the perfect subtrees, largest first."""
    roots, start = [], 0
    for bit in reversed(range(len(hashes).bit_length())):
        if len(hashes) >> bit & 1:
            roots.append(root_of(hashes[start : start + (1 << bit)]))
            start += 1 << bit
    return roots


def tile_number(number):
    """1234067 is x001/x234/067 (C2SP tlog-tiles)."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    return "/".join(groups)


def full_tiles(hashes, entries):
    """Every full tile of a log and every full bundle of entries: path and bytes."""
    tiles, level, row = {}, 0, hashes
    while len(row) >= WIDTH:
        groups = [row[i : i + WIDTH] for i in range(0, len(row) - WIDTH + 1, WIDTH)]
        for number, group in enumerate(groups):
            tiles[f"{level}/{tile_number(number)}"] = b"".join(group)
        row, level = [root_of(group) for group in groups], level + 1
    for number in range(len(entries) // WIDTH):
        group = entries[number * WIDTH : (number + 1) * WIDTH]
        tiles[f"entries/{tile_number(number)}"] = b"".join(len(e).to_bytes(2, "big") + e for e in group)
    return tiles


def decimal(text, what):
    need(re.fullmatch(r"0|[1-9][0-9]{0,15}", text), f"{what} is not a number")
    return int(text)


def base64_hash(text, what):
    data = strict_base64(text, what)
    need(len(data) == 32, f"{what} is not a hash")
    return data


def open_note(note, keys):
    """Verifies a signed note (C2SP signed-note); returns its text. The key's name is the first line."""
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("the note is not UTF-8") from error
    need("\n\n" in text and text.endswith("\n"), "the note has no signature block")
    body, block = text.rsplit("\n\n", 1)
    body += "\n"
    name = body.split("\n", 1)[0]
    by_id = {}
    for key in keys:
        public = bytes.fromhex(key.keyval["public"])
        by_id[sha256(name.encode(), b"\n", ED25519, public)[:4]] = key
    good = 0
    for line in block[:-1].split("\n"):
        match = re.fullmatch("— ([^ +]+) ([A-Za-z0-9+/=]+)", line)
        need(match, "a signature line of the note is malformed")
        blob = strict_base64(match[2], "a signature of the note")
        if match[1] != name or blob[:4] not in by_id:
            continue  # a witness that we do not know
        need(len(blob) == 68, "a signature of the note is not 64 bytes")
        need(verifies(by_id[blob[:4]], blob[4:], body.encode()), "the signature of the checkpoint does not verify")
        good += 1
    need(good, "the checkpoint is signed by no key that is allowed")
    return body


def read_checkpoint(note, keys):
    """Verifies a signed checkpoint (C2SP tlog-checkpoint); returns origin, size and root."""
    lines = open_note(note, keys).split("\n")
    need(len(lines) == 4 and lines[3] == "", "the checkpoint is not three lines")
    size, root = decimal(lines[1], "the checkpoint's size"), base64_hash(lines[2], "the checkpoint's root")
    return lines[0], size, root


def write_edge(hashes):
    lines = [str(len(hashes))] + [base64.b64encode(root).decode() for root in edge_of(hashes)]
    return "".join(f"{line}\n" for line in lines).encode()


def read_proof(data):
    """Reads a proof file (C2SP tlog-proof); returns index, path and the signed checkpoint's bytes."""
    need(b"\n\n" in data, "the proof has no checkpoint")
    head, note = data.split(b"\n\n", 1)
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Refused("the proof is not text") from error
    need(lines[0] == "c2sp.org/tlog-proof@v1", "the first line of the proof is another one")
    need(len(lines) > 1 and lines[1].startswith("index "), "the proof has no index")
    index = decimal(lines[1].removeprefix("index "), "the proof's index")
    return index, [base64_hash(line, "a hash of the proof") for line in lines[2:]], note
