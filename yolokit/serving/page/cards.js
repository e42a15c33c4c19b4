// The parts of a result: a figure, its caption, buttons, a table. All text is textContent.

import { readable } from "./boxes.js";

/** An element with a class, a text and children. */
export function make(tag, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

/** A button that does something. */
export function button(text, name, action) {
  const made = make("button", { type: "button", text, "aria-label": `${text}: ${name}` });
  made.addEventListener("click", action);
  return made;
}

/** A figure whose picture is yet to come. */
export function card(name, ...classes) {
  const found = make("p", { class: "found soft", text: "waiting …" });
  const row = make("div", { class: "row" });
  const title = make("div", { class: "name", text: name });
  const caption = make("figcaption", {}, title, found, row);
  const figure = make("figure", { class: ["card", ...classes].join(" ") }, caption);
  return { figure, caption, found, row, name };
}

/** Say what is wrong in the place of a result. */
export function fail(shown, message) {
  shown.found.className = "problem";
  shown.found.textContent = message;
}

/** Rows of what was found. */
export function table(detections) {
  const heads = ["class", "score", "left", "top", "width", "height"];
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text })));
  const rows = detections.map((each) => {
    const values = [readable(each.name), each.score.toFixed(3), ...each.box_xywh.map((v) => v.toFixed(1))];
    return make("tr", {}, ...values.map((text) => make("td", { text })));
  });
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
}

/** Let the browser store something. */
export function save(content, name) {
  const address = URL.createObjectURL(content);
  const link = make("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** The name without its last suffix. */
export function stem(name) {
  return name.replace(/\.[^.]*$/, "") || name;
}
