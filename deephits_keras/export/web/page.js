// The page: scores the form's song in this browser. Nothing leaves it.
import { form, run, show, showPictures, song } from "./song.js";
import { predict } from "./model.js";

async function answer() {
  const pictures = [];
  show(await predict(song(), ({ module, features, settings }) => {
    if (module.picture) pictures.push(module.picture(features, settings));
  }));
  showPictures(pictures);
}

form.addEventListener("submit", (event) => { event.preventDefault(); run(answer, "Predicting in this browser …"); });
