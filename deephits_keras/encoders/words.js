// The words of a text, as encoders/words.py finds them, and their hash.
const WORD = /[\p{L}\p{N}]+(?:'[\p{L}\p{N}]+)*/gu;

export function wordsOf(text) {
  return folded(text.normalize("NFKC")).replaceAll("\u2019", "'").match(WORD) ?? [];
}

// Unicode's case folding: lower case of upper case, letter by letter; Cherokee folds to upper case.
export function folded(text) {
  return Array.from(text, (letter) => {
    if (letter === "\u0131") return letter;
    if (letter === "\u1e9e") return "ss";
    return /\p{Script=Cherokee}/u.test(letter) ? letter.toUpperCase() : letter.toUpperCase().toLowerCase();
  }).join("");
}

// MurmurHash3 of 32 bits (Appleby 2008) of a text in UTF-8, with seed 0.
export function murmurhash3(text) {
  const bytes = new TextEncoder().encode(text), blocks = bytes.length >> 2;
  let hash = 0;
  for (let block = 0; block < blocks; block += 1) {
    const at = block * 4, word = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
    hash = Math.imul(rotated(hash ^ mixed(word), 13), 5) + 0xe6546b64 | 0;
  }
  let rest = 0;
  for (let at = bytes.length - 1; at >= blocks * 4; at -= 1) rest = rest << 8 | bytes[at];
  hash ^= mixed(rest) ^ bytes.length;
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}

function mixed(word) { return Math.imul(rotated(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593); }

function rotated(word, by) { return word << by | word >>> (32 - by); }
