import { copyButton, copying } from '../page/copy.js';
import { cost, count, duration } from '../page/format.js';
import { element } from '../page/page.js';

const ENDINGS = {
  completed: 'Done',
  failed: 'Failed',
  cancelled: 'Stopped',
  copied: 'From another conversation',
};

/** What stands below an answer: how it goes, then how it went, what it took, and what can be done with it. */
export class RunFooter {
  element = element('div', { class: 'run-footer quiet' });

  /**
   * @param {object} actions each may be missing
   * @param {() => string} actions.read the answer as Markdown
   * @param {() => void} actions.showWire
   * @param {() => void} actions.onUnfold there is more to see
   * @param {() => void} actions.retry only after a failure, and only of the last run
   */
  constructor(actions) {
    this.actions = actions;
  }

  progress(words) {
    this.element.replaceChildren(
      element('p', {}, element('span', { class: 'pulse', 'aria-hidden': 'true' }), words),
    );
  }

  /** There is a newer run. */
  withdrawRetry() {
    this.actions.retry = undefined;
    this.element.querySelector('.retry')?.remove();
  }

  /** Nothing more will be known of it. */
  lost(words) {
    this.element.replaceChildren(element('p', {}, words));
  }

  /** @param {object} run as it ended, from `done` or the API: what is not known of it is left out */
  end({ status, stop_reason, model, usage, cost_usd, took, attempt, id }) {
    const ending = stop_reason === 'max_tokens' ? 'Cut off at the length limit' : ENDINGS[status];
    const price = typeof cost_usd === 'number' ? cost(cost_usd) : null;
    const line = [ending, model, took !== undefined && duration(took), price].filter(Boolean).join(' · ');
    const head = usage
      ? element(
          'details',
          { class: 'took' },
          element('summary', {}, line),
          details({ usage, price, attempt, id }),
        )
      : element('p', {}, line);
    head.addEventListener('toggle', () => this.actions.onUnfold?.());
    this.element.replaceChildren(head, this.#buttons(status));
  }

  #buttons(status) {
    const { read, showWire, retry } = this.actions;
    const buttons = element('div', { class: 'run-actions' });
    if (read && read().trim() !== '')
      buttons.append(copyButton('Copy', copying(read), { 'aria-label': 'Copy the answer as Markdown' }));
    if (showWire) buttons.append(plain('Wire', showWire, 'What happened on the wire in this run'));
    if (retry && status === 'failed') buttons.append(plain('Try again', retry, undefined, 'plain retry'));
    return buttons;
  }
}

function plain(words, onclick, title, kind = 'plain') {
  return element('button', { type: 'button', class: kind, onclick: () => onclick(), title }, words);
}

function details({ usage, price, attempt, id }) {
  const rows = [
    ['Input', count(usage.input_tokens)],
    ['Read from cache', count(usage.cache_read_input_tokens)],
    ['Written to cache', count(usage.cache_creation_input_tokens)],
    ['Output', count(usage.output_tokens)],
    ['Turns', count(usage.model_calls)],
    ['Attempts', attempt > 1 && count(attempt)],
    ['Cost', price ?? 'not known'],
    ['Run', id],
  ].filter(([, value]) => value);
  const list = element('dl', {}, ...rows.map(([name, value]) => row(name, value)));
  if (usage.estimated) list.append(row('About', 'a call ended before it was told: estimated'));
  return list;
}

function row(name, value) {
  return element('div', {}, element('dt', {}, name), element('dd', {}, value));
}
