"use strict";
// Tabs, tables that sort, choices, copying, and charts in the page's theme.
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const own = (tabs, role) =>
    all(`[role="${role}"]`, tabs).filter((each) => each.closest(".tabs") === tabs);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const collator = new Intl.Collator("en", { numeric: true });
  let printing = false;

  // Charts: drawn when they are first seen, in the colours of the theme.
  const themed = (value, style) => {
    if (typeof value === "string" && value.startsWith("theme:")) {
      return style.getPropertyValue(`--${value.slice(6)}`).trim();
    }
    if (Array.isArray(value)) return value.map((each) => themed(each, style));
    if (value !== null && typeof value === "object") {
      const made = {};
      for (const [key, each] of Object.entries(value)) made[key] = themed(each, style);
      return made;
    }
    return value;
  };
  const axis = {
    gridcolor: "theme:grid", linecolor: "theme:line", zerolinecolor: "theme:grid",
    tickcolor: "theme:line", minorloglabels: "complete", showline: true, ticks: "outside", automargin: true, title: { standoff: 8 },
  };
  const layoutOf = (given, width) => {
    const narrow = width < 520;
    const layout = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest",
      font: { color: "theme:ink", family: "system-ui, DejaVu Sans, sans-serif", size: narrow ? 11 : 12.5 },
      hoverlabel: { bgcolor: "theme:raised", bordercolor: "theme:line", font: { color: "theme:ink" }, align: "left" },
      legend: { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom" },
      margin: { l: narrow ? 44 : 64, r: narrow ? 10 : 40, t: 10, b: 44 },
      colorway: ["theme:a", "theme:b", "theme:c", "theme:d", "theme:e", "theme:f"],
      modebar: { orientation: "v", bgcolor: "rgba(0,0,0,0)", color: "theme:faint", activecolor: "theme:ink" },
      dragmode: narrow ? false : "zoom",
      ...given,
    };
    for (const name of new Set(["xaxis", "yaxis", ...Object.keys(given)])) {
      if (/^[xy]axis\d*$/.test(name)) layout[name] = { ...axis, ...given[name], title: { ...axis.title, ...given[name]?.title } };
    }
    return layout;
  };
  const config = {
    displaylogo: false, scrollZoom: false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
  };
  const draw = (place) => {
    const width = place.clientWidth;
    if (!window.Plotly || width === 0) return;  // nobody sees it
    const stored = JSON.parse(place.nextElementSibling.textContent);
    const style = getComputedStyle(root);  // of the theme
    const layout = { ...themed(layoutOf(stored.layout, width), style), width };
    const first = Number(place.dataset.width) !== width;
    if (first) window.Plotly.purge(place);  // drawn anew, for what is redrawn keeps old margins
    window.Plotly.react(place, themed(stored.data, style), layout,
      { ...config, displayModeBar: width >= 520 && !printing });
    place.dataset.drawn = "1";
    place.dataset.width = width;
    if (first && place.dataset.opens) {
      place.on("plotly_click", (event) => choose(place.dataset.opens, event.points[0].customdata));
    }
  };
  const drawSeen = (within, again = false) => {
    for (const place of all(".chart", within)) if (again || !place.dataset.drawn) draw(place);
  };

  // Another width of the window, or that of a tab that was closed meanwhile. (Plotly's own way
  // forgets the height.)
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.dataset.drawn && !printing && target.clientWidth !== Number(target.dataset.width)) draw(target);
    }
  });
  for (const place of all(".chart")) resized.observe(place);

  // Tabs: one in the order of the keyboard, arrows go to its neighbours.
  const open = (tab, focus) => {
    const tabs = tab.closest(".tabs");
    for (const each of own(tabs, "tab")) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", String(chosen));
      each.tabIndex = chosen ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (focus) tab.focus();
    tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    drawSeen(document.getElementById(tab.getAttribute("aria-controls")));
  };
  const follow = (tab) => {
    try { history.replaceState(null, "", `#${tab.id}`); } catch { /* a page that has no address */ }
  };
  for (const tabs of all(".tabs")) {
    const mine = own(tabs, "tab");
    for (const panel of own(tabs, "tabpanel")) panel.hidden = true;
    mine.forEach((tab, i) => {
      tab.addEventListener("click", () => { open(tab, false); follow(tab); });
      tab.addEventListener("keydown", (event) => {
        const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: mine.length - 1 }[event.key];
        if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        const next = mine[(to + mine.length) % mine.length];
        open(next, true);
        follow(next);
      });
    });
  }

  // Choices: one option shown at a time.
  const choose = (key, index) => {
    const choices = all(".choices").find((each) => each.dataset.key === key);
    const options = choices && all(":scope > .option", choices);
    if (!options || !options[index]) return;
    options.forEach((option, i) => option.toggleAttribute("data-chosen", i === index));
    choices.querySelector("select").value = String(index);
    const panel = choices.closest('[role="tabpanel"]');
    open(document.getElementById(panel.getAttribute("aria-labelledby")), false);
    drawSeen(options[index]);
  };
  for (const choices of all(".choices")) {
    const list = choices.querySelector("select");
    list.addEventListener("change", () => choose(choices.dataset.key, Number(list.value)));
    for (const button of all(".step", choices)) {
      button.addEventListener("click", () =>
        choose(choices.dataset.key, Number(list.value) + Number(button.dataset.step)));
    }
  }

  // Tables: a heading sorts up, then down, then as it was; what is not known stays below.
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.key === undefined ? cell.textContent.trim() : Number(cell.dataset.key);
  };
  for (const table of all("table")) {
    const body = table.tBodies[0];
    const before = [...body.rows];
    for (const button of all(".sort", table)) {
      const heading = button.closest("th");
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "none" };
        const order = next[heading.getAttribute("aria-sort")] ?? "ascending";
        for (const each of all("thead th", table)) each.removeAttribute("aria-sort");
        if (order !== "none") heading.setAttribute("aria-sort", order);
        const column = heading.cellIndex;
        const numbers = before.some((row) => row.cells[column].dataset.key !== undefined);
        const rows = [...before];
        if (order !== "none") {
          const sign = order === "ascending" ? 1 : -1;
          const absent = (x) => numbers ? typeof x !== "number" : x === "" || x === "–";
          rows.sort((one, other) => {
            const [a, b] = [value(one, column), value(other, column)];
            if (absent(a) || absent(b)) return Number(absent(a)) - Number(absent(b));
            return sign * (numbers ? a - b : collator.compare(a, b));
          });
        }
        body.append(...rows);
      });
    }
  }

  // Copying, where the browser lets a page.
  for (const button of all(".copy")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
        button.textContent = "copied";
      } catch { button.textContent = "select and copy by hand"; }
    });
  }

  root.classList.add("js");
  for (const tabs of all(".tabs")) open(own(tabs, "tab")[0], false);
  const linked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (linked && linked.getAttribute("role") === "tab") {
    for (let panel = linked.closest('[role="tabpanel"]'); panel;
      panel = panel.parentElement.closest('[role="tabpanel"]')) {
      open(document.getElementById(panel.getAttribute("aria-labelledby")), false);
    }
    open(linked, false);
  }
  window.scrollTo(0, 0);
  dark.addEventListener("change", () => { if (!printing) drawSeen(document, true); });
  const print = (now) => {  // a class, for what is hidden has no width to draw in
    printing = now;
    root.classList.toggle("printing", now);
    for (const place of all(".chart")) if (now || place.dataset.drawn) draw(place);
  };
  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => print(false));
  window.codesignPage = { draw, choose, open, all };
})();
