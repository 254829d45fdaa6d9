// %%claude cells in JupyterLab and Notebook 7 read as prose, not as broken Python.
//
// This is what a front end asks of an extension (a module federation container), written by hand:
// so few lines need no build. CodeMirror must be the front end's own, and is taken from what it shares.
(() => {
  "use strict";

  const NAME = "claude_magic";
  const MAGIC = /^\s*%%claude(?![\w.])/;

  /** Whether lines are a question: the first that is not blank begins with the magic. */
  function asks(lines) {
    for (const line of lines) {
      if (line.trim()) return MAGIC.test(line);
    }
    return false;
  }

  /** Colours for the line of options and for {{ }}; all the rest is words. */
  const parser = {
    name: "claude",
    startState: () => ({ head: true, continued: false, expression: false, verbatim: false }),
    token(stream, state) {
      if (state.head) return head(stream, state);
      if (state.expression) {
        if (stream.match("}}")) {
          state.expression = false;
          return "operator";
        }
        stream.next();
        stream.eatWhile(/[^}]/);
        return "variableName.special";
      }
      if (!state.verbatim && stream.match("{{")) {
        state.expression = true;
        return "operator";
      }
      stream.next();
      stream.eatWhile(/[^{]/);
      return null;
    },
    languageData: { closeBrackets: { brackets: ["(", "[", "{"] } }, // a quote may be an apostrophe
  };

  function head(stream, state) {
    if (stream.sol()) state.continued = /\\\s*$/.test(stream.string);
    let style = null;
    if (stream.match(MAGIC)) style = "keyword";
    else if (stream.match(/^\s+/)) style = null;
    else if (stream.match(/^--?[A-Za-z][\w-]*/)) {
      state.verbatim ||= stream.current() === "--verbatim";
      style = "attributeName";
    } else if (stream.match(/^"(?:[^"\\]|\\.)*"|^'[^']*'/)) style = "string";
    else stream.match(/^\S+/);
    if (stream.eol()) state.head = state.continued || !stream.string.trim();
    return style;
  }

  /** What an editor gets that shows this text, and keeps while the text changes. */
  function prose(state, view, language) {
    const place = new state.Compartment();
    const words = [
      state.Prec.highest(language.language.of(language.StreamLanguage.define(parser))),
      view.EditorView.lineWrapping,
    ];
    const follow = state.EditorState.transactionExtender.of((change) => {
      if (!change.docChanged) return null;
      const before = place.get(change.startState);
      const now = asks(change.newDoc.iterLines()) ? words : [];
      return before.length === now.length ? null : { effects: place.reconfigure(now) };
    });
    return (text) => [follow, place.of(asks(text.split("\n")) ? words : [])];
  }

  function plugin(codemirror, state, view, language) {
    return {
      id: `${NAME}:prose`,
      description: "Shows %%claude cells as prose",
      autoStart: true,
      requires: [codemirror.IEditorExtensionRegistry],
      activate: (_, registry) => {
        const extensions = prose(state, view, language);
        registry.addExtension({
          name: `${NAME}:prose`,
          factory: ({ model }) =>
            model.type === "code"
              ? codemirror.EditorExtensionRegistry.createImmutableExtension(extensions(model.sharedModel.getSource()))
              : null,
        });
      },
    };
  }

  let shared;

  /** A module of the front end: the one in use, or the newest. */
  async function take(name) {
    const versions = Object.entries(shared[name]).sort(
      ([a, one], [b, other]) =>
        Boolean(other.loaded) - Boolean(one.loaded) || b.localeCompare(a, undefined, { numeric: true }),
    );
    return (await versions[0][1].get())();
  }

  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB[NAME] = {
    init: (scope) => {
      shared = scope;
    },
    get: async () => {
      const names = ["@jupyterlab/codemirror", "@codemirror/state", "@codemirror/view", "@codemirror/language"];
      const module = { __esModule: true, default: plugin(...(await Promise.all(names.map(take)))) };
      return () => module;
    },
  };
})();
