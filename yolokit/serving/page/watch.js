// Watching a program that detects by itself: its newest picture, as it draws it.

import { card, fail } from "./cards.js";

/** Shows pictures in `place` until the program ends. */
export async function watch(place, say) {
  const shown = card("Live", "wide");
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "What the program sees, with boxes");
  shown.found.textContent = "waiting for the first picture …";
  place.prepend(shown.figure);
  for (let number = 0; ;) {
    const answer = await fetch(`v1/frame?after=${number}`).catch(() => undefined);
    if (answer?.status !== 200) break;
    number = Number(answer.headers.get("X-Frame"));
    const picture = await createImageBitmap(await answer.blob());
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.getContext("2d").drawImage(picture, 0, 0);
    shown.figure.prepend(canvas);
    shown.found.textContent = `picture ${number}`;
  }
  fail(shown, "The program has ended. This is the last picture it showed.");
  say("The program has ended");
}
