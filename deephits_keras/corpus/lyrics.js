// `corpus.lyrics.clean_lyrics` in a page, with its own patterns; an empty text if nothing is left.
export function cleanedLyrics(given, { patterns, placeholders }) {
  const of = Object.fromEntries(Object.entries(patterns).map(([name, [source, flags]]) => [name, new RegExp(source, flags)]));
  const has = (name, text) => text.search(of[name]) >= 0;
  const without = (text, ...names) => names.reduce((rest, name) => rest.replace(of[name], ""), text);
  let text = given.includes("&") ? unescaped(given).normalize("NFC") : given;
  text = without(text.replace(/\r\n?/g, "\n"), "INVISIBLE");
  if (has("CONTRIBUTORS", text) || has("EMBED", text)) text = without(text, "HEADING", "CONTRIBUTORS", "EMBED", "ALSO", "ADVERT");
  text = without(text.replace(of.LINE_BREAK, "\n"), "MARKUP", "STAMP", "LRC_TAG", "SECTION", "SERVICE");
  text = text.replace(/\n{3,}/g, "\n\n").trim();
  const named = text.replace(/^['"]+|['"]+$/g, "").toLowerCase();
  return placeholders.includes(named) || text.slice(0, 400).search(of.NOTICES) === 0 ? "" : text;
}

function unescaped(text) {
  const box = document.createElement("textarea");
  return text.replace(/&#?\w+;?/g, (entity) => { box.innerHTML = entity; return box.value; });
}
