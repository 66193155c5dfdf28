// Numbers, NaN where unknown, and the hashes of words, 0 for none.
import { folded, murmurhash3 } from "./words.js";

export function extract(track, { columns, categories, hashes }) {
  const numbers = Float32Array.from(columns, (column) => number(track.fields[column], column));
  const words = Int32Array.from(categories, (name) => hashOf(track.fields[name], hashes));
  const missingParts = columns.filter((_, place) => Number.isNaN(numbers[place]));
  if (missingParts.length === columns.length && !words.some(Boolean)) return null;
  return { features: categories.length ? { numbers, words } : { numbers }, missingParts };
}

function number(value, column) {
  if (value === undefined) return NaN;
  const found = Number(value);
  if (!Number.isFinite(found)) throw new Error(`${column} is not a number: ${value}`);
  return found;
}

const WHOLE = /^[+-]?\d{1,15}(\.0*)?$/;

// A whole number is the same word however it is written, as in encoders/categories.py.
function hashOf(value, hashes) {
  if (value === undefined) return 0;
  const text = String(value).trim();
  const word = WHOLE.test(text) ? String(Number(text) + 0) : text;
  return murmurhash3(folded(word)) % hashes + 1;
}
