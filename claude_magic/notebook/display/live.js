// Shows the state of an answer that is being written; afterwards the notebook shows the answer itself.

const ELSEWHERE = "To stop: the ■ in the toolbar";
const MISSING = "<p><em>a part is missing here until the answer is complete</em></p>";

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
function hold(area) {
  const follow = following(area);
  const drawn = () => area.querySelectorAll(".jp-RenderedMarkdown > :first-child").length;
  const before = drawn();
  area.style.minHeight = `${area.offsetHeight}px`;
  const release = (frames) => requestAnimationFrame(() => {
    if (frames && drawn() === before) return release(frames - 1);
    area.style.minHeight = "";
    follow();
  });
  release(120);
}

function render({ model, el }) {
  el.classList.add("claude-live");
  el.tabIndex = -1;
  const answer = make("div", el, { className: "claude-answer jp-RenderedHTMLCommon", role: "group" });
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

  const kernel = () => model.widget_manager?.kernel;
  const elsewhere = () => { stop.textContent = ELSEWHERE; };
  const interrupt = () => {
    if (model.get("background")) { // no cell runs, or another one: the kernel stops it when it is free
      stop.textContent = "Stopping…";
      return model.send({ stop: true });
    }
    if (!kernel()?.interrupt) return elsewhere();
    stop.textContent = "Stopping…";
    Promise.resolve(kernel().interrupt()).catch(elsewhere);
  };
  if (!kernel()?.interrupt && !model.get("background")) elsewhere();
  stop.addEventListener("click", interrupt);
  el.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    interrupt();
  });

  const marks = []; // a comment before each piece: JupyterLab's styles go by what is whose child
  const waiting = new Set();
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
    while (marks[piece].nextSibling !== (marks[piece + 1] ?? null)) marks[piece].nextSibling.remove();
    marks[piece].after(parsed.content);
  };
  const draw = () => {
    frame = 0;
    const follow = following(el);
    for (let n = marks.length; n < model.get("pieces"); n++) {
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
  const says = () => announce(model.get("says"));
  model.on("change:ends", () => {
    const area = el.closest(".jp-OutputArea");
    if (area && marks.length) hold(area);
  });
  model.on("change:number", changed);
  model.on("change:says", says);
  changed();
  says();

  let cell = null;
  const remember = () => { cell = el.closest(".jp-Cell"); };
  el.addEventListener("focusin", remember);
  // The widget goes while the focus is in it: it goes back to the cell, not to nowhere.
  return () => {
    cancelAnimationFrame(frame);
    const lost = !document.activeElement || document.activeElement === document.body || el.contains(document.activeElement);
    if (cell?.isConnected && lost) cell.focus();
  };
}

export default { render };
