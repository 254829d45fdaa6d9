// Shows an answer that is being written. In the notebook the answer is Markdown, in outputs that
// carry its mark; this draws in their place while it can, and they are seen again when it cannot.

const ELSEWHERE = "To stop: the ■ in the toolbar";
const MISSING = "<p><em>a part is missing here until the answer is complete</em></p>";
const PATIENCE = 5000; // milliseconds after which a stop that did nothing is said to have done nothing
const GONE = ["dead", "restarting", "autorestarting", "terminating"];

function make(tag, parent, properties = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  parent.append(made);
  return made;
}

// One region for all answers, outside of them: what is said last must outlive the widget.
function announce(words) {
  const region = document.getElementById("claude-announces")
    ?? make("div", document.body, { id: "claude-announces", role: "status", ariaLive: "polite" });
  region.style.cssText = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)";
  if (region.textContent !== words) region.textContent = words;
}

// What scrolls to the end of a node again, for a reader who was there; nothing for any other.
function following(node) {
  let at = node.parentElement;
  while (at && !(/auto|scroll/.test(getComputedStyle(at).overflowY) && at.scrollHeight > at.clientHeight)) {
    at = at.parentElement;
  }
  const below = () => node.getBoundingClientRect().bottom - at.getBoundingClientRect().bottom;
  if (!at || below() > 8) return () => {};
  return () => { at.scrollTop += Math.max(0, below()); };
}

// Keeps the height of the cell's output until the finished answer stands in it.
function hold(area, mark) {
  const follow = following(area);
  const stands = () => !area.querySelector(`.${mark}`) && area.querySelector(".jp-RenderedMarkdown")
    && [...area.querySelectorAll(".jp-RenderedMarkdown")].every((node) => node.firstElementChild);
  area.style.minHeight = `${area.offsetHeight}px`;
  const release = (frames) => requestAnimationFrame(() => {
    if (frames && !stands()) return release(frames - 1);
    area.style.minHeight = "";
    follow();
  });
  release(120);
}

// The text of a block of code, whose earlier lines may stand in blocks above it.
function codeOf(block) {
  let above = block.previousElementSibling;
  if (above?.matches(".claude-copy")) above = above.previousElementSibling;
  return (above?.matches(".g") ? codeOf(above.previousElementSibling) : "") + block.textContent;
}

function copyable(block) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "claude-copy", textContent: "Copy", ariaLabel: "Copy this code" });
  button.addEventListener("click", () => {
    const told = (words) => {
      button.textContent = words;
      announce(words === "Copied" ? "Code copied." : "The code could not be copied.");
    };
    const refused = () => told("Not copied");
    if (!navigator.clipboard) return refused(); // a page without https
    navigator.clipboard.writeText(codeOf(block)).then(() => told("Copied"), refused);
  });
  block.before(button);
}

// The view of an answer, at the end of the output that its first mark is in.
function show(model, output) {
  const el = make("div", output, { className: "claude-live jp-OutputArea-output", tabIndex: -1 });
  const answer = make("div", el, { className: "claude-answer jp-RenderedHTMLCommon" });
  answer.setAttribute("role", "group");
  answer.ariaLabel = "Claude's answer, still being written";
  answer.ariaBusy = "true";
  answer.ariaLive = "off";
  const now = make("div", el, { className: "claude-now jp-RenderedHTMLCommon" });
  const line = make("div", now);
  const fold = make("details", now, { hidden: true });
  const summary = make("summary", fold);
  const thoughts = make("div", fold);
  const bar = make("div", el, { className: "claude-bar" });
  const stop = make("button", bar, { type: "button", textContent: "Stop" });
  make("span", bar, { textContent: `${model.get("model")} · Esc in this output stops it` });

  let waits = 0;
  const kernel = () => model.widget_manager?.kernel;
  const elsewhere = () => {
    clearTimeout(waits);
    stop.textContent = ELSEWHERE;
  };
  const interrupt = () => {
    if (model.get("background")) { // no cell runs, or another one: the kernel stops it when it is free
      stop.textContent = "Stopping…";
      return model.send({ stop: true });
    }
    if (!kernel()?.interrupt) return elsewhere();
    stop.textContent = "Stopping…";
    clearTimeout(waits);
    waits = setTimeout(() => {
      stop.textContent = "Still running. Stop again";
      announce("Claude has not stopped yet. Stop can be pressed again.");
    }, PATIENCE);
    new Promise((done) => done(kernel().interrupt())).catch(elsewhere);
  };
  if (!kernel()?.interrupt && !model.get("background")) elsewhere();
  stop.addEventListener("click", interrupt);

  const marks = []; // a comment before each piece: JupyterLab's styles go by what is whose child
  const waiting = new Set();
  const typesetter = model.widget_manager?.rendermime?.latexTypesetter;
  let last = -1;
  let frame = 0;

  const html = (piece) => {
    const count = model.get(`${piece}`);
    const chunks = Array.from({ length: count ?? 1 }, (_, n) => model.get(`${piece}.${n}`));
    return chunks.includes(undefined) ? MISSING : chunks.join("");
  };
  const put = (piece) => {
    const parsed = document.createElement("template");
    parsed.innerHTML = html(piece);
    if (piece < model.get("pieces") - 1) finish(parsed.content);
    while (marks[piece].nextSibling !== (marks[piece + 1] ?? null)) marks[piece].nextSibling.remove();
    marks[piece].after(parsed.content);
  };
  const finish = (content) => {
    content.querySelectorAll("pre:not(:has(+ .g))").forEach(copyable);
    typeset([...content.querySelectorAll(".claude-math")]);
  };
  const typeset = async (formulas) => { // one after the other: it has one place for what it works on
    for (const formula of typesetter ? formulas : []) await typesetter.typeset(formula);
  };
  const draw = () => {
    frame = 0;
    const follow = following(el);
    for (let n = marks.length; n < model.get("pieces"); n++) {
      if (n) waiting.add(n - 1); // which is finished now
      marks.push(document.createComment(""));
      answer.append(marks[n]);
      waiting.add(n);
    }
    waiting.forEach(put);
    waiting.clear();
    const thinks = model.get("thoughts");
    if (thinks) thoughts.innerHTML = thinks;
    if (thinks) summary.innerHTML = model.get("status");
    fold.hidden = !thinks && !fold.open; // what somebody reads does not vanish
    line.innerHTML = thinks ? "" : model.get("status") ?? "";
    follow();
  };
  const changed = () => {
    if (model.get("number") <= last) return;
    last = model.get("number");
    for (const n of model.get("changed") ?? []) if (n < marks.length) waiting.add(n);
    frame ||= requestAnimationFrame(draw);
  };
  model.on("change:number", changed);
  changed();

  let cell = null;
  el.addEventListener("focusin", () => { cell = el.closest(".jp-Cell"); });
  const remove = () => {
    // The widget goes while the focus is in it: it goes back to the cell, not to nowhere.
    const focused = document.activeElement;
    const lost = !focused || focused === document.body || el.contains(focused);
    cancelAnimationFrame(frame);
    clearTimeout(waits);
    model.off("change:number", changed);
    el.remove();
    if (cell?.isConnected && lost) cell.focus();
  };
  return { el, output, interrupt, remove };
}

function initialize({ model }) {
  const mark = model.get("mark");
  const found = document.getElementsByClassName(mark);
  const kernel = model.widget_manager?.kernel;
  const views = new Map(); // by the area that the outputs are in: a notebook can be open twice
  let drawn = new Set(); // the outputs in whose place it is drawn

  const look = () => {
    const outputs = new Set();
    const firsts = new Map();
    for (const part of found) {
      const output = part.closest(".jp-OutputArea-child");
      if (!output?.parentElement) continue; // a page that is built otherwise shows the Markdown
      outputs.add(output);
      if (!firsts.has(output.parentElement)) firsts.set(output.parentElement, output);
    }
    for (const [area, view] of views) {
      if (firsts.get(area) === view.output && view.el.isConnected) continue;
      view.remove();
      views.delete(area);
    }
    for (const [area, output] of firsts) if (!views.has(area)) views.set(area, show(model, output));
    for (const output of drawn) if (!outputs.has(output)) output.classList.remove("claude-drawn");
    for (const output of outputs) output.classList.add("claude-drawn");
    drawn = outputs;
  };
  const escape = (event) => { // before JupyterLab, which has a meaning of its own for it
    const view = event.key === "Escape" && [...views.values()].find((one) => one.el.contains(event.target));
    if (!view) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    view.interrupt();
  };
  const says = () => announce(model.get("says"));
  const ends = () => views.forEach((view, area) => hold(area, mark));
  const status = (_, now) => {
    if (!GONE.includes(now)) return;
    if (!model.get("ends")) announce("Claude's answer is cut off: the kernel has ended.");
    close();
  };
  const observer = new MutationObserver(look);
  const close = () => {
    observer.disconnect();
    window.removeEventListener("keydown", escape, true);
    kernel?.statusChanged?.disconnect(status);
    kernel?.disposed?.disconnect(close);
    views.forEach((view) => view.remove());
    views.clear();
    drawn.forEach((output) => output.classList.remove("claude-drawn"));
  };
  // The finished answer may take a moment to stand where its first part was.
  const closed = () => {
    let frames = model.get("ends") ? 120 : 0;
    const wait = () => (frames-- > 0 && found.length ? requestAnimationFrame(wait) : close());
    wait();
  };

  model.on("change:ends", ends);
  model.on("change:says", says);
  window.addEventListener("keydown", escape, true);
  kernel?.statusChanged?.connect(status);
  kernel?.disposed?.connect(close); // the notebook was closed: nothing more will be heard here
  observer.observe(document.body, { childList: true, subtree: true });
  says();
  look();
  return closed;
}

export default { initialize };
