/** A logarithmic axis from values to pixels, with whole powers of ten and their halves as marks. */
export class LogScale {
  private readonly least: number;
  private readonly most: number;
  private readonly from: number;
  private readonly to: number;

  constructor(values: number[], from: number, to: number) {
    const positive = values.filter((value) => value > 0);
    this.least = Math.log10(Math.min(...positive)) - 0.05;
    this.most = Math.log10(Math.max(...positive)) + 0.05;
    this.from = from;
    this.to = to;
  }

  at(value: number): number {
    const share = (Math.log10(value) - this.least) / (this.most - this.least);
    return Math.round((this.from + share * (this.to - this.from)) * 10) / 10;
  }

  /** 1, 2, 5, 10, 20, … as far as the axis goes. */
  get marks(): number[] {
    const marks: number[] = [];
    for (let power = Math.floor(this.least); power <= Math.ceil(this.most); power += 1) {
      for (const step of [1, 2, 5]) {
        const mark = Number((step * 10 ** power).toPrecision(1));
        const place = Math.log10(mark);
        if (place >= this.least && place <= this.most) marks.push(mark);
      }
    }
    return marks;
  }
}
