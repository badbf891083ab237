
// Draws the timeline of a run on a canvas, as far as it is in sight. Names are drawn as text, or become text nodes.
(function () {
  const { of, known, colour, data, element, CELLS } = page;
  const { cpis, grid, hops, marks, faults, looks } = data;
  const PITCH = 18, GAP = 9, NEAR = 6, SHORTEST_NS = 20, FONT = "11px system-ui, 'DejaVu Sans', sans-serif";
  const STATES = { resolved: ["✓", "green"], "not-resolved": ["◇", "yellow"], missed: ["✕", "vermilion"] };
  const hidden = new Set(), fingers = new Map(), inks = {}, scroller = of("scroller"), canvas = of("lanes"), axis = of("axis"), tip = of("tip");
  const begun = hops.given.map((given, i) => given + hops.waited[i]), done = begun.map((time, i) => time + hops.lasts[i]);
  const [slotsFrom, slotNs] = [grid.slot_edges_ns[0], grid.slot_edges_ns[1] - grid.slot_edges_ns[0]];
  const cpiNs = slotNs * (grid.slot_edges_ns.length - 1) / grid.numbers.length;
  let [from, until] = data.first_ns, width = 1, at = 0, row = 0, read = null, chosen = null, drag = null, asked = false;

  // -- lanes ---------------------------------------------------------------------------------------------------------

  const lanes = [];
  let bottom = GAP / 2;
  for (const group of data.groups) {
    for (const name of group) {
      lanes.push({ name, top: bottom, hops: [], marks: [], faults: [], cells: data.cells[name], ue: data.ues[name], target: data.targets[name] });
      bottom += PITCH;
    }
    bottom += GAP;
  }
  hops.lane.forEach((lane, i) => lanes[lane].hops.push(i));
  marks.lane.forEach((lane, i) => lanes[lane].marks.push(i));
  faults.lane.forEach((lane, i) => lanes[lane].faults.push(i));
  lanes.forEach((lane) => lane.marks.sort((a, b) => marks.time[a] - marks.time[b]));
  const mostSe = Math.max(0.001, ...Object.values(data.ues).flat().filter(known));

  const letter = (what) => (data.messages[what] || [what[0], "grey"])[0];
  const inkOf = (what) => (data.messages[what] || [what[0], "grey"])[1];

  /** The place of the first of some that come in order whose time is not before another. */
  function firstAt(some, times, time) {
    let [low, high] = [0, some.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[some[middle]] < time) low = middle + 1; else high = middle;
    }
    return low;
  }

  // -- words ---------------------------------------------------------------------------------------------------------

  const ms = (ns) => `${(ns / 1e6).toFixed(6)} ms`;
  const arrow = (name) => name.replace("->", " → ");

  function hopText(i) {
    const [arrived, lost] = [hops.travels[i], hops.lost[i]];
    return [`${hops.what[i]} ${hops.number[i]} about CPI ${hops.cpi[i]}, ${hops.bits[i]} bit: ${hops.outcome[i]}`,
      `${hops.source[i]} → ${hops.destination[i]}`, `given ${ms(hops.given[i])}`, `begun ${ms(begun[i])}`,
      ...(known(lost) && lost < done[i] ? [] : [`sent ${ms(done[i])}`]), ...(known(arrived) ? [`arrived ${ms(done[i] + arrived)}`] : []), ...(known(lost) ? [`lost ${ms(lost)}`] : [])].join("\n");
  }

  const markText = (i) => `${looks[marks.kind[i]][0]} ${lanes[marks.lane[i]].name}: ${marks.kind[i]}, ${marks.said[i]}\n${ms(marks.time[i])}`;
  const faultText = (i) => `${lanes[faults.lane[i]].name}: ${faults.said[i]}\n${ms(faults.begin[i])} to ${ms(faults.end[i])}`;

  function slotText(lane, slot) {
    const per = cpiNs / slotNs, value = Number(lane.cells[slot]);
    return value ? `${lane.name} ${CELLS[value][2]}\nCPI ${grid.numbers[Math.floor(slot / per)]}, slot ${slot % per}\nfrom ${ms(slotsFrom + slot * slotNs)}` : "";
  }

  function cpiText(lane, cpi) {
    const said = lane.ue ? lane.ue[cpi] : lane.target[cpi];
    return known(said) ? `${lane.name}: ${lane.ue ? `${said.toFixed(3)} bit/s/Hz` : said}\nCPI ${grid.numbers[cpi]}` : "";
  }

  /** What a lane tells, in order of time, as pairs of time and text. */
  function storyOf(lane) {
    const slots = lane.cells ? [...lane.cells].map((_, slot) => [slotsFrom + slot * slotNs, slotText(lane, slot)]) : [];
    const rows = lane.ue || lane.target || [];
    return [...slots, ...rows.map((_, cpi) => [slotsFrom + cpi * cpiNs, cpiText(lane, cpi)]), ...lane.hops.map((i) => [begun[i], hopText(i)]),
      ...lane.marks.map((i) => [marks.time[i], markText(i)])].filter(([, text]) => text).sort((a, b) => a[0] - b[0]);
  }

  // -- drawing -------------------------------------------------------------------------------------------------------

  let pen = canvas.getContext("2d");
  const x = (ns) => (ns - from) / (until - from) * width;
  const timeAt = (pixels) => from + pixels / width * (until - from);

  /** The colour of text on a colour. */
  function onTop(ink) {
    const [r, g, b] = [1, 3, 5].map((k) => parseInt(ink.slice(k, k + 2), 16));
    return 0.3 * r + 0.59 * g + 0.11 * b > 125 ? "#111111" : "#ffffff";
  }

  function label(texts, left, right, middle, ink) {
    const [a, b] = [Math.max(left, 0), Math.min(right, width)];
    const text = b - a > 9 && texts.find((one) => pen.measureText(one).width < b - a - 5);
    if (!text) return;
    pen.fillStyle = ink;
    pen.textAlign = "center";
    pen.fillText(text, (a + b) / 2, middle);
  }

  function box(left, right, top, height, ink, texts) {
    const [a, b] = [Math.max(left, -2), Math.min(right, width + 2)];
    pen.fillStyle = inks[ink];
    pen.fillRect(a, top, b - a, height);
    label(texts, left, right, top + height / 2 + 0.5, onTop(inks[ink]));
  }

  /** Call with number, left and right of those of equal cells that are in sight, or of each k-th where they are too narrow. */
  function eachInSight(start, length, count, visit) {
    const wide = length / (until - from) * width, step = Math.max(1, Math.floor(0.7 / wide));
    const last = Math.min(count - 1, Math.floor((until - start) / length));
    for (let k = Math.max(0, Math.floor((from - start) / length)); k <= last; k += step) {
      const left = x(start + k * length);
      visit(k, left, left + wide * step - (wide > 6 ? 1 : 0));
    }
  }

  function drawSlots(lane) {
    eachInSight(slotsFrom, slotNs, lane.cells.length, (slot, left, right) => {
      const [name, ink] = CELLS[Number(lane.cells[slot])], low = name === "communicate" ? 6 : 0;
      if (name === "nothing") return;
      if (name === "silent" && right - left > 5) {
        pen.strokeStyle = inks[ink];
        pen.strokeRect(left + 1, lane.top + 2, right - left - 2, PITCH - 4);
        label([name], left, right, lane.top + PITCH / 2, inks.ink);
      } else box(left, right, lane.top + 1 + low, PITCH - 2 - low, ink, low ? [] : [name]);
    });
  }

  function drawTarget(lane) {
    eachInSight(slotsFrom, cpiNs, lane.target.length, (cpi, left, right) => {
      const said = lane.target[cpi];
      if (!known(said)) return;
      const [sign, ink] = STATES[said.split(",")[0]];
      box(left, right, lane.top + 1, PITCH - 2, ink, [`${sign} ${said}`, sign]);
    });
  }

  function drawUe(lane) {
    eachInSight(slotsFrom, cpiNs, lane.ue.length, (cpi, left, right) => {
      const value = lane.ue[cpi];
      if (!known(value)) return;
      pen.globalAlpha = 0.08 + 0.5 * value / mostSe;
      box(left, right, lane.top + 1, PITCH - 2, "blue", []);
      pen.globalAlpha = 1;
      label([`${value.toFixed(2)} bit/s/Hz`, value.toFixed(2)], left, right, lane.top + PITCH / 2 + 0.5, inks.ink);
    });
  }

  function drawHops(lane) {
    let edge = -Infinity;
    for (let k = firstAt(lane.hops, done, from); k < lane.hops.length; k += 1) {
      const i = lane.hops[k], left = x(begun[i]), right = Math.max(x(done[i]), left + 1.5), what = hops.what[i];
      if (begun[i] > until) return;
      if (hidden.has(what) || (right < edge + 0.5 && hops.number[i] !== chosen)) continue;
      box(left, right, lane.top + 4, PITCH - 8, inkOf(what), [`${what} ${hops.number[i]}`, letter(what)]);
      if (hops.number[i] === chosen) drawChosen(lane, i, left, right);
      edge = right;
    }
  }

  /** A frame about a message, and a line from when it was given to the link to when it arrived. */
  function drawChosen(lane, i, left, right) {
    const end = done[i] + (hops.travels[i] || 0);
    pen.strokeStyle = pen.fillStyle = inks.ink;
    pen.strokeRect(left - 1.5, lane.top + 2.5, right - left + 3, PITCH - 5);
    pen.fillRect(x(hops.given[i]), lane.top + PITCH / 2, left - x(hops.given[i]), 1.5);
    pen.fillRect(right, lane.top + PITCH / 2, x(end) - right, 1.5);
  }

  function drawMarks(lane) {
    pen.font = "bold 13px 'DejaVu Sans', system-ui, sans-serif";
    pen.textAlign = "center";
    pen.lineWidth = 3;
    for (let k = firstAt(lane.marks, marks.time, from - (until - from) / 50); k < lane.marks.length; k += 1) {
      const i = lane.marks[k], [sign, ink] = looks[marks.kind[i]], place = [x(marks.time[i]), lane.top + PITCH / 2 + 0.5];
      if (place[0] > width + NEAR) break;
      if (hidden.has(marks.kind[i])) continue;
      pen.strokeStyle = inks.card;
      pen.strokeText(sign, ...place);
      pen.fillStyle = inks[ink];
      pen.fillText(sign, ...place);
    }
    pen.font = FONT;
    pen.lineWidth = 1.5;
  }

  function drawLane(lane) {
    pen.fillStyle = inks.line;
    pen.fillRect(0, lane.top + PITCH - 0.5, width, 0.5);
    if (lane.cells) drawSlots(lane);
    if (lane.target) drawTarget(lane);
    if (lane.ue) drawUe(lane);
    drawHops(lane);
    for (const i of lane.faults) {
      const [a, b] = [faults.begin[i], faults.end[i]].map((time) => Math.min(Math.max(x(time), -2), width + 2));
      pen.fillStyle = inks.vermilion;
      pen.fillRect(a, lane.top + PITCH - 3, b - a, 3);
    }
    drawMarks(lane);
  }

  /** Where CPIs begin, and the edges of the one that is framed. */
  function drawBorders(height) {
    const few = cpiNs / (until - from) * width > 8;
    cpis.forEach(({ span_ns: [start, end] }, i) => {
      pen.fillStyle = inks[i === at ? "ink" : "soft"];
      if (i === at) [start, end].forEach((time) => pen.fillRect(x(time) - 1, 0, 2, height));
      else if (few && start >= from && start <= until) pen.fillRect(x(start), 0, 0.6, height);
    });
  }

  function sized(one, height) {
    const sharp = devicePixelRatio || 1;
    one.style.height = `${height}px`;
    one.width = Math.round(width * sharp);
    one.height = Math.round(height * sharp);
    const context = one.getContext("2d");
    context.setTransform(sharp, 0, 0, sharp, 0, 0);
    Object.assign(context, { font: FONT, textBaseline: "middle", lineWidth: 1.5 });
    return context;
  }

  /** The number of the framed CPI, in a box as wide as the CPI and as its text. */
  function drawFramed({ index, span_ns: [start, end] }) {
    const text = `CPI ${index}`, wide = Math.max(x(end) - x(start), pen.measureText(text).width + 10), left = (x(start) + x(end) - wide) / 2;
    pen.fillStyle = inks.ink;
    pen.fillRect(left, 2, wide, 17);
    label([text, String(index)], left, left + wide, 11, onTop(inks.ink));
  }

  function drawAxis() {
    pen = sized(axis, 44);
    axis.style.width = `${width}px`;
    const every = Math.ceil(56 / (cpiNs / (until - from) * width));
    const free = cpis.filter(({ index, span_ns: [start] }) => index % every === 0 && Math.abs(x(start) - x(cpis[at].span_ns[0])) >= 56);
    free.forEach(({ index, span_ns: [start, end] }) => {
      const beside = (every - 1) / 2 * cpiNs;
      label([`CPI ${index}`, String(index)], x(start - beside), x(end + beside), 11, inks.ink);
    });
    if (cpis.length) drawFramed(cpis[at]);
    const raw = (until - from) / (width / 110), power = 10 ** Math.floor(Math.log10(raw));
    const step = Math.max(1, [1, 2, 5, 10].find((one) => one * power >= raw) * power);
    const digits = Math.min(6, Math.max(0, 6 - Math.floor(Math.log10(step) + 1e-9)));
    pen.textAlign = "center";
    for (let time = Math.ceil(from / step) * step; time <= until; time += step) {
      pen.fillStyle = inks.soft;
      pen.fillRect(x(time), 39, 1, 5);
      pen.fillText(`${(time / 1e6).toFixed(digits)} ms`, Math.min(Math.max(x(time), 26), width - 26), 30);
    }
  }

  function draw() {
    asked = false;
    const height = scroller.clientHeight, above = scroller.scrollTop;
    width = Math.max(canvas.clientWidth, 1);
    drawAxis();
    pen = sized(canvas, height);
    drawBorders(height);
    pen.translate(0, -above);
    lanes.filter(({ top }) => top + PITCH > above && top < above + height).forEach(drawLane);
  }

  function redraw() {
    if (!asked) requestAnimationFrame(draw);
    asked = true;
  }

  function mix() {
    ["ink", "soft", "card", "line", "blue", "vermilion", "green", "orange", "purple", "sky", "yellow", "grey"].forEach((name) => { inks[name] = colour(name); });
    redraw();
  }

  // -- moving --------------------------------------------------------------------------------------------------------

  function show(start, end) {
    const [first, last] = data.span_ns, wide = Math.min(Math.max(end - start, SHORTEST_NS), last - first);
    from = Math.min(Math.max((start + end - wide) / 2, first), last - wide);
    until = from + wide;
    canvas.dataset.window = JSON.stringify([Math.round(from), Math.round(until)]);
    redraw();
  }

  const move = (share) => show(from + share * (until - from), until + share * (until - from));
  const zoom = (times, about) => show(about - times * (about - from), about + times * (until - about));
  const middle = () => (from + until) / 2;
  const all = () => show(...data.span_ns);

  /** Frame a CPI, and have it in the window. */
  function frame(to) {
    if (!cpis.length) return;
    at = Math.min(Math.max(to, 0), cpis.length - 1);
    const [start, end] = cpis[at].span_ns, wide = until - from;
    of("slider").value = at;
    of("shown").textContent = `CPI ${cpis[at].index} of ${cpis[0].index}–${cpis[cpis.length - 1].index}`;
    if (start < from || end > until) show(start - 0.1 * wide, start + 0.9 * wide);
    redraw();
  }

  const one = () => { if (cpis.length) show(...cpis[at].span_ns); };

  // -- reading -------------------------------------------------------------------------------------------------------

  function say(text, left, top) {
    tip.hidden = !text;
    tip.textContent = text;
    if (!text) return;
    tip.style.left = `${Math.max(4, Math.min(left + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${top + 18 + tip.offsetHeight > innerHeight ? Math.max(4, top - tip.offsetHeight - 12) : top + 18}px`;
  }

  /** What is at a place of the canvas: its text, and the number of the message. */
  function found(lane, left) {
    const time = timeAt(left), near = NEAR * (until - from) / width;
    const marked = lane.marks.filter((i) => !hidden.has(marks.kind[i]) && Math.abs(marks.time[i] - time) <= near);
    const more = marked.length > 6 ? `\nand ${marked.length - 6} more: zoom in` : "";
    if (marked.length) return { text: marked.slice(0, 6).map(markText).join("\n") + more };
    const i = lane.hops[firstAt(lane.hops, done, time - near / 3)];
    if (i !== undefined && begun[i] <= time + near / 3 && !hidden.has(hops.what[i])) return { text: hopText(i), number: hops.number[i] };
    const fault = lane.faults.find((k) => faults.begin[k] <= time && time <= faults.end[k]);
    const cell = (length) => Math.floor((time - slotsFrom) / length);
    const said = lane.cells ? slotText(lane, cell(slotNs)) : lane.ue || lane.target ? cpiText(lane, cell(cpiNs)) : "";
    return { text: [said, fault === undefined ? "" : faultText(fault)].filter(Boolean).join("\n") };
  }

  function laneAt(event) {
    const y = event.clientY - canvas.getBoundingClientRect().top + scroller.scrollTop;
    return lanes.findIndex(({ top }) => top <= y && y < top + PITCH);
  }

  function point(event) {
    const here = laneAt(event), left = event.clientX - canvas.getBoundingClientRect().left;
    if (here >= 0 && here !== row) { row = here; read = null; }
    const what = here >= 0 ? found(lanes[here], left) : { text: "" };
    say(what.text, event.clientX, event.clientY);
    return what;
  }

  /** Read the next event of a lane, or the one before; several of one instant come one after the other. */
  function readOn(step) {
    const story = storyOf(lanes[row]);
    if (!story.length) return;
    const first = step > 0 ? story.findIndex(([time]) => time >= from) : story.findLastIndex(([time]) => time <= until);
    const next = read === null ? first : read + step;
    if (!story[next]) return;
    read = next;
    const [time, text] = story[read];
    if (time < from || time > until) show(time - (until - from) / 2, time + (until - from) / 2);
    const { top } = lanes[row];
    scroller.scrollTop = Math.min(Math.max(scroller.scrollTop, top + 2 * PITCH - scroller.clientHeight), top - PITCH);
    const box = canvas.getBoundingClientRect();
    say(text, box.left + x(time), box.top + top - scroller.scrollTop);
  }

  function changeLane(step) {
    row = Math.min(Math.max(row + step, 0), lanes.length - 1);
    read = null;
    readOn(1);
  }

  // -- listening -----------------------------------------------------------------------------------------------------

  function drop(event) {
    const still = drag && Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < 3;
    drag = null;
    canvas.style.cursor = "grab";
    if (still) { chosen = point(event).number ?? null; redraw(); }
  }

  /** Zoom as two fingers move apart or together. */
  function pinch(event) {
    const gap = () => { const [a, b] = [...fingers.values()]; return Math.max(Math.abs(a.clientX - b.clientX), 20); };
    const before = gap();
    fingers.set(event.pointerId, event);
    const [a, b] = [...fingers.values()];
    zoom(before / gap(), timeAt((a.clientX + b.clientX) / 2 - canvas.getBoundingClientRect().left));
  }

  function lift(event) {
    fingers.delete(event.pointerId);
    drop(event);
  }

  function listenToPointer() {
    canvas.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, event);
      drag = fingers.size > 1 ? null : { x: event.clientX, y: event.clientY, from, until, top: scroller.scrollTop };
      canvas.setPointerCapture(event.pointerId);
      canvas.style.cursor = "grabbing";
    });
    canvas.addEventListener("pointermove", (event) => {
      if (fingers.size > 1) { pinch(event); return; }
      if (!drag) { point(event); return; }
      const by = (drag.x - event.clientX) / width * (drag.until - drag.from);
      say("");
      show(drag.from + by, drag.until + by);
      scroller.scrollTop = drag.top + drag.y - event.clientY;
    });
    canvas.addEventListener("pointerup", lift);
    canvas.addEventListener("pointercancel", (event) => { drag = null; fingers.delete(event.pointerId); });
    canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") say(""); });
    canvas.addEventListener("dblclick", all);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.shiftKey) scroller.scrollTop += event.deltaY || event.deltaX;
      else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) move(event.deltaX / width);
      else zoom(2 ** (event.deltaY / 300), timeAt(event.clientX - canvas.getBoundingClientRect().left));
    }, { passive: false });
  }

  const scroll = (pixels) => { scroller.scrollTop += pixels; };
  const KEYS = { ArrowLeft: () => frame(at - 1), ArrowRight: () => frame(at + 1), Home: () => frame(0), End: () => frame(cpis.length - 1),
    "Shift+ArrowLeft": () => move(-0.25), "Shift+ArrowRight": () => move(0.25), "+": () => zoom(0.5, middle()), "=": () => zoom(0.5, middle()),
    "-": () => zoom(2, middle()), "−": () => zoom(2, middle()), 0: all, 1: one, ArrowUp: () => scroll(-3 * PITCH), ArrowDown: () => scroll(3 * PITCH),
    PageUp: () => scroll(-0.9 * scroller.clientHeight), PageDown: () => scroll(0.9 * scroller.clientHeight), n: () => readOn(1), p: () => readOn(-1),
    N: () => changeLane(1), P: () => changeLane(-1), d: () => of("theme").click(), "?": () => of("keys").showModal() };

  function listen() {
    const buttons = { back: () => frame(at - 1), forth: () => frame(at + 1), nearer: KEYS["+"], farther: KEYS["-"], one, all, help: KEYS["?"] };
    Object.entries(buttons).forEach(([id, action]) => of(id).addEventListener("click", action));
    of("slider").addEventListener("input", () => frame(Number(of("slider").value)));
    scroller.addEventListener("scroll", redraw);
    new ResizeObserver(redraw).observe(scroller);
    listenToPointer();
    page.followTheme(() => { mix(); draw(); });
    page.listenToKeys(KEYS);
  }

  function sign(text, ink) {
    const made = element("i", text);
    made.style.color = `var(--${ink})`;
    return made;
  }

  /** Explain what is there, and let messages and marks be hidden. */
  function makeLegend() {
    const used = new Set(Object.values(data.cells).flatMap((cells) => [...cells].map(Number)));
    CELLS.forEach(([, ink, said], value) => { if (value && used.has(value)) of("legend").append(page.boxed(ink, said)); });
    for (const what of new Set(hops.what)) {
      const glyph = element("i", letter(what), { className: "letter" });
      glyph.style.borderColor = `var(--${inkOf(what)})`;
      of("legend").append(page.switched(what, hidden, glyph, what, redraw));
    }
    for (const kind of new Set(marks.kind)) of("legend").append(page.switched(kind, hidden, sign(...looks[kind]), kind, redraw));
    const states = new Set(Object.values(data.targets).flat().filter(known).map((said) => said.split(",")[0]));
    for (const [name, [glyph, ink]] of Object.entries(STATES).filter(([name]) => states.has(name))) {
      const entry = element("span");
      entry.append(sign(glyph, ink), element("span", name));
      of("legend").append(entry);
    }
  }

  function start() {
    page.paintAsAsked();
    of("names").style.height = `${bottom}px`;
    lanes.forEach(({ name, top }) => {
      const made = element("span", arrow(name), { title: arrow(name) });
      made.style.top = `${top}px`;
      of("names").append(made);
    });
    of("slider").max = Math.max(cpis.length - 1, 0);
    makeLegend();
    mix();
    show(from, until);
    frame(Math.max(0, cpis.findIndex(({ span_ns: [begin] }) => begin >= data.span_ns[0])));
    draw();
    listen();
    document.documentElement.dataset.readyMs = Math.round(performance.now());
  }

  start();
})();
