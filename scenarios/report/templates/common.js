"use strict";
// What the pages of a run share: elements, colours, light and dark, keys. Texts from files become text nodes, never markup.
const page = (function () {
  const of = (id) => document.getElementById(id);
  const known = (value) => value !== null && value !== undefined;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const data = JSON.parse(of("data").textContent);

  function element(name, text, properties) {
    const made = document.createElement(name);
    if (known(text)) made.textContent = text;
    return Object.assign(made, properties || {});
  }

  // What an access point does in a slot, by its number in the data: name, colour and words.
  const CELLS = [["nothing", "card", "nothing"], ["communicate", "sky", "communicates"], ["sense", "blue", "communicates and senses"],
    ["listen", "orange", "listens"], ["silent", "vermilion", "no plan: silent"], ["down", "ink", "down"], ["pilot", "purple", "sends a pilot"]];

  /** An entry of a legend for a colour. */
  function boxed(ink, said) {
    const entry = element("span"), box = element("i", null, { className: "box" });
    box.style.background = `var(--${ink})`;
    entry.append(box, element("span", said));
    return entry;
  }

  /** An entry of a legend that shows and hides something, whose name is in a set while it is hidden. */
  function switched(name, hidden, glyph, said, redraw) {
    const label = element("label"), box = element("input", null, { type: "checkbox", checked: !hidden.has(name) });
    box.addEventListener("change", () => { box.checked ? hidden.delete(name) : hidden.add(name); redraw(); });
    label.append(box, glyph, element("span", said));
    return label;
  }

  // -- light and dark ------------------------------------------------------------------------------------------------

  const dark = matchMedia("(prefers-color-scheme: dark)");

  function paint(theme) { document.documentElement.dataset.theme = theme; }

  function paintAsAsked() { paint(dark.matches ? "dark" : "light"); }

  /** Follow what the system prefers, a button and, on paper, light; `redraw` draws in other colours, and as wide as there is room. */
  function followTheme(redraw) {
    const turned = (theme) => { paint(theme); redraw(); };
    of("theme").addEventListener("click", () => turned(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
    dark.addEventListener("change", () => turned(dark.matches ? "dark" : "light"));
    const { dataset } = document.documentElement;
    let before = null;
    addEventListener("beforeprint", () => { before = dataset.theme; dataset.paper = "yes"; turned("light"); });
    addEventListener("afterprint", () => { delete dataset.paper; turned(before); });
  }

  // -- keys ----------------------------------------------------------------------------------------------------------

  /** Whether a key is for the element that has the focus, or for the browser. */
  function isMeant(event) {
    const { tagName, type } = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || tagName === "SELECT" || type === "range") return true;
    return event.key === " " && /^(INPUT|BUTTON|SUMMARY|A)$/.test(tagName);
  }

  /** Do what keys stand for: actions by the name of the key, with "Shift+" before it where that makes a difference. */
  function listenToKeys(keys) {
    document.addEventListener("keydown", (event) => {
      const action = (event.shiftKey && keys["Shift+" + event.key]) || keys[event.key];
      if (!action || isMeant(event)) return;
      event.preventDefault();
      action();
    });
  }

  return { of, known, colour, data, element, CELLS, boxed, switched, paintAsAsked, followTheme, listenToKeys };
})();
