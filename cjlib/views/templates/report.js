"use strict";
(function () {
  const root = document.documentElement;
  const wide = matchMedia("(min-width: 1080px)");
  const darkSystem = matchMedia("(prefers-color-scheme: dark)");
  const quiet = "rgba(118,118,118,0.28)";
  const drawn = new Map();
  const byId = (id) => document.getElementById(id);
  const isDark = () => (root.dataset.theme || (darkSystem.matches ? "dark" : "light")) === "dark";
  const ink = (dark) => (dark ? "#e8ebf0" : "#1b2430");

  // ---- tables that start closed, contents that start open where there is room ------------------------------------
  for (const data of document.querySelectorAll("details.cj-data")) { data.open = false; data.classList.add("ready"); }
  const contents = document.querySelector(".cj-contents details");
  if (contents) {
    const fit = () => { contents.open = wide.matches; };
    fit();
    wide.addEventListener("change", fit);
    contents.addEventListener("click", (event) => { if (event.target.closest("a") && !wide.matches) contents.open = false; });
    follow(contents);
  }
  markScrollers();
  addEventListener("resize", markScrollers);

  function follow(list) {
    const links = new Map([...list.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
    const heads = [...links.keys()].map(byId).filter(Boolean);
    const mark = () => {
      const current = heads.filter((head) => head.checkVisibility() && head.getBoundingClientRect().top < 140).pop();
      for (const [id, link] of links) {
        if (current && id === current.id) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
      }
    };
    addEventListener("scroll", () => requestAnimationFrame(mark), { passive: true });
    mark();
  }

  // A box that scrolls sideways must be reachable by keyboard; one that does not should not be a stop.
  function markScrollers() {
    for (const box of document.querySelectorAll(".cj-scroll")) {
      if (box.scrollWidth > box.clientWidth + 1) {
        box.tabIndex = 0;
        box.setAttribute("role", "region");
        box.setAttribute("aria-label", "Table, scrolls sideways");
      } else {
        box.removeAttribute("tabindex");
        box.removeAttribute("role");
        box.removeAttribute("aria-label");
      }
    }
  }
  document.addEventListener("toggle", markScrollers, true);

  // ---- summary or everything ---------------------------------------------------------------------------------------
  const brief = () => root.classList.contains("summary");
  const view = document.querySelector(".cj-view");
  if (!document.querySelector("main .cj-in-full")) {
    root.classList.remove("summary");
    if (view) view.hidden = true;
  }
  function show(full) {
    root.classList.toggle("summary", !full);
    byId("cj-full").setAttribute("aria-pressed", String(full));
    byId("cj-summary").setAttribute("aria-pressed", String(!full));
    markScrollers();
  }
  function choose(full) {
    show(full);
    try { localStorage.setItem("cj-view", full ? "full" : "summary"); } catch (refused) { /* not kept, but shown */ }
  }
  if (view) {
    show(!brief());
    byId("cj-summary").addEventListener("click", () => choose(false));
    byId("cj-full").addEventListener("click", () => choose(true));
  }
  function unfold(section, open) {
    section.classList.toggle("open", open);
    const button = section.querySelector(".cj-unfold button");
    button.setAttribute("aria-expanded", String(open));
    button.textContent = open ? "Show less" : "Show all";
    markScrollers();
  }
  for (const button of document.querySelectorAll(".cj-unfold button")) {
    const section = button.closest("section");
    button.addEventListener("click", () => unfold(section, !section.classList.contains("open")));
  }
  // A link leads to what it names, also where that is folded.
  function reach(target) {
    const section = target && target.closest("main > section");
    if (!section) return;
    if (brief() && section.classList.contains("cj-in-full")) show(true);
    if (brief() && !target.checkVisibility() && section.querySelector(".cj-unfold")) unfold(section, true);
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView();
  }
  const named = () => location.hash && byId(decodeURIComponent(location.hash.slice(1)));
  addEventListener("hashchange", () => reach(named()));
  reach(named());

  // ---- terms --------------------------------------------------------------------------------------------------------
  const meanings = new Map([...document.querySelectorAll("#cj-glossary dt")].map((term) => [term.textContent, term.nextElementSibling.textContent]));
  if (meanings.size) {
    const tip = document.createElement("p");
    tip.id = "cj-tip";
    tip.setAttribute("role", "tooltip");
    tip.hidden = true;
    document.body.append(tip);
    const escaped = [...meanings.keys()].map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/ /g, "\\s"));
    const pattern = new RegExp("(?<![\\w-])(" + escaped.join("|") + ")(?![\\w-])");
    const hide = () => { tip.hidden = true; };
    const tell = (button) => {
      tip.textContent = meanings.get(button.dataset.term);
      tip.hidden = false;
      const place = button.getBoundingClientRect();
      tip.style.left = Math.max(8, Math.min(place.left, innerWidth - tip.offsetWidth - 8)) + "px";
      tip.style.top = (place.bottom + tip.offsetHeight + 8 < innerHeight ? place.bottom + 6 : place.top - tip.offsetHeight - 6) + "px";
    };
    // A line may end before a button, never between a bracket and its term.
    const together = (text, button) => {
      const held = document.createElement("span");
      held.className = "cj-together";
      button.before(held);
      held.append("(", button);
      text.data = text.data.slice(0, -1);
    };
    const told = new Set();
    for (const words of document.querySelectorAll("main .cj-headline, main figcaption, main .cj-gist, main .cj-note")) {
      if (words.closest("summary")) continue;
      const walk = document.createTreeWalker(words, NodeFilter.SHOW_TEXT);
      const texts = [];
      while (walk.nextNode()) texts.push(walk.currentNode);
      for (const text of texts) {
        const hit = pattern.exec(text.data);
        const term = hit && hit[0].replace(/\s/g, " ");
        const place = words.closest("section") || words;
        if (!hit || told.has(term + place.getAttribute("aria-labelledby"))) continue;
        told.add(term + place.getAttribute("aria-labelledby"));
        const button = document.createElement("button");
        button.type = "button";
        button.className = "cj-term";
        button.dataset.term = term;
        button.setAttribute("aria-describedby", tip.id);
        const rest = text.splitText(hit.index);
        rest.data = rest.data.slice(hit[0].length);
        button.textContent = hit[0];
        rest.before(button);
        if (text.data.endsWith("(")) together(text, button);
        for (const event of ["mouseenter", "focus", "click"]) button.addEventListener(event, () => tell(button));
        for (const event of ["mouseleave", "blur"]) button.addEventListener(event, hide);
      }
    }
    addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
    addEventListener("scroll", hide, { passive: true });
  }

  // ---- the menu of a figure -------------------------------------------------------------------------------------------
  function save(name, address) {
    const link = document.createElement("a");
    link.download = name;
    link.href = address;
    link.click();
  }
  // A cell that a spreadsheet would take for a formula is text.
  const cell = (text) => '"' + (/^[=+@\t]|^-(?![\d.])/.test(text) && !/^\+[\d.]/.test(text) ? "'" + text : text).replace(/"/g, '""') + '"';
  const file = (box, kind) => location.pathname.split("/").pop().replace(/\.html$/, "") + "_" + box.dataset.fig + "." + kind;
  for (const figure of document.querySelectorAll(".cj-figure:has([data-fig])")) {
    const box = figure.querySelector("[data-fig]");
    const counted = (figure.closest("section") || document).querySelector(".cj-definition") || document.querySelector(".cj-definition");
    figure.querySelector("[data-counted]").hidden = !counted;
    figure.addEventListener("click", async (event) => {
      const { save: kind, counted: asked } = event.target.dataset;
      if (asked !== undefined) {
        counted.open = true;
        reach(counted);
      } else if (kind === "csv") {
        const rows = [...figure.querySelectorAll(".cj-data tr")].map((row) => [...row.cells].map((one) => cell(one.textContent)).join(","));
        const address = URL.createObjectURL(new Blob(["\ufeff" + rows.join("\r\n") + "\r\n"], { type: "text/csv" }));
        save(file(box, kind), address);
        setTimeout(() => URL.revokeObjectURL(address), 1000);
      } else if (kind) {
        await draw(box);
        const layout = Object.assign({}, box.layout, { width: 960, paper_bgcolor: "#ffffff", font: Object.assign({}, box.layout.font, { color: ink(false) }) });
        save(file(box, kind), await window.Plotly.toImage({ data: box.data, layout }, { format: kind, width: 960, height: layout.height, scale: 2 }));
      }
    });
  }

  // ---- the three buttons ------------------------------------------------------------------------------------------
  const code = byId("cj-show-code");
  if (!document.querySelector(".cj-code")) code.hidden = true;
  code.addEventListener("click", () => {
    const shown = root.classList.toggle("with-code");
    code.setAttribute("aria-pressed", String(shown));
    code.textContent = shown ? "Hide code" : "Show code";
    if (shown && brief()) choose(true);
    markScrollers();
  });

  const theme = byId("cj-theme");
  const themes = ["system", "light", "dark"];
  const nameTheme = () => { theme.textContent = "Theme: " + (root.dataset.theme || "system"); };
  theme.addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme || "system") + 1)% themes.length];
    if (next === "system") delete root.dataset.theme; else root.dataset.theme = next;
    try { localStorage.setItem("cj-theme", next); } catch (refused) { /* not kept, but shown */ }
    nameTheme();
    reskin();
  });
  nameTheme();
  darkSystem.addEventListener("change", reskin);

  byId("cj-print").addEventListener("click", async () => {
    await Promise.race([drawAll(), new Promise((late) => setTimeout(late, 8000))]);
    window.print();
  });
  const opened = new Set();
  addEventListener("beforeprint", () => {
    // Of a summary is printed what is shown, and the numbers of a figure that is not drawn yet.
    const undrawn = (details) => details.matches(".cj-figure:not(:has(img.cj-paper, .cj-marks)) .cj-data") && details.checkVisibility();
    for (const details of document.querySelectorAll("main details:not(.cj-messages):not(.cj-sql)")) {
      if (!details.open && (!brief() || undrawn(details))) { details.open = true; opened.add(details); }
    }
  });
  // A table too wide for a sheet is made smaller rather than cut off.
  addEventListener("beforeprint", () => {
    for (const table of document.querySelectorAll("main table")) {
      if (table.scrollWidth > 640 && !table.matches(".cj-marks")) table.style.zoom = String(Math.max(0.45, 640 / table.scrollWidth));
    }
  });
  addEventListener("afterprint", () => { for (const table of document.querySelectorAll("main table")) table.style.zoom = ""; });
  addEventListener("afterprint", () => { for (const details of opened) details.open = false; opened.clear(); });

  // ---- figures ----------------------------------------------------------------------------------------------------
  let library = null;
  function plotly() {
    library = library || load();
    return library;
  }

  async function load() {
    const shared = byId("cj-plotly");
    const address = shared ? shared.dataset.src : await unpacked();
    await new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = done;
      script.onerror = () => failed(new Error("plotly could not be loaded"));
      document.head.append(script);
    });
    if (!shared) URL.revokeObjectURL(address);
    return window.Plotly;
  }

  async function unpacked() {
    await parsed;
    const source = inflated(byId("cj-plotly-packed").textContent);
    return URL.createObjectURL(new Blob([await source.blob()], { type: "text/javascript" }));
  }
  function inflated(text) {
    return new Response(new Blob([decoded(text)]).stream().pipeThrough(new DecompressionStream("gzip")));
  }
  // A large figure is packed like plotly itself.
  async function specOf(box) {
    const held = byId(box.dataset.fig);
    return JSON.parse(held.type === "application/json" ? held.textContent : await inflated(held.textContent).text());
  }
  // Base 116: seven letters are six bytes, the highest first; the end is filled up with the last letter.
  // Its letters are the signs of one byte without `<`, the ends of lines and a few that are not needed.
  function decoded(text) {
    const value = new Uint8Array(128);
    let next = 0;
    for (const [first, last] of [[1, 4], [14, 59], [61, 126]]) for (let at = first; at <= last; at++) value[at] = next++;
    const missing = (7 - (text.length % 7)) % 7;
    const whole = text + "~".repeat(missing);
    const bytes = new Uint8Array((whole.length / 7) * 6);
    const view = new DataView(bytes.buffer);
    for (let from = 0, to = 0; from < whole.length; from += 7, to += 6) {
      let number = 0;
      for (let at = from; at < from + 7; at++) number = number * 116 + value[whole.charCodeAt(at)];
      view.setUint16(to, number / 4294967296);
      view.setUint32(to + 2, number % 4294967296);
    }
    return bytes.subarray(0, bytes.length - missing);
  }

  const parsed = new Promise((done) => {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", done, { once: true }); else done();
  });

  function prepared(spec, box) {
    const layout = spec.layout;
    const base = (layout.template = layout.template || {});
    const grounds = (base.layout = base.layout || {});
    Object.assign(layout, { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" });
    const given = grounds.font && grounds.font.family && !/Open Sans/.test(grounds.font.family) ? {} : { family: getComputedStyle(document.body).fontFamily };
    layout.font = Object.assign(given, layout.font, { color: ink(isDark()) });
    if (!layout.margin && !grounds.margin) layout.margin = { l: 8, r: 16, t: 16, b: 8 };
    for (const trace of spec.data) {
      // plotly chooses the colour of flows by the ground of the figure, and this ground is none.
      if (trace.type === "sankey" && trace.link && !trace.link.color) trace.link.color = "rgba(118,118,118,0.35)";
    }
    for (const axis of ["xaxis", "yaxis"]) {
      grounds[axis] = Object.assign({}, grounds[axis], { gridcolor: quiet, zerolinecolor: quiet, linecolor: quiet, automargin: true });
    }
    if (layout.dragmode === undefined) layout.dragmode = false;
    layout.height = layout.height || box.offsetHeight;
    delete layout.width;
    if (box.clientWidth < 480) narrow(spec); else spellOut(layout);
    return spec;
  }

  // Where there is room a label that was shortened says what it says on a phone only when touched.
  function spellOut(layout) {
    for (const note of layout.annotations || []) {
      if (note.name !== "shortened") continue;
      note.text = note.hovertext;
      delete note.hovertext;
    }
  }

  // On a phone the labels of a flow need height, not width.
  function narrow(spec) {
    for (const trace of spec.data) {
      if (trace.type !== "sankey" || !trace.node || !Array.isArray(trace.node.label)) continue;
      spec.layout.height = Math.round(spec.layout.height * 1.25);
      trace.textfont = Object.assign({}, trace.textfont, { size: 10 });
      trace.node.label = trace.node.label.map((label) => { const letters = [...label]; return letters.length > 18 ? letters.slice(0, 17).join("") + "…" : label; });
    }
  }

  async function draw(box) {
    if (drawn.has(box)) return drawn.get(box);
    const work = (async () => {
      const Plotly = await plotly();
      const spec = prepared(await specOf(box), box);
      choices(Plotly, box, spec.menus || []);
      await Plotly.newPlot(box, spec.data, spec.layout, { displayModeBar: false, responsive: true, displaylogo: false });
      box.style.minHeight = "";
      for (const stop of box.querySelectorAll("[tabindex]")) stop.tabIndex = -1;
      await picture(Plotly, box);
    })();
    drawn.set(box, work);
    work.catch((fault) => say(box, fault));
    return work;
  }

  function say(box, fault) {
    const words = document.createElement("p");
    words.className = "cj-note";
    words.textContent = "This picture could not be drawn (" + fault.message + "). Its numbers stand in the table below.";
    box.replaceChildren(words);
    const data = box.parentElement.querySelector("details.cj-data");
    if (data) data.open = true;
  }

  // Native lists instead of plotly's own menus, which overlap on a phone and cannot be reached by keyboard.
  function choices(Plotly, box, menus) {
    const place = byId("choices-" + box.dataset.fig);
    menus.forEach((menu, number) => {
      const choice = document.createElement("span");
      const label = document.createElement("label");
      const select = document.createElement("select");
      select.id = box.dataset.fig + "-choice-" + number;
      label.htmlFor = select.id;
      label.append(menu.label);
      choice.append(label, " ", select);
      menu.options.forEach((option, at) => select.append(new Option(option.label, String(at), at === menu.active, at === menu.active)));
      select.addEventListener("change", async () => {
        const { method, args } = menu.options[Number(select.value)];
        if (method === "update") await Plotly.update(box, args[0] || {}, args[1] || {}, args[2]);
        else if (method === "restyle") await Plotly.restyle(box, ...args);
        else if (method === "relayout") await Plotly.relayout(box, ...args);
        await picture(Plotly, box);
      });
      place.append(choice);
    });
  }

  // Paper gets a picture of its own: what is drawn for the screen would be cut off at the edge of the sheet.
  async function picture(Plotly, box) {
    const layout = Object.assign({}, box.layout, { width: 660, height: box.layout.height, font: Object.assign({}, box.layout.font, { color: ink(false) }) });
    const address = await Plotly.toImage({ data: box.data, layout }, { format: "svg", width: 660, height: layout.height });
    let image = box.parentElement.querySelector("img.cj-paper");
    if (!image) {
      image = document.createElement("img");
      image.className = "cj-paper";
      image.alt = box.getAttribute("aria-label");
      box.after(image);
    }
    image.src = address;
  }

  async function reskin() {
    for (const [box, work] of drawn) {
      await work;
      await window.Plotly.relayout(box, { "font.color": ink(isDark()) });
    }
  }

  const boxes = [...document.querySelectorAll("[data-fig]")];
  const drawAll = () => Promise.allSettled(boxes.filter((box) => box.checkVisibility()).map(draw));
  if (boxes.length) {
    const near = new IntersectionObserver((seen) => {
      for (const one of seen) if (one.isIntersecting) { near.unobserve(one.target); draw(one.target); }
    }, { rootMargin: "600px" });
    boxes.forEach((box) => near.observe(box));
    // The rest when there is nothing else to do, so that a page printed from the browser's menu is complete.
    addEventListener("load", () => (window.requestIdleCallback || setTimeout)(() => setTimeout(drawAll, 1500)));
  }
})();
