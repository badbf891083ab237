// Fills the page from the JSON in it. Texts from files become text nodes, never markup.
(function () {
  const { of, known, colour, data, element, CELLS } = page;
  const run = data.result, cpis = run.cpis, survey = data.survey, timeline = data.timeline;
  let at = Math.max(0, cpis.findIndex((cpi) => !cpi.has_pilots)), player = null;

  // -- words and numbers ---------------------------------------------------------------------------------------------

  const digits = (value, n) => known(value) ? value.toFixed(n) : "–";
  const place = (point) => known(point) ? point.map((x) => x.toFixed(2)).join(", ") : "–";
  const percent = (share) => (100 * share).toPrecision(3) + " %";
  const times = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
  // What plotly draws as text may hold its markup: names may not.
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  function unit(length) {
    if (!(length < 1)) return [1, "m"];
    return length >= 0.05 ? [100, "cm"] : [1000, "mm"];
  }

  function length(metres) {
    if (!known(metres)) return "–";
    const [factor, name] = unit(Math.abs(metres));
    const value = factor * metres;
    return `${value >= 1000 ? Math.round(value).toLocaleString("en") : Number(value.toPrecision(3))} ${name}`;
  }

  function bits(count) {
    const step = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]].find(([factor]) => count >= factor) || [1, ""];
    return `${Number((count / step[0]).toPrecision(4))} ${step[1]}bit`;
  }

  // -- elements ------------------------------------------------------------------------------------------------------

  /** Fill a table; a cell is a text, or an object of text, exact value and class. */
  function fill(id, heads, rows) {
    const body = element("tbody"), head = element("tr");
    heads.forEach((one) => head.append(cell("th", one)));
    for (const row of rows) {
      const line = element("tr");
      row.forEach((one) => line.append(cell("td", one)));
      body.append(line);
    }
    const top = element("thead");
    top.append(head);
    of(id).replaceChildren(top, body);
  }

  function cell(name, one) {
    const given = typeof one === "object" ? one : { text: one };
    const made = element(name, given.text, { className: given.className || "" });
    if (known(given.value)) { made.title = JSON.stringify(given.value); made.dataset.value = made.title; }
    return made;
  }

  const number = (text, value) => ({ text, value, className: "number" });

  // -- colours and plots ---------------------------------------------------------------------------------------------

  const settings = { responsive: true, displayModeBar: false, doubleClick: "reset" };

  function axis(title, more) {
    return Object.assign({ title: { text: title, standoff: 8 }, gridcolor: colour("line"), zeroline: false,
      linecolor: colour("line"), automargin: true }, more || {});
  }

  function layout(more) {
    return Object.assign({ paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
      font: { color: colour("ink"), size: 13, family: getComputedStyle(document.body).fontFamily },
      hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink") }, align: "left" },
      margin: { l: 50, r: 12, t: 12, b: 42 }, hovermode: "closest" }, more);
  }

  function draw(id, traces, more) {
    if (more.height) of(id).style.height = more.height + "px";
    const { clientWidth: width, clientHeight: height } = of(id);
    const onPaper = known(document.documentElement.dataset.paper) ? { width, height } : {};
    return Plotly.react(of(id), traces, layout({ ...onPaper, ...more }), settings);
  }

  function scatter(points, marker, texts, more) {
    return Object.assign({ x: points.map((p) => p[0]), y: points.map((p) => p[1]), mode: "markers", marker,
      text: texts.map(plain), hovertemplate: "%{text}<extra></extra>" }, more || {});
  }

  /** Lines through lists of points, with gaps between them. */
  function lines(paths, line, more) {
    const points = paths.flatMap((path) => [...path, [null, null]]);
    return Object.assign({ x: points.map((p) => p[0]), y: points.map((p) => p[1]), mode: "lines", line,
      hoverinfo: "skip" }, more || {});
  }

  /** Outline of the 95 % ellipse of a covariance about a centre. */
  function ellipse(centre, [[a, b], [, d]], factor) {
    const middle = (a + d) / 2, reach = Math.hypot((a - d) / 2, b), angle = Math.atan2(2 * b, a - d) / 2;
    const [major, minor] = [middle + reach, middle - reach].map((v) => factor * 2.447747 * Math.sqrt(Math.max(v, 0)));
    return Array.from({ length: 61 }, (_, i) => {
      const [x, y] = [major * Math.cos(i * Math.PI / 30), minor * Math.sin(i * Math.PI / 30)];
      return [centre[0] + x * Math.cos(angle) - y * Math.sin(angle), centre[1] + x * Math.sin(angle) + y * Math.cos(angle)];
    });
  }

  // -- the map -------------------------------------------------------------------------------------------------------

  const LAYERS = [["transmit", "▲", "blue", "AP, transmits"], ["receive", "■", "vermilion", "AP, receives"],
    ["idle", "●", "grey", "AP, idle"], ["trouble", "✕", "purple", "faulty or left out"],
    ["names", "", "ink", "names"], ["user", "×", "grey", "user"], ["target", "○", "ink", "target"],
    ["resolved", "+", "green", "estimate, resolved"], ["unresolved", "◇", "yellow", "estimate, not resolved"],
    ["false", "✱", "vermilion", "false estimate"], ["tracks", "┈", "grey", "tracks"], ["links", "─", "grey", "links"]];
  const hidden = new Set(["links"].concat(survey.access_points.length > 40 ? ["names"] : []));

  const aps = survey.access_points;
  const reach = 0.035 * Math.max(...survey.size_m);
  const tip = (ap) => [ap.position_m[0] + reach * Math.cos(ap.boresight_deg * Math.PI / 180),
    ap.position_m[1] + reach * Math.sin(ap.boresight_deg * Math.PI / 180)];
  const beside = (point, right, up) => [point[0] + right * reach, point[1] + up * reach];
  const spots = Object.fromEntries(aps.map((ap) => [ap.name, ap.position_m]));
  const middle = survey.size_m.map((side) => side / 2);

  function role(cpi, index) {
    return cpi.transmitters.includes(index) ? "transmit" : cpi.receivers.includes(index) ? "receive" : "idle";
  }

  function apText(ap, cpi, index) {
    const troubles = (cpi.faults || []).filter((fault) => fault.node === ap.name).map((fault) => fault.kind);
    if ((cpi.excluded || []).includes(ap.name)) troubles.push("left out of the estimate");
    const said = { transmit: "transmits", receive: "receives", idle: "idle" }[role(cpi, index)];
    return [`${ap.name}: ${said}`, `at ${place(ap.position_m)} m, looks to ${digits(ap.boresight_deg, 1)}°`,
      ap.own, ...troubles].filter(Boolean).join("\n");
  }

  function inTrouble(cpi) {
    return [...(cpi.faults || []).map((fault) => fault.node), ...(cpi.excluded || [])];
  }

  const targetText = (target, i) => `target ${i}: ${target.status}${target.reason ? ", " + (data.reasons[target.reason] || target.reason) : ""}` +
    `\nat ${place(target.truth_m)} m\noff by ${length(target.error_m)}, bound ${length(target.peb_m)}`;

  function tracks() {
    const past = cpis.slice(0, at + 1);
    return cpis[at].targets.map((_, i) => past.map((cpi) => cpi.targets[i].truth_m));
  }

  function linkPaths() {
    const paths = Object.keys(run.fronthaul.links).map((name) => name.split("->"));
    return paths.map((ends) => ends.map((end) => end === "central" ? middle : spots[end])).filter((p) => p.every(known));
  }

  function mapTraces(cpi) {
    const halo = { width: 1, color: colour("card") };
    const found = cpi.targets.map((target, i) => [target, i]).filter(([target]) => known(target.estimate_m));
    const estimates = (resolved, marker) => {
      const mine = found.filter(([target]) => (target.status === "resolved") === resolved);
      return [scatter(mine.map(([t]) => t.estimate_m), marker, mine.map(([t, i]) => "estimate of " + targetText(t, i))),
        lines(mine.map(([t]) => [t.truth_m, t.estimate_m]), { color: marker.color, width: 1, dash: "dot" }),
        lines(mine.filter(([t]) => known(t.covariance_m2)).map(([t]) => ellipse(t.estimate_m, t.covariance_m2, 1)),
          { color: marker.color, width: 1.5 }, { fill: "toself" })];
    };
    const apsOf = (name, symbol, ink) => {
      const mine = aps.map((ap, i) => [ap, i]).filter(([, i]) => role(cpi, i) === name);
      return [lines(mine.map(([ap]) => [ap.position_m, tip(ap)]), { color: colour(ink), width: 2 }),
        scatter(mine.map(([ap]) => ap.position_m), { symbol, size: 12, color: colour(ink), line: halo },
          mine.map(([ap, i]) => apText(ap, cpi, i)))];
    };
    const troubled = inTrouble(cpi);
    const marked = aps.map((ap, i) => [ap, i]).filter(([ap]) => troubled.includes(ap.name));
    return {
      links: [lines(linkPaths(), { color: colour("grey"), width: 1 }),
        scatter([middle], { symbol: "star", size: 11, color: colour("grey") }, ["central processor, drawn in the middle"])],
      tracks: [lines(tracks(), { color: colour("grey"), width: 1.5, dash: "dot" })],
      user: [scatter(survey.users.map((ue) => ue.position_m), { symbol: "x-thin", size: 8,
        line: { width: 2, color: colour("grey") } }, survey.users.map((ue, i) =>
        `${ue.name}: ${digits(cpi.se_bit_s_hz[i], 3)} bit/s/Hz\nat ${place(ue.position_m)} m` + (ue.own ? "\n" + ue.own : "")))],
      idle: apsOf("idle", "circle", "grey"),
      transmit: apsOf("transmit", "triangle-up", "blue"),
      receive: apsOf("receive", "square", "vermilion"),
      trouble: [scatter(marked.map(([ap]) => ap.position_m), { symbol: "x-thin", size: 19,
        line: { width: 3, color: colour("purple") } }, marked.map(([ap, i]) => apText(ap, cpi, i)))],
      names: [Object.assign(scatter(aps.map((ap) => beside(ap.position_m, 0, -0.55)), {}, aps.map((ap) => ap.name)),
        { mode: "text", textposition: "middle center", textfont: { size: 11, color: colour("soft") }, hoverinfo: "skip", hovertemplate: null })],
      target: [scatter(cpi.targets.map((t) => t.truth_m), { symbol: "circle-open", size: 17, color: colour("ink"),
        line: { width: 2 } }, cpi.targets.map(targetText)),
        Object.assign(scatter(cpi.targets.map((t) => beside(t.truth_m, 0.65, 0.65)), {}, cpi.targets.map((_, i) => i)),
          { mode: "text", textposition: "middle center", textfont: { size: 13 }, hoverinfo: "skip", hovertemplate: null })],
      resolved: estimates(true, { symbol: "cross-thin", size: 13, color: colour("green"), line: { width: 2.5, color: colour("green") } }),
      unresolved: estimates(false, { symbol: "diamond-open", size: 13, color: colour("yellow"), line: { width: 2.5 } }),
      false: [scatter(cpi.false_positions_m, { symbol: "asterisk-open", size: 12, color: colour("vermilion"),
        line: { width: 2 } }, cpi.false_positions_m.map((p) => `false estimate\nat ${place(p)} m`))],
    };
  }

  function drawMap() {
    const layers = mapTraces(cpis[at]);
    const traces = Object.entries(layers).flatMap(([name, some]) =>
      some.map((trace) => Object.assign(trace, { visible: !hidden.has(name), text: broken(trace.text) })));
    const margin = 0.05 * Math.max(...survey.size_m);
    const points = [...aps, ...survey.users].map((one) => one.position_m).concat([[0, 0], survey.size_m]);
    const range = (k) => [Math.min(...points.map((p) => p[k])) - margin, Math.max(...points.map((p) => p[k])) + margin];
    return draw("map-plot", traces, { uirevision: "map", dragmode: "zoom",
      xaxis: axis("x (m)", { range: range(0) }),
      yaxis: axis("y (m)", { range: range(1), scaleanchor: "x", scaleratio: 1 }) });
  }

  const broken = (texts) => texts && texts.map((text) => text.replace(/\n/g, "<br>"));

  function makeLayers() {
    for (const [name, sign, ink, said] of LAYERS) {
      const glyph = element("i", sign);
      glyph.style.color = `var(--${ink})`;
      of("layers").append(page.switched(name, hidden, glyph, said, drawMap));
    }
  }

  // -- targets -------------------------------------------------------------------------------------------------------

  const CLASSES = { resolved: "good", "not-resolved": "open", missed: "bad" };
  const SIGNS = { resolved: "✓ resolved", "not-resolved": "◇ not resolved", missed: "✕ missed" };
  const COLUMNS = [["error", "error_m"], ["bound", "peb_m"], ["bound, structured", "peb_structured_m"],
    ["bound, phases unknown", "peb_hybrid_m"], ["phases taken for exact", "error_ignoring_m"]];

  const reasoned = cpis.some((cpi) => cpi.targets.some((target) => known(target.reason)));

  function drawTargets() {
    const cpi = cpis[at];
    const columns = COLUMNS.filter(([, key]) => cpis.some((one) => one.targets.some((target) => known(target[key]))));
    const head = (text) => ({ text, className: "number" });
    fill("target-table", ["target", "status", ...(reasoned ? ["why"] : []), ...columns.map(([name]) => head(name)), head("estimate (m)"), head("truth (m)")],
      cpi.targets.map((t, i) => [i, { text: cpi.has_pilots ? "– pilots" : SIGNS[t.status], className: cpi.has_pilots ? "quiet" : CLASSES[t.status] },
        ...(reasoned ? [t.reason || ""] : []), ...columns.map(([, key]) => number(length(t[key]), t[key])), number(place(t.estimate_m), t.estimate_m),
        number(place(t.truth_m), t.truth_m)]));
    of("verdict").textContent = verdict(cpi);
    const words = [...new Set(cpi.targets.map((target) => target.reason).filter(known))];
    of("reasons").textContent = words.map((word) => `${word}: ${data.reasons[word] || "a reason of one's own"}`).join("; ");
  }

  function verdict(cpi) {
    if (cpi.has_pilots) return "The slots of this CPI are those of pilots: nothing is sensed or communicated.";
    const resolved = cpi.targets.filter((target) => target.status === "resolved").length;
    return `${resolved} of ${times(cpi.targets.length, "target")} resolved, ${times(cpi.false_detections, "false estimate")}; ` +
      `${cpi.reports_fused} of ${cpi.reports_expected} reports fused, estimate ${digits(1e3 * cpi.sensing_latency_s, 3)} ms after the first slot began.` +
      (cpi.limited ? " The search stopped at its limit of operations." : "");
  }

  let errorSize = rounded(1.5 * Math.max(0, ...cpis.flatMap((cpi) => cpi.targets.map((target) => target.peb_m || 0)))) || 1;

  /** The next of 1, 2, 5, 10 ... above a length; 0 for none: the axes then jump less from CPI to CPI. */
  function rounded(length) {
    if (!(length > 0)) return 0;
    const power = 10 ** Math.floor(Math.log10(length));
    return [1, 2, 5, 10].find((step) => step * power >= length) * power;
  }

  function drawError() {
    const index = Number(of("target").value), target = cpis[at].targets[index];
    if (!target) return Promise.resolve(of("error-plot").replaceChildren(element("p", "No targets in this scenario.")));
    const seen = cpis.slice(0, at + 1).map((cpi) => cpi.targets[index]).filter((t) => known(t.estimate_m));
    const offset = (t) => [t.estimate_m[0] - t.truth_m[0], t.estimate_m[1] - t.truth_m[1]];
    const now = known(target.estimate_m) ? [target] : [];
    const spread = (t) => known(t.covariance_m2) ? 2.447747 * Math.sqrt(Math.max(t.covariance_m2[0][0], t.covariance_m2[1][1])) : 0;
    errorSize = rounded(Math.max(1.5 * (target.peb_m || 0), ...now.map((t) => t.error_m + spread(t)))) || errorSize;
    const size = errorSize;
    const [factor, name] = unit(size);
    const scaled = (t) => offset(t).map((x) => factor * x);
    const ink = colour(target.status === "resolved" ? "green" : "yellow");
    const circle = known(target.peb_m) ? [ellipse([0, 0], [[target.peb_m ** 2 / 2.447747 ** 2, 0], [0, target.peb_m ** 2 / 2.447747 ** 2]], factor)] : [];
    const range = [-factor * size, factor * size];
    return draw("error-plot", [
      lines(circle, { color: colour("grey"), width: 1.5, dash: "dash" }),
      lines(now.filter((t) => known(t.covariance_m2)).map((t) => ellipse(scaled(t), t.covariance_m2, factor)), { color: ink, width: 1.5 }, { fill: "toself" }),
      scatter(seen.map(scaled), { symbol: "circle", size: 5, color: colour("grey") }, seen.map((t) => "earlier: off by " + length(t.error_m))),
      scatter([[0, 0]], { symbol: "circle-open", size: 15, color: colour("ink"), line: { width: 2 } }, ["the target"]),
      scatter(now.map(scaled), { symbol: "cross-thin", size: 14, line: { width: 2.5, color: ink } }, now.map((t) => "off by " + length(t.error_m))),
    ], { xaxis: axis(`x error (${name})`, { range, zeroline: true, zerolinecolor: colour("line") }),
      yaxis: axis(`y error (${name})`, { range, scaleanchor: "x", zeroline: true, zerolinecolor: colour("line") }),
      annotations: [{ xref: "paper", yref: "paper", x: 0, y: 1, xanchor: "left", yanchor: "top", showarrow: false, align: "left",
        text: now.length ? `off by ${length(target.error_m)}; dashed: bound, ${length(target.peb_m)}` :
          (cpis[at].has_pilots ? "pilots" : "missed") + `; dashed: bound, ${length(target.peb_m)}` }] });
  }

  // -- users ---------------------------------------------------------------------------------------------------------

  const means = survey.users.map((_, i) => cpis.reduce((sum, cpi) => sum + cpi.se_bit_s_hz[i], 0) / cpis.length);
  const highest = 1.08 * Math.max(0.1, ...cpis.flatMap((cpi) => cpi.se_bit_s_hz));

  function drawUsers() {
    const names = survey.users.map((ue) => ue.name), values = cpis[at].se_bit_s_hz;
    fill("user-table", ["user", { text: "bit/s/Hz", className: "number" }, { text: "mean", className: "number" }],
      values.map((value, i) => [names[i], number(digits(value, 4), value), number(digits(means[i], 4), means[i])]));
    return draw("user-plot", [
      { type: "bar", x: names.map(plain), y: values, marker: { color: colour("blue") }, hovertemplate: "%{x}: %{y:.4f} bit/s/Hz<extra></extra>" },
      { x: names.map(plain), y: means, mode: "markers", marker: { symbol: "line-ew", size: 20, line: { width: 2.5, color: colour("orange") } },
        hovertemplate: "%{x}: mean %{y:.4f}<extra></extra>" },
    ], { xaxis: axis("", { fixedrange: true }), yaxis: axis("bit/s/Hz", { range: [0, highest], fixedrange: true }),
      annotations: [{ xref: "paper", yref: "paper", x: 1, y: 1.02, xanchor: "right", yanchor: "top", showarrow: false,
        text: names.length ? `sum ${digits(cpis[at].sum_se_bit_s_hz, 2)}; — mean over the run` : "no users" }] });
  }

  // -- over the run --------------------------------------------------------------------------------------------------

  const DASHES = [["error", "error_m", "solid", "circle"], ["bound", "peb_m", "dash", "circle-open"],
    ["bound, phases unknown", "peb_hybrid_m", "dot", "diamond-open"], ["phases taken for exact", "error_ignoring_m", "dashdot", "square-open"]];
  const INKS = ["blue", "vermilion", "green", "purple", "orange", "grey"];
  const MOST_TARGETS = 6;

  function courseTraces() {
    const x = cpis.map((cpi) => cpi.index), mode = cpis.length > 60 ? "lines" : "lines+markers";
    const curve = (y, yaxis, name, ink, dash, symbol) => ({ x, y, yaxis, mode, name: plain(name), line: { color: colour(ink), dash, width: 1.8 },
      marker: { symbol, size: 6 }, hovertemplate: "CPI %{x}, %{fullData.name}: %{y:.4g}<extra></extra>" });
    const few = cpis[0].targets.slice(0, MOST_TARGETS);
    const errors = DASHES.flatMap(([name, key, dash, symbol]) => few.map((_, i) =>
      curve(cpis.map((cpi) => known(cpi.targets[i][key]) && !cpi.has_pilots ? cpi.targets[i][key] : null), "y", `target ${i}, ${name} (m)`, INKS[i], dash, symbol)));
    return [...errors.filter((trace) => trace.y.some(known)),
      curve(cpis.map((cpi) => cpi.sum_se_bit_s_hz), "y2", "sum spectral efficiency", "blue", "solid", "circle"),
      curve(cpis.map((cpi) => cpi.reports_expected - cpi.reports_fused), "y3", "reports missing", "vermilion", "solid", "square"),
      curve(cpis.map((cpi) => cpi.false_detections), "y3", "false estimates", "purple", "dash", "diamond-open")];
  }

  function cursor() {
    return [{ type: "line", xref: "x", yref: "paper", x0: cpis[at].index, x1: cpis[at].index, y0: 0, y1: 1,
      line: { color: colour("ink"), width: 1.5 } },
    ...data.disturbances.slice(0, 60).flatMap((one) => one.cpis.slice(0, 60).map(([first, last]) => ({ type: "rect", layer: "below", xref: "x",
      yref: "paper", x0: first - 0.5, x1: last + 0.5, y0: 0, y1: 1, line: { width: 0 }, fillcolor: colour("purple"), opacity: 0.1 })))];
  }

  const COURSE = [["Position error and bound", 1], ["Sum spectral efficiency (bit/s/Hz)", 0.5],
    ["Reports missing, false estimates", 0.2]];

  function sayCourse() {
    const hybrid = cpis.some((cpi) => cpi.targets.some((target) => known(target.peb_hybrid_m)));
    of("course-hint").textContent = "Errors are solid, bounds dashed" + (hybrid ? ", bounds with phases unknown dotted, errors of who takes phases for exact dash-dotted" : "") +
      "; missing reports solid, false estimates dashed." + (data.disturbances.length ? " Shaded: faults, or receivers left out." : "") +
      (cpis[0].targets.length > MOST_TARGETS ? ` Of the targets, the first ${MOST_TARGETS}.` : "") + " Select a point to go to its CPI.";
  }

  function drawCourse() {
    const titles = COURSE.map(([text, y]) => ({ text: text + (y === 1 ? targetKey() : ""), xref: "paper", yref: "paper", x: 0, y, xanchor: "left", yanchor: "bottom", yshift: 4, showarrow: false }));
    const traces = courseTraces();
    return draw("course-plot", traces, { height: 560, margin: { l: 60, r: 12, t: 26, b: 42 }, shapes: cursor(), annotations: titles,
      xaxis: axis("CPI", { anchor: "y3", tickformat: "d", dtick: cpis.length <= 20 ? 1 : undefined }),
      yaxis: axis("", { domain: [0.6, 1], type: "log", ...lengthTicks(traces) }),
      yaxis2: axis("", { domain: [0.3, 0.5], rangemode: "tozero" }), yaxis3: axis("", { domain: [0, 0.2], rangemode: "tozero" }) });
  }

  /** Ticks at powers of ten, in the unit that fits; between them, too, where there are few. */
  function lengthTicks(traces) {
    const values = traces.filter((trace) => trace.yaxis === "y").flatMap((trace) => trace.y).filter((value) => value > 0);
    const [low, high] = [Math.floor(Math.log10(Math.min(...values))), Math.ceil(Math.log10(Math.max(...values)))];
    const powers = Array.from({ length: values.length ? high - low + 1 : 0 }, (_, k) => 10 ** (low + k));
    const ticks = powers.flatMap((power) => (high - low < 3 ? [1, 2, 5] : [1]).map((step) => step * power));
    return { tickvals: ticks, ticktext: ticks.map(length) };
  }

  function targetKey() {
    const few = cpis[0].targets.slice(0, MOST_TARGETS);
    return few.length > 1 ? few.map((_, i) => ` <span style="color:${colour(INKS[i])}">● ${i}</span>`).join("") : "";
  }

  // -- the timeline --------------------------------------------------------------------------------------------------

  const MARKS = [["plan", "line-ns", "ink", "plan"], ["fuse", "circle", "green", "fuse"], ["publish", "diamond", "blue", "publish"],
    ["late", "x", "vermilion", "late message"], ["incoherent", "triangle-down", "vermilion", "coherence found lost"], ["calibrate", "star", "purple", "phases known anew"]];

  function stepped() {
    return CELLS.flatMap(([, ink], i) => [[i / CELLS.length, colour(ink)], [(i + 1) / CELLS.length, colour(ink)]]);
  }

  function cellTraces() {
    const rows = [...timeline.lanes].reverse(), edges = timeline.slot_edges_ms;
    const z = rows.map((lane) => Array.from(lane.cells, Number));
    const text = rows.map((lane, k) => z[k].map((value) => `${plain(lane.name)} ${CELLS[value][2]}`));
    return [{ type: "heatmap", x: edges, y: Array.from({ length: rows.length + 1 }, (_, i) => i - 0.5), z, text, zmin: -0.5, zmax: CELLS.length - 0.5,
      colorscale: stepped(), showscale: false, xgap: edges.length < 80 ? 1 : 0, ygap: rows.length < 40 ? 1 : 0,
      hovertemplate: "%{text}<br>slot from about %{x:.4f} ms<extra></extra>", yaxis: "y2" },
    correctionTrace(rows)];
  }

  function correctionTrace(rows) {
    const points = rows.flatMap((lane, k) => (timeline.corrections[lane.name] || []).map((time) => [time, k, lane.name]));
    return scatter(points, { symbol: "diamond", size: 8, color: colour("purple"), line: { color: colour("card"), width: 1 } },
      points.map(([, , name]) => `${name} takes up a correction of its phase`), { yaxis: "y2" });
  }

  /** What the central processor did at all, each in a row of its own, and its row. */
  const seenMarks = () => MARKS.filter(([kind]) => timeline.marks[kind].length).map((mark, k, all) => [...mark, all.length - k]);

  function markTraces() {
    return seenMarks().map(([kind, symbol, ink, said, row]) => ({ x: timeline.marks[kind], y: timeline.marks[kind].map(() => row), yaxis: "y",
      mode: "markers", marker: { symbol, size: 9, color: colour(ink), line: { width: symbol === "line-ns" ? 2 : 0, color: colour(ink) } },
      hovertemplate: `${said}<br>%{x:.6f} ms<extra></extra>` }));
  }

  function loadTraces() {
    const most = Math.max(1, ...timeline.loads.flatMap((load) => load.counts));
    return timeline.loads.flatMap((load, k) => [
      { x: load.times_ms, y: load.counts, yaxis: "y3", mode: "lines", line: { shape: "hv", width: 1.4, color: colour(k ? "orange" : "blue"), dash: k ? "solid" : "dot" },
        hovertemplate: `%{y} ${load.name} send<br>%{x:.6f} ms<extra></extra>` },
      { x: load.dropped_ms, y: load.dropped_ms.map(() => most), yaxis: "y3", mode: "markers", marker: { symbol: "x", size: 8, color: colour("vermilion") },
        hovertemplate: "message lost<br>%{x:.6f} ms<extra></extra>" }]);
  }

  const spanOf = (index) => (timeline.cpis.find((cpi) => cpi.index === index) || {}).span_ms;

  /** Where CPIs begin, and a frame about the one that is shown. */
  function frames() {
    const span = spanOf(cpis[at].index), line = { color: colour("line"), width: 1 };
    const borders = timeline.cpis.map(({ span_ms: [start] }) => ({ type: "line", xref: "x", yref: "paper", x0: start, x1: start, y0: 0, y1: 1, line }));
    return [...borders, ...(span ? [{ type: "rect", xref: "x", yref: "paper", x0: span[0], x1: span[1], y0: 0, y1: 1, line: { width: 2, color: colour("ink") } }] : [])];
  }

  function firstWindow() {
    const [start, end] = timeline.window_ms, sixth = timeline.cpis[Math.min(6, timeline.cpis.length - 1)];
    return [start, Math.min(end, sixth.span_ms[1])];
  }

  let shownWindow = timeline && firstWindow();

  function drawTimeline() {
    if (!timeline) return Promise.resolve();
    const rows = [...timeline.lanes].reverse(), few = rows.length <= 40, kinds = seenMarks();
    const height = 330 + Math.min(620, Math.max(100, 19 * rows.length));
    const share = (pixels) => pixels / (height - 80);
    const numbers = timeline.cpis.map((cpi) => ({ text: timeline.cpis.length > 40 ? "" : String(cpi.index), x: (cpi.span_ms[0] + cpi.span_ms[1]) / 2, y: 1, xref: "x", yref: "paper", yanchor: "bottom", showarrow: false }));
    return draw("timeline-plot", [...markTraces(), ...cellTraces(), ...loadTraces()], { height, dragmode: "zoom",
      margin: { l: 50, r: 12, t: 30, b: 50 }, shapes: frames(), annotations: numbers,
      xaxis: axis("emulated time (ms)", { range: shownWindow, anchor: "y3" }),
      yaxis: axis("", { domain: [1 - share(100), 1], fixedrange: true, tickvals: kinds.map((kind) => kind[4]),
        ticktext: kinds.map((kind) => kind[3]), range: [0.3, kinds.length + 0.7], showgrid: false }),
      yaxis2: axis("", { domain: [share(110), 1 - share(112)], fixedrange: true, showgrid: false, range: [-0.5, rows.length - 0.5],
        tickvals: few ? rows.map((_, k) => k) : groupPlaces(rows).map(([k]) => k), ticktext: few ? rows.map((lane) => plain(lane.name)) : groupPlaces(rows).map(([, name]) => plain(name)) }),
      yaxis3: axis("links sending", { domain: [0, share(95)], fixedrange: true, rangemode: "tozero" }) });
  }

  /** Where groups of APs have their middle, and their titles. */
  function groupPlaces(rows) {
    const names = [...new Set(rows.map((lane) => lane.group))];
    return names.map((name) => {
      const mine = rows.map((lane, k) => [lane.group, k]).filter(([group]) => group === name).map(([, k]) => k);
      return [(mine[0] + mine[mine.length - 1]) / 2, `${mine.length} APs: ${name}`];
    });
  }

  function showWindow(window) {
    shownWindow = window;
    Plotly.relayout(of("timeline-plot"), { "xaxis.range": window });
  }

  /** Move the window by a share of its width, and make it so many times as wide. */
  function moveWindow(by, times) {
    const [from, until] = shownWindow, width = until - from, middle = (from + until) / 2 + by * width;
    showWindow([middle - times * width / 2, middle + times * width / 2]);
  }

  /** Keep the CPI that is shown in the window. */
  function follow() {
    const span = timeline && spanOf(cpis[at].index);
    if (!span) return;
    const [from, until] = shownWindow, width = until - from;
    if (span[0] < from || span[1] > until) shownWindow = width > span[1] - span[0] ? [span[0] - 0.1 * width, span[0] + 0.9 * width] : span;
  }

  function makeTimeline() {
    if (!timeline) {
      of("timeline-hint").textContent = `There is no timeline: ${data.without_timeline}`;
      document.querySelectorAll("#timeline .buttons, #timeline-plot").forEach((one) => one.remove());
      return;
    }
    const { first, last } = timeline, coarse = timeline.loads.some((load) => load.changes > load.counts.length);
    of("timeline-hint").textContent = `CPIs ${first} to ${last}; the frame is the CPI that is shown. Drag to zoom; select a slot to go to its CPI.` +
      (last < cpis[cpis.length - 1].index ? " Of a long run the page holds the first CPIs alone; dmimo timeline --cpi draws others." : "") +
      (coarse ? " Links that send: the highest number of each of 3000 stretches of time." : "");
    const used = new Set(timeline.lanes.flatMap((lane) => [...lane.cells].map(Number)));
    CELLS.forEach(([, ink, said], value) => {
      if (!value || !used.has(value)) return;
      of("cells").append(page.boxed(ink, said));
    });
    of("cells").append(element("p", "Links sending: dotted to the APs, solid to the centre, ✕ a message lost."));
  }

  // -- the fronthaul -------------------------------------------------------------------------------------------------

  const links = Object.entries(run.fronthaul.links).sort((a, b) => b[1].utilisation - a[1].utilisation);
  const MOST_LINKS = 12;
  let allLinks = links.length <= MOST_LINKS;
  const lostOn = (link) => Object.values(link.lost).reduce((sum, count) => sum + count, 0);
  const causes = (link) => Object.entries(link.lost).map(([cause, count]) => `${count} ${cause}`).join(", ");
  const rate = (link) => link.rate_bit_s === null ? "no limit" : link.rate_bit_s === 0 ? "down" : bits(link.rate_bit_s) + "/s";

  function drawLinks() {
    const head = (text) => ({ text, className: "number" });
    fill("link-table", ["link", head("utilisation"), head("bits"), head("rate"), head("mean wait"), head("longest wait"), "lost"],
      (allLinks ? links : links.slice(0, MOST_LINKS)).map(([name, link]) => [name, number(percent(link.utilisation), link.utilisation),
        number(bits(link.bits), link.bits), number(rate(link), link.rate_bit_s), number(`${digits(1e6 * link.wait_mean_s, 2)} µs`, link.wait_mean_s),
        number(`${digits(1e6 * link.wait_max_s, 2)} µs`, link.wait_max_s), { text: causes(link), className: lostOn(link) ? "bad" : "" }]));
    const books = run.fronthaul;
    of("link-hint").textContent = `${books.messages_delivered} of ${times(books.messages_sent, "message")} delivered, ${books.messages_dropped} lost, ` +
      `${books.messages_in_flight} under way at the end.` + (allLinks ? "" : ` The ${MOST_LINKS} busiest of ${links.length} links:`);
    of("all-links").hidden = allLinks;
  }

  function drawGraph() {
    const ends = (name) => name.split("->").map((node) => data.places[node]);
    const beside = 0.012, middles = [], arrows = [];
    for (const [name] of links) {
      const [a, b] = ends(name), far = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1;
      const shift = [beside * (b[1] - a[1]) / far, -beside * (b[0] - a[0]) / far];
      const path = [a, b].map((p) => [p[0] + shift[0], p[1] + shift[1]]);
      arrows.push(path);
      middles.push([0.4 * path[0][0] + 0.6 * path[1][0], 0.4 * path[0][1] + 0.6 * path[1][1]]);
    }
    const most = Math.max(0.01, ...links.map(([, link]) => link.utilisation));
    const nodes = Object.entries(data.places), losing = links.map(([, link], k) => [link, k]).filter(([link]) => lostOn(link));
    const said = ([name, link]) => `${name}\n${percent(link.utilisation)} of the time, ${bits(link.bits)}\nrate ${rate(link)}` + (lostOn(link) ? `\nlost: ${causes(link)}` : "");
    const texts = (some) => some.map((one) => plain(one).replace(/\n/g, "<br>"));
    return draw("graph-plot", [
      lines(arrows, { color: colour("line"), width: 2 }),
      Object.assign(scatter(middles, { symbol: "circle", size: 9, color: links.map(([, link]) => link.utilisation), colorscale: "Cividis", reversescale: document.documentElement.dataset.theme !== "dark",
        cmin: 0, cmax: most, colorbar: { title: { text: "utilisation", side: "right" }, thickness: 12, len: 0.6, tickformat: ".2~%", outlinewidth: 0 }, line: { width: 0.5, color: colour("grey") } }, []),
      { text: texts(links.map(said)) }),
      Object.assign(scatter(losing.map(([, k]) => arrows[k][0].map((x, j) => (2 * x + arrows[k][1][j]) / 3)), { symbol: "x", size: 9, color: colour("vermilion") }, []),
        { text: texts(losing.map(([, k]) => said(links[k]))) }),
      Object.assign(scatter(nodes.map(([, p]) => p), { symbol: nodes.map(([name]) => name === "central" ? "diamond" : "circle"), size: nodes.map(([name]) => name === "central" ? 15 : nodes.length > 60 ? 6 : 9),
        color: nodes.map(([name]) => colour(name === "central" ? "blue" : "ink")) }, nodes.map(([name]) => name.length > 24 ? `${name.slice(0, 12)}…${name.slice(-10)}` : name)),
      { mode: nodes.length > 60 ? "markers" : "markers+text", textposition: "top center", textfont: { size: 11, color: colour("soft") } }),
    ], { uirevision: "graph", margin: { l: 8, r: 8, t: 12, b: 8 }, xaxis: { visible: false }, yaxis: { visible: false, scaleanchor: "x" } });
  }

  // -- clocks and faults ---------------------------------------------------------------------------------------------

  function list(id, texts) {
    const made = element("ul");
    texts.forEach((text) => made.append(element("li", text)));
    of(id).append(made);
  }

  function sayClocks() {
    if (!survey.phases.length) {
      of("clock-text").append(element("p", "Ideal: no oscillators and no calibration are given, so all phases are known."));
      return;
    }
    of("clock-text").append(element("p", "As the scenario has them:"));
    list("clock-text", survey.phases);
    const marks = timeline ? timeline.marks : { incoherent: [], calibrate: [] };
    const ms = (some) => some.length ? some.slice(0, 20).map((time) => time.toFixed(4)).join(", ") + " ms" + (some.length > 20 ? `, and ${some.length - 20} more` : "") : "never";
    const corrected = timeline ? Object.values(timeline.corrections).reduce((sum, some) => sum + some.length, 0) : 0;
    list("clock-text", [`CPIs of pilots: ${data.pilots.length ? data.pilots.slice(0, 40).join(", ") + (data.pilots.length > 40 ? ` and ${data.pilots.length - 40} more` : "") : "none"}.`,
      ...(timeline ? [`Coherence found lost: ${ms(marks.incoherent)}.`, `Phases known anew: ${ms(marks.calibrate)}.`, `Corrections taken up by access points: ${corrected}.`] : [])]);
    of("clock-text").append(element("p", "The table of targets has the bound with phases that are not known, and the error of who takes them for exact; they are drawn over the run, too.", { className: "hint" }));
  }

  function sayFaults() {
    if (!data.disturbances.length) {
      of("fault-table").replaceWith(element("p", "None: nothing broke, and no receiver was left out of an estimate."));
      return;
    }
    const spans = (some) => some.slice(0, 12).map(([first, last]) => first === last ? first : `${first} to ${last}`).join(", ") + (some.length > 12 ? ", …" : "");
    fill("fault-table", ["what", "where", "CPIs"], data.disturbances.map((one) => [one.what, one.where, spans(one.cpis)]));
  }

  // -- playing -------------------------------------------------------------------------------------------------------

  function drawCpi() {
    const cpi = cpis[at], name = `CPI ${cpi.index}`;
    of("slider").value = at;
    of("shown").textContent = `${name} of ${cpis[0].index}–${cpis[cpis.length - 1].index}`;
    document.querySelectorAll(".of-cpi").forEach((one) => { one.textContent = `in ${name}`; });
    drawTargets();
    return [drawMap(), drawError(), drawUsers()];
  }

  function drawRun() { return [drawTimeline(), drawCourse(), drawGraph()]; }

  function drawAll() { return Promise.all([...drawCpi(), ...drawRun()]); }

  function go(to) {
    at = Math.min(Math.max(to, 0), cpis.length - 1);
    follow();
    drawCpi();
    Plotly.relayout(of("course-plot"), { shapes: cursor() });
    if (timeline) Plotly.relayout(of("timeline-plot"), { shapes: frames(), "xaxis.range": shownWindow });
  }

  function play(on) {
    clearInterval(player);
    player = on ? setInterval(() => { if (at >= cpis.length - 1) play(false); else go(at + 1); }, Number(of("speed").value)) : null;
    of("play").textContent = on ? "❚❚ Pause" : "▶ Play";
    of("play").setAttribute("aria-label", on ? "Pause" : "Play");
    if (on && at >= cpis.length - 1) go(0);
  }

  const nearest = (index) => cpis.reduce((best, cpi, i) => Math.abs(cpi.index - index) < Math.abs(cpis[best].index - index) ? i : best, 0);

  const KEYS = { ArrowLeft: () => go(at - 1), ArrowRight: () => go(at + 1), Home: () => go(0), End: () => go(cpis.length - 1), " ": () => play(!player), d: () => of("theme").click() };

  function listen() {
    of("slider").max = cpis.length - 1;
    of("slider").addEventListener("input", () => go(Number(of("slider").value)));
    of("back").addEventListener("click", () => go(at - 1));
    of("forth").addEventListener("click", () => go(at + 1));
    of("play").addEventListener("click", () => play(!player));
    of("speed").addEventListener("change", () => player && play(true));
    of("target").addEventListener("change", drawError);
    of("all-links").addEventListener("click", () => { allLinks = true; drawLinks(); });
    page.followTheme(drawAll);
    addEventListener("afterprint", () => document.querySelectorAll(".plot").forEach((plot) => plot.data && Plotly.Plots.resize(plot)));
    page.listenToKeys(KEYS);
    of("course-plot").on("plotly_click", (event) => go(nearest(event.points[0].x)));
    if (timeline) {
      const moves = { earlier: [-0.5, 1], nearer: [0, 0.5], farther: [0, 2], later: [0.5, 1] };
      Object.entries(moves).forEach(([id, move]) => of(id).addEventListener("click", () => moveWindow(...move)));
      of("all").addEventListener("click", () => showWindow(timeline.window_ms));
      of("one").addEventListener("click", () => { const span = spanOf(cpis[at].index); if (span) showWindow(span); });
      of("timeline-plot").on("plotly_relayout", (change) => { if (change["xaxis.range[0]"] !== undefined) shownWindow = [change["xaxis.range[0]"], change["xaxis.range[1]"]]; });
      of("timeline-plot").on("plotly_click", (event) => {
        const time = event.points[0].x, hit = timeline.cpis.find((cpi) => cpi.span_ms[0] <= time && time < cpi.span_ms[1]);
        if (hit) go(nearest(hit.index));
      });
    }
  }

  function start() {
    page.paintAsAsked();
    if (data.every > 1) {
      of("thinned").hidden = false;
      of("thinned").textContent = `The run has ${data.n_cpis} CPIs; this page holds one in ${data.every} of them. result.json has them all.`;
    }
    cpis[0].targets.forEach((_, i) => of("target").append(element("option", String(i), { value: i })));
    makeLayers();
    makeTimeline();
    drawLinks();
    sayClocks();
    sayFaults();
    sayCourse();
    drawAll().then(() => {
      listen();
      document.documentElement.dataset.readyMs = Math.round(performance.now());
    });
  }

  start();
})();
