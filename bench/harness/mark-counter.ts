/** `¦` in UTF-8, read as latin1. */
const BAR = '\u00c2\u00a6';
const MARK = /\u00c2\u00a6(\d+)\.(\d+)(?:\.([0-9a-z]+))?\u00c2\u00a6/g;
/** A mark is shorter; so much of the end is kept for the next part. */
const LONGEST = 48;
const KEPT_PROBLEMS = 5;

/** Counts the marks of one run: each once, in order. */
export class MarkCounter {
  /** Number of the mark that must come next. */
  next = 0;
  readonly problems: string[] = [];
  private readonly run: number;
  private readonly onMark: (n: number, stamp: number | undefined) => void;
  private rest = '';

  constructor(run: number, onMark: (n: number, stamp: number | undefined) => void) {
    this.run = run;
    this.onMark = onMark;
  }

  /** Text that may begin and end within a mark. */
  take(part: string): void {
    const text = this.rest + part;
    let end = 0;
    for (const mark of text.matchAll(MARK)) {
      this.count(Number(mark[1]), Number(mark[2]), mark[3]);
      end = mark.index + mark[0].length;
    }
    const open = text.indexOf(BAR, end);
    const lastByte = text.endsWith('\u00c2') ? text.length - 1 : text.length;
    this.rest = open < 0 ? text.slice(Math.max(end, lastByte)) : text.slice(open).slice(-LONGEST);
  }

  /** Forgets a mark that has not come whole. */
  cut(): void {
    this.rest = '';
  }

  private count(run: number, n: number, stamp: string | undefined): void {
    if (run !== this.run) this.tell(`mark of run ${run} in run ${this.run}`);
    else if (n === this.next) {
      this.next += 1;
      this.onMark(n, stamp === undefined ? undefined : Number.parseInt(stamp, 36));
    } else if (n < this.next) this.tell(`token ${n} came again, or late`);
    else {
      this.tell(`tokens ${this.next} to ${n - 1} are missing`);
      this.next = n + 1;
    }
  }

  private tell(problem: string): void {
    if (this.problems.length < KEPT_PROBLEMS) this.problems.push(`run ${this.run}: ${problem}`);
  }
}
