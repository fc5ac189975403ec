import { reveal } from '../page/format.js';
import { codeBlock, renderMarkdown, renderPlain } from '../page/markdown.js';
import { firstChunk } from '../page/markdown-chunks.js';
import { element } from '../page/page.js';

/** Milliseconds of one answer that Markdown may take; what is left then is shown as plain text. */
const BUDGET = 3_000;

/** What the model answers, as Markdown, while it is being written: only its last piece is drawn again. */
export class AnswerView {
  element = element('div', { class: 'answer', dir: 'auto' });
  #links = Object.create(null);
  /** Where the last piece begins, and what is drawn of it. */
  #from = 0;
  #open = null;
  #spent = 0;

  /** @param {string} text the whole answer so far @param {boolean} isWhole nothing follows */
  paint(text, isWhole) {
    for (;;) {
      const chunk = firstChunk(text, this.#from, isWhole);
      if (!chunk) break;
      if (!this.#goesOn(chunk)) this.#draw(chunk);
      if (!chunk.closed) return;
      this.#from = chunk.end;
      this.#open = null;
    }
    if (isWhole) this.#resolveLinks(text);
  }

  /** Code that grows, by far the longest pieces, is not drawn again. */
  #goesOn({ kind, text, language, closed }) {
    const open = this.#open;
    const isSame = kind === 'code' && open?.kind === 'code' && open.language === language && !closed;
    if (!isSame || !text.startsWith(open.text)) return false;
    open.nodes[0].querySelector('code').firstChild.appendData(reveal(text.slice(open.text.length)));
    open.text = text;
    return true;
  }

  #draw(chunk) {
    const fragment = document.createDocumentFragment();
    fragment.append(this.#render(chunk));
    const nodes = [...fragment.childNodes];
    for (const node of this.#open?.nodes ?? []) node.remove();
    this.element.append(...nodes);
    this.#open = { ...chunk, nodes };
  }

  #render({ kind, text, language, closed }) {
    if (kind === 'code') return codeBlock(text, language);
    if (kind === 'plain' || this.#spent > BUDGET) return renderPlain(text);
    const begin = performance.now();
    const fragment = renderMarkdown(text, this.#links);
    if (closed) this.#spent += performance.now() - begin;
    return fragment;
  }

  /** A link may stand before the line that says where it leads: `[text][name]`, `[name]: address`. */
  #resolveLinks(text) {
    if (Object.keys(this.#links).length === 0) return;
    this.element.replaceChildren();
    let chunk = firstChunk(text, 0, true);
    for (; chunk; chunk = firstChunk(text, chunk.end, true)) this.element.append(this.#render(chunk));
  }
}
