// Words -> numbers from 1 to `buckets`, then zeros.
import { murmurhash3, wordsOf } from "./words.js";

export function extract(track, { max_words: length, buckets }) {
  const found = wordsOf(track.texts.lyrics ?? "").slice(0, length);
  const words = new Int32Array(length);
  found.forEach((word, place) => { words[place] = murmurhash3(word) % buckets + 1; });
  return found.length ? { features: { words } } : null;
}
