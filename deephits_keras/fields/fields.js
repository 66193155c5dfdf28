// The columns of a track as one vector, NaN where unknown.
export function extract(track, { columns }) {
  const fields = Float32Array.from(columns, (column) => number(track.fields[column], column));
  const missingParts = columns.filter((_, place) => Number.isNaN(fields[place]));
  return missingParts.length === columns.length ? null : { features: { fields }, missingParts };
}

function number(value, column) {
  if (value === undefined) return NaN;
  const found = typeof value === "number" ? value : Number(value);
  if (!Number.isFinite(found)) throw new Error(`${column} is not a number: ${value}`);
  return found;
}
