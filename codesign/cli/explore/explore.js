"use strict";
// Sliders over what is known, and a solve for what is not.
(() => {
  const { all, draw } = window.codesignPage;
  const the = (id) => document.getElementById(id);
  const ask = async (path, body) => {
    const post = { method: "POST", headers: { "Content-Type": "application/json" } };
    const reply = await fetch(path, body === undefined ? {} : { ...post, body: JSON.stringify(body) });
    const content = await reply.json();
    if (!reply.ok) throw new Error(content.error);
    return content;
  };
  const family = () => Number(the("family").value);
  const rows = () => all(`.limits[data-family="${family()}"] .limit`);
  const parts = (row) => [row.querySelector('[type="range"]'), row.querySelector('[type="number"]')];
  const toValue = (slider) => {
    const [low, high] = [Number(slider.dataset.low), Number(slider.dataset.high)];
    return low * (high / low) ** (Number(slider.value) / Number(slider.max));
  };
  const toSlider = (slider, value) => {
    const [low, high] = [Number(slider.dataset.low), Number(slider.dataset.high)];
    slider.value = String(Math.round((Number(slider.max) * Math.log(value / low)) / Math.log(high / low)));
  };
  const limits = () => Object.fromEntries(rows().map((row) => [row.dataset.metric, Number(parts(row)[1].value)]));
  let asked = 0;
  let known = -1;
  let busy = false;

  const answer = async (may) => {
    const mine = ++asked;
    if (!Object.values(limits()).every((each) => each > 0)) {
      the("answer").textContent = "a limit is a positive number";
      return;
    }
    try {
      const query = new URLSearchParams({ family: family(), limits: JSON.stringify(limits()) });
      const told = await ask(`answer?${query}`);
      if (mine !== asked) return;
      the("answer").textContent = told.text;
      the("see").hidden = told.number === null;
      if (told.number !== null) the("see").href = `design/${told.number}`;
      the("solve").hidden = told.done;
      if (may && !told.proven && the("own").checked) await solve();
    } catch (error) {
      if (mine === asked) the("answer").textContent = error.message;
    }
  };
  const solve = async () => {
    try {
      await ask("solve", { family: family(), limits: limits() });
      await follow();
    } catch (error) { the("job").textContent = error.message; }
  };
  const show = (state) => {
    the("job").textContent = state.text;
    the("cancel").hidden = !state.busy;
    const changed = state.changes !== known;
    known = state.changes;
    if (!changed) return;
    the("designs").replaceChildren(...state.designs[family()].map(listed));
    const place = all(".chart")[0];
    place.nextElementSibling.textContent = JSON.stringify(state.charts[family()]);
    draw(place);
  };
  const listed = (each) => {
    const item = document.createElement("li");
    if (each.within === null) {
      const link = document.createElement("a");
      link.href = `design/${each.number}`;
      link.target = "_blank";
      link.textContent = each.text;
      item.append(link);
      return item;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.className = "act";
    button.textContent = "solve it";
    button.addEventListener("click", async () => {
      for (const row of rows()) {
        const [slider, typed] = parts(row);
        typed.value = each.within[row.dataset.metric];
        toSlider(slider, Number(typed.value));
      }
      await answer(false);
      await solve();
    });
    item.append(`${each.text} `, button);
    return item;
  };
  const follow = async () => {
    if (busy) return;
    busy = true;
    try {
      for (;;) {
        const state = await ask("state");
        show(state);
        if (!state.busy) break;
        await new Promise((done) => { setTimeout(done, 300); });
      }
      await answer(false);
    } catch (error) {
      the("job").textContent = `the server does not answer: ${error.message}`;
    } finally { busy = false; }
  };

  for (const row of all(".limit")) {
    const [slider, typed] = parts(row);
    toSlider(slider, Number(typed.value));
    slider.addEventListener("input", () => {
      typed.value = String(Number(toValue(slider).toPrecision(4)));
      answer(false);
    });
    slider.addEventListener("change", () => answer(true));
    typed.addEventListener("change", () => {
      if (Number(typed.value) > 0) toSlider(slider, Number(typed.value));
      answer(true);
    });
  }
  the("family").addEventListener("change", () => {
    for (const each of all(".limits")) each.hidden = each.dataset.family !== the("family").value;
    known = -1;
    follow();
  });
  the("solve").addEventListener("click", solve);
  the("cancel").addEventListener("click", async () => { await ask("cancel", {}); await follow(); });
  follow();
})();
