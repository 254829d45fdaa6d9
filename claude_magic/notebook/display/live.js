// Shows an answer while it is being written. The notebook holds the answer as Markdown, in outputs that
// contain its mark. This view replaces them in the page as long as it can; without it they are visible.

const USE_TOOLBAR = "To stop, press ■ in the toolbar";
const MISSING = "<p><em>a part is missing here until the answer is complete</em></p>";
const STOP_TIMEOUT = 5000; // milliseconds after which a stop without effect is reported
const ENDED = ["dead", "restarting", "autorestarting", "terminating"];

function append(tag, parent, properties = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  parent.append(element);
  return element;
}

// One live region for all answers, outside of the widgets: the last announcement must outlive its widget.
function announce(text) {
  const region = document.getElementById("claude-announces")
    ?? append("div", document.body, { id: "claude-announces", role: "status", ariaLive: "polite" });
  region.style.cssText = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)";
  if (region.textContent !== text) region.textContent = text;
}

// Returns a function that scrolls to the end of a node again if its end is in view now.
function keepingEndInView(node) {
  let scroller = node.parentElement;
  const scrolls = (el) => /auto|scroll/.test(getComputedStyle(el).overflowY) && el.scrollHeight > el.clientHeight;
  while (scroller && !scrolls(scroller)) scroller = scroller.parentElement;
  const below = () => node.getBoundingClientRect().bottom - scroller.getBoundingClientRect().bottom;
  if (!scroller || below() > 8) return () => {};
  return () => { scroller.scrollTop += Math.max(0, below()); };
}

// Keeps the height of the cell's output until the finished answer is rendered in it.
function holdHeight(area, mark) {
  const follow = keepingEndInView(area);
  const isRendered = () => !area.querySelector(`.${mark}`) && area.querySelector(".jp-RenderedMarkdown")
    && [...area.querySelectorAll(".jp-RenderedMarkdown")].every((node) => node.firstElementChild);
  area.style.minHeight = `${area.offsetHeight}px`;
  const release = (frames) => requestAnimationFrame(() => {
    if (frames && !isRendered()) return release(frames - 1);
    area.style.minHeight = "";
    follow();
  });
  release(120);
}

// The text of a code block, including earlier lines of the same code in the blocks above it.
function codeOf(block) {
  let above = block.previousElementSibling;
  if (above?.matches(".claude-copy")) above = above.previousElementSibling;
  return (above?.matches(".g") ? codeOf(above.previousElementSibling) : "") + block.textContent;
}

function copyable(block) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "claude-copy", textContent: "Copy", ariaLabel: "Copy this code" });
  button.addEventListener("click", () => {
    const report = (label) => {
      button.textContent = label;
      announce(label === "Copied" ? "Code copied." : "The code could not be copied.");
    };
    const failed = () => report("Not copied");
    if (!navigator.clipboard) return failed(); // a page without https
    navigator.clipboard.writeText(codeOf(block)).then(() => report("Copied"), failed);
  });
  block.before(button);
}

// Shows an answer at the end of the output that contains its first mark.
function show(model, output) {
  const el = append("div", output, { className: "claude-live jp-OutputArea-output", tabIndex: -1 });
  const answer = append("div", el, { className: "claude-answer jp-RenderedHTMLCommon" });
  answer.setAttribute("role", "group");
  answer.ariaLabel = "Claude's answer, still being written";
  answer.ariaBusy = "true";
  answer.ariaLive = "off";
  const now = append("div", el, { className: "claude-now jp-RenderedHTMLCommon" });
  const line = append("div", now);
  const fold = append("details", now, { hidden: true });
  const summary = append("summary", fold);
  const thoughts = append("div", fold);
  const bar = append("div", el, { className: "claude-bar" });
  const stop = append("button", bar, { type: "button", textContent: "Stop" });
  append("span", bar, { textContent: `${model.get("model")} · press Esc in this output to stop` });

  let stopTimer = 0;
  const kernel = () => model.widget_manager?.kernel;
  const useToolbar = () => {
    clearTimeout(stopTimer);
    stop.textContent = USE_TOOLBAR;
  };
  const interrupt = () => {
    if (model.get("background")) { // this cell has ended: the kernel stops the answer when it is free
      stop.textContent = "Stopping…";
      return model.send({ stop: true });
    }
    if (!kernel()?.interrupt) return useToolbar();
    stop.textContent = "Stopping…";
    clearTimeout(stopTimer);
    stopTimer = setTimeout(() => {
      stop.textContent = "Still running. Stop again";
      announce("Claude has not stopped yet. Press Stop again.");
    }, STOP_TIMEOUT);
    new Promise((done) => done(kernel().interrupt())).catch(useToolbar);
  };
  if (!kernel()?.interrupt && !model.get("background")) useToolbar();
  stop.addEventListener("click", interrupt);

  const marks = []; // a comment before each piece: JupyterLab's styles depend on what is whose child
  const outdated = new Set(); // pieces to draw
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
  const typeset = async (formulas) => { // one at a time: the typesetter is not reentrant
    for (const formula of typesetter ? formulas : []) await typesetter.typeset(formula);
  };
  const draw = () => {
    frame = 0;
    const follow = keepingEndInView(el);
    for (let n = marks.length; n < model.get("pieces"); n++) {
      if (n) outdated.add(n - 1); // it is finished now
      marks.push(document.createComment(""));
      answer.append(marks[n]);
      outdated.add(n);
    }
    outdated.forEach(put);
    outdated.clear();
    const thinking = model.get("thoughts");
    if (thinking) thoughts.innerHTML = thinking;
    if (thinking) summary.innerHTML = model.get("status");
    fold.hidden = !thinking && !fold.open; // what the user is reading does not vanish
    line.innerHTML = thinking ? "" : model.get("status") ?? "";
    follow();
  };
  const changed = () => {
    if (model.get("number") <= last) return;
    last = model.get("number");
    for (const n of model.get("changed") ?? []) if (n < marks.length) outdated.add(n);
    frame ||= requestAnimationFrame(draw);
  };
  model.on("change:number", changed);
  changed();

  let cell = null;
  el.addEventListener("focusin", () => { cell = el.closest(".jp-Cell"); });
  const remove = () => {
    // If the focus is in the widget, it returns to the cell instead of being lost.
    const focused = document.activeElement;
    const lost = !focused || focused === document.body || el.contains(focused);
    cancelAnimationFrame(frame);
    clearTimeout(stopTimer);
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
  const views = new Map(); // by output area: a notebook can be open twice
  let hidden = new Set(); // the outputs that the views replace

  const update = () => {
    const outputs = new Set();
    const firsts = new Map();
    for (const part of found) {
      const output = part.closest(".jp-OutputArea-child");
      if (!output?.parentElement) continue; // another kind of page shows the Markdown
      outputs.add(output);
      if (!firsts.has(output.parentElement)) firsts.set(output.parentElement, output);
    }
    for (const [area, view] of views) {
      if (firsts.get(area) === view.output && view.el.isConnected) continue;
      view.remove();
      views.delete(area);
    }
    for (const [area, output] of firsts) if (!views.has(area)) views.set(area, show(model, output));
    for (const output of hidden) if (!outputs.has(output)) output.classList.remove("claude-drawn");
    for (const output of outputs) output.classList.add("claude-drawn");
    hidden = outputs;
  };
  const escape = (event) => { // before JupyterLab handles the key
    const view = event.key === "Escape" && [...views.values()].find((one) => one.el.contains(event.target));
    if (!view) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    view.interrupt();
  };
  const says = () => announce(model.get("says"));
  const ends = () => views.forEach((view, area) => holdHeight(area, mark));
  const status = (_, now) => {
    if (!ENDED.includes(now)) return;
    if (!model.get("ends")) announce("Claude's answer was cut off: the kernel has ended.");
    close();
  };
  const observer = new MutationObserver(update);
  const close = () => {
    observer.disconnect();
    window.removeEventListener("keydown", escape, true);
    kernel?.statusChanged?.disconnect(status);
    kernel?.disposed?.disconnect(close);
    views.forEach((view) => view.remove());
    views.clear();
    hidden.forEach((output) => output.classList.remove("claude-drawn"));
  };
  // The finished answer may take a moment to replace its first part.
  const closed = () => {
    let frames = model.get("ends") ? 120 : 0;
    const wait = () => (frames-- > 0 && found.length ? requestAnimationFrame(wait) : close());
    wait();
  };

  model.on("change:ends", ends);
  model.on("change:says", says);
  window.addEventListener("keydown", escape, true);
  kernel?.statusChanged?.connect(status);
  kernel?.disposed?.connect(close); // the notebook was closed: no more messages arrive
  observer.observe(document.body, { childList: true, subtree: true });
  says();
  update();
  return closed;
}

export default { initialize };
