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
      const current = heads.filter((head) => head.getBoundingClientRect().top < 140).pop();
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

  // ---- the three buttons ------------------------------------------------------------------------------------------
  const code = byId("cj-show-code");
  if (!document.querySelector(".cj-code")) code.hidden = true;
  code.addEventListener("click", () => {
    const shown = root.classList.toggle("with-code");
    code.setAttribute("aria-pressed", String(shown));
    code.textContent = shown ? "Hide code" : "Show code";
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
    for (const details of document.querySelectorAll("main details:not(.cj-messages):not(.cj-sql)")) {
      if (!details.open) { details.open = true; opened.add(details); }
    }
  });
  // A table too wide for a sheet is made smaller rather than cut off.
  addEventListener("beforeprint", () => {
    for (const table of document.querySelectorAll("main table")) {
      if (table.scrollWidth > 640) table.style.zoom = String(Math.max(0.45, 640 / table.scrollWidth));
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
  // Base 85: five letters are four bytes, the highest first; the end is filled up with the last letter.
  function decoded(text) {
    const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%,()*+-;.=/?@^_`{|}~";
    const value = new Uint8Array(128);
    for (let at = 0; at < letters.length; at++) value[letters.charCodeAt(at)] = at;
    const missing = (5 - (text.length % 5)) % 5;
    const whole = text + "~".repeat(missing);
    const bytes = new Uint8Array((whole.length / 5) * 4);
    const view = new DataView(bytes.buffer);
    for (let from = 0, to = 0; from < whole.length; from += 5, to += 4) {
      let number = 0;
      for (let at = from; at < from + 5; at++) number = number * 85 + value[whole.charCodeAt(at)];
      view.setUint32(to, number);
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
  const drawAll = () => Promise.allSettled(boxes.map(draw));
  if (boxes.length) {
    const near = new IntersectionObserver((seen) => {
      for (const one of seen) if (one.isIntersecting) { near.unobserve(one.target); draw(one.target); }
    }, { rootMargin: "600px" });
    boxes.forEach((box) => near.observe(box));
    // The rest when there is nothing else to do, so that a page printed from the browser's menu is complete.
    addEventListener("load", () => (window.requestIdleCallback || setTimeout)(() => setTimeout(drawAll, 1500)));
  }
})();
