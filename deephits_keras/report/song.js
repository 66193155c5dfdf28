// A page that scores a song: reads the form, shows the prediction.
export const form = document.getElementById("song");
const result = document.getElementById("result");
export const byId = (id) => document.getElementById(id);

for (const zone of form.querySelectorAll("[data-drop]")) {
  const input = zone.querySelector("input");
  const over = (is) => (event) => { event.preventDefault(); zone.classList.toggle("over", is); };
  zone.addEventListener("dragover", over(true));
  zone.addEventListener("dragleave", over(false));
  zone.addEventListener("drop", (event) => {
    over(false)(event);
    if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
  });
}
// A file that misses the zone must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

for (const row of form.querySelectorAll("[data-field]")) {
  const [box, slider] = row.querySelectorAll("input");
  const mark = () => row.classList.toggle("unknown", box.value === "");
  box.addEventListener("input", () => { if (slider && box.value !== "") slider.value = box.value; mark(); });
  if (slider) slider.addEventListener("input", () => { box.value = slider.value; mark(); });
  form.addEventListener("reset", () => setTimeout(mark));
}

// What the form says: files, texts and fields by name, without what is empty.
export function song() {
  const files = {}, texts = {}, fields = {};
  for (const input of form.querySelectorAll("input[type=file]")) {
    if (input.files.length) [files[input.name]] = input.files;
  }
  for (const text of form.querySelectorAll("textarea")) {
    if (text.value.trim()) texts[text.name] = text.value;
  }
  for (const row of form.querySelectorAll("[data-field]")) {
    const box = row.querySelector("input"), name = row.dataset.field, { badInput, rangeUnderflow, rangeOverflow } = box.validity;
    if (badInput) throw new Error(`${name} is not a number`);
    if (rangeUnderflow || rangeOverflow) throw new Error(`${name} must be from ${box.min} to ${box.max}. Received: ${box.value}`);
    if (box.value.trim() !== "") fields[name] = row.dataset.number === "true" ? Number(box.value) : box.value.trim();
  }
  return { files, texts, fields };
}

export function element(name, text = "", kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

export function row(name, share, value, kind = "") {
  const made = element("tr"), head = element("th", name), cell = element("td"), bar = element("div", "", `bar ${kind}`);
  head.scope = "row";
  bar.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  cell.append(bar);
  made.append(head, cell, element("td", value, "number"));
  return made;
}

export function show(prediction) {
  if (prediction.popularity === null) throw new Error("Nothing to predict from: every input is missing");
  byId("popularity").textContent = prediction.popularity.toFixed(1);
  const percent = prediction.coverage === null ? "" : `${+(100 * prediction.coverage).toFixed(1)} %`;
  const [low, high] = prediction.interval ?? [];
  const sets = prediction.tier_set.join(", ");
  let region = form.dataset.scores === "true" ? `Tier ${prediction.tier_label}.` : "";
  if (prediction.interval) region = `With ${percent} probability from ${low.toFixed(1)} to ${high.toFixed(1)}.`;
  else if (percent) region += ` With ${percent} probability in ${sets || "no tier"}.`;
  byId("region").textContent = region;
  const inside = new Set(prediction.tier_set);
  byId("tiers").hidden = Object.keys(prediction.scores).length === 0;
  byId("tiers").querySelector("tbody").replaceChildren(...Object.entries(prediction.scores).map(
    ([label, score]) => row(label, score, score.toFixed(3), percent && !inside.has(label) ? "outside" : "")));
  const notes = [
    ...prediction.missing.map((modality) => `Missing: ${modality}`),
    ...Object.entries(prediction.missing_parts).map(([modality, parts]) => `Missing of ${modality}: ${parts.join(", ")}`),
    ...Object.values(prediction.unseen).flat().map((name) => `${name} counts as unknown: training never saw it`),
    ...prediction.warnings, ...prediction.remarks,
  ];
  byId("notes").hidden = notes.length === 0;
  byId("notes").querySelector("ul").replaceChildren(...notes.map((note) => element("li", note)));
  byId("answer").hidden = false;
}

// Show pictures `{ width, height, values, caption }`, whose values are bytes, row by row.
export function showPictures(pictures) {
  byId("pictures").replaceChildren(...pictures.map(({ width, height, values, caption }) => {
    const canvas = Object.assign(element("canvas"), { width, height }), figure = element("figure");
    const image = new ImageData(width, height);
    values.forEach((value, k) => image.data.set(colour(value / 255), 4 * k));
    canvas.getContext("2d").putImageData(image, 0, 0);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", caption);
    figure.append(canvas, element("figcaption", caption));
    return figure;
  }));
}

// Dark blue over red to light yellow, with a lightness that rises evenly.
function colour(s) {
  return [255 * Math.min(1, 1.6 * s ** 1.2), 255 * s ** 2.2, 255 * (0.25 + 0.35 * Math.sin(Math.PI * s)), 255];
}

// Run `work` while the page says `doing`; what it throws is shown.
export async function run(work, doing) {
  const buttons = form.querySelectorAll("button");
  buttons.forEach((button) => { button.disabled = true; });
  byId("error").hidden = true;
  byId("state").hidden = false;
  byId("state").textContent = doing;
  result.setAttribute("aria-busy", "true");
  try {
    await work();
    byId("state").hidden = true;
  } catch (error) {
    byId("state").hidden = true;
    byId("answer").hidden = true;
    byId("error").textContent = error.message;
    byId("error").hidden = false;
  }
  result.setAttribute("aria-busy", "false");
  buttons.forEach((button) => { button.disabled = false; });
  result.focus({ preventScroll: true });
  result.scrollIntoView({ block: "nearest", behavior: "smooth" });
}
