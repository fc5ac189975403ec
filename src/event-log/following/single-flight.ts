/** Lets equal questions that come at the same time share one answer. */
export class SingleFlight<T> {
  private readonly underWay = new Map<string, Promise<T>>();
  private readonly next = new Map<string, Promise<T>>();

  /** Shares the question that is under way, for which what happens meanwhile is of no matter. */
  join(key: string, ask: () => Promise<T>): Promise<T> {
    return this.underWay.get(key) ?? this.begin(key, ask);
  }

  /** Shares the next question, asked after this call: at most one is under way, and one waits. */
  fresh(key: string, ask: () => Promise<T>): Promise<T> {
    const before = this.underWay.get(key);
    if (before === undefined) return this.begin(key, ask);
    const waiting = this.next.get(key);
    if (waiting !== undefined) return waiting;
    const begin = () => {
      this.next.delete(key);
      return this.begin(key, ask);
    };
    const answer = before.then(begin, begin);
    this.next.set(key, answer);
    return answer;
  }

  private begin(key: string, ask: () => Promise<T>): Promise<T> {
    const answer: Promise<T> = ask().finally(() => {
      if (this.underWay.get(key) === answer) this.underWay.delete(key);
    });
    this.underWay.set(key, answer);
    return answer;
  }
}
