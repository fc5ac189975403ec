import process from 'node:process';

/** SGR codes (ECMA-48 §8.3.117). */
const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 };
const COLOURS = {
  run: 'cyan',
  token: 'green',
  thinking: 'magenta',
  tool_call: 'yellow',
  tool_result: 'blue',
  reset: 'red',
  error: 'red',
  done: 'cyan',
};
const NAME_WIDTH = 10;
const ID_WIDTH = 5;
const EVENT_WIDTH = 11;
const LEAST_WIDTH = 40;
/** Ids of runs, sessions and tool calls: at a terminal their ends are enough to tell them apart. */
const LONG_ID = /"(run|ses|toolu)_\w{8,}(\w{6})"/g;

/** Writes for a person: coloured, with short ids and folded lines at a terminal, plain and whole everywhere else. */
export class Terminal {
  /**
   * @param {NodeJS.WriteStream} out
   * @param {NodeJS.ProcessEnv} env `NO_COLOR` (https://no-color.org): set and not empty takes the colours away
   */
  constructor(out = process.stdout, env = process.env) {
    this.out = out;
    this.isPerson = out.isTTY;
    this.width = this.isPerson ? (out.columns ?? 80) : Infinity;
    this.hasColours = this.isPerson && !env.NO_COLOR;
  }

  paint(name, text) {
    return this.hasColours ? `\u001b[${CODES[name]}m${text}\u001b[0m` : text;
  }

  line(text = '') {
    this.out.write(`${text}\n`);
  }

  heading(text) {
    this.line(`\n${this.paint('bold', text)}\n`);
  }

  /** A name and what it is; what does not fit on the line stands below its beginning. */
  fact(name, text, colour) {
    const start = `  ${name.padEnd(NAME_WIDTH)} `;
    this.below(start, this.paint('dim', start), text.trimEnd(), colour);
  }

  /** One event of the stream; its id is shown without the run's, which is the same for all of them. */
  event(seconds, { id, event, data }) {
    const place = (id ?? '').split('.').slice(1).join('.');
    const start = `  ${seconds.toFixed(2).padStart(6)} s  ${place.padEnd(ID_WIDTH)} `;
    const name = event.padEnd(EVENT_WIDTH);
    const shown = this.isPerson ? data.replace(LONG_ID, '"$1_…$2"') : data;
    this.below(
      `${start}${name} `,
      `${this.paint('dim', start)}${this.paint(COLOURS[event] ?? 'bold', name)} `,
      shown,
    );
  }

  below(start, painted, text, colour) {
    const width = Math.max(LEAST_WIDTH, this.width - start.length);
    const parts = text.split('\n').flatMap((line) => fold(line, width));
    const shown = parts.map((part) => (colour ? this.paint(colour, part) : part));
    this.line(painted + shown.join(`\n${' '.repeat(start.length)}`));
  }
}

/** Cuts a line into parts of a width, after a comma or blank where there is one beyond its first third. */
function fold(line, width) {
  const parts = [];
  let rest = line;
  while (rest.length > width) {
    const cut = Math.max(rest.lastIndexOf(',', width - 1), rest.lastIndexOf(' ', width - 1)) + 1;
    const end = cut > width / 3 ? cut : width;
    parts.push(rest.slice(0, end));
    rest = rest.slice(end);
  }
  return [...parts, rest];
}
