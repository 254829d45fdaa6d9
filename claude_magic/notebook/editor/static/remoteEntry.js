// Displays %%claude cells as prose instead of broken Python in JupyterLab and Notebook 7.
//
// A front end loads an extension as a module federation container. This one is written by hand, so that
// it needs no build. It must use the front end's own CodeMirror, from the modules that it shares.
(() => {
  "use strict";

  const NAME = "claude_magic";
  const MAGIC = /^\s*%%claude(?![\w.])/;

  /** Whether lines are a question: the first that is not blank begins with %%claude. */
  function asks(lines) {
    for (const line of lines) {
      if (line.trim()) return MAGIC.test(line);
    }
    return false;
  }

  /** Highlights the option line and {{ }}; the rest is plain text. */
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
    languageData: { closeBrackets: { brackets: ["(", "[", "{"] } }, // no quotes: one may be an apostrophe
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

  /** Makes the extensions of an editor from its text; they follow its changes. */
  function prose(state, view, language) {
    const place = new state.Compartment();
    const extensions = [
      state.Prec.highest(language.language.of(language.StreamLanguage.define(parser))),
      view.EditorView.lineWrapping,
    ];
    const follow = state.EditorState.transactionExtender.of((change) => {
      if (!change.docChanged) return null;
      const before = place.get(change.startState);
      const now = asks(change.newDoc.iterLines()) ? extensions : [];
      return before.length === now.length ? null : { effects: place.reconfigure(now) };
    });
    return (text) => [follow, place.of(asks(text.split("\n")) ? extensions : [])];
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

  /** A shared module of the front end: the loaded version, or else the newest. */
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
