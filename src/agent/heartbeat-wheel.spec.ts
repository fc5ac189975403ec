import { afterEach, describe, expect, it } from '@jest/globals';
import { HeartbeatWheel, Patience } from './heartbeat-wheel.js';

const HOUR = 3_600_000;
/** Turns in a period. */
const PERIOD = 150;

const wheels: HeartbeatWheel[] = [];

afterEach(() => {
  for (const wheel of wheels.splice(0)) wheel.stop();
});

/** Turned by hand. */
function newWheel(): HeartbeatWheel {
  const wheel = new HeartbeatWheel(HOUR, undefined, () => 0);
  wheels.push(wheel);
  return wheel;
}

function turn(wheel: HeartbeatWheel, turns: number): void {
  for (let count = 0; count < turns; count += 1) wheel.advance();
}

describe('a connection on the wheel', () => {
  it('beats after each period of silence, and never between', () => {
    const wheel = newWheel();
    const beats: number[] = [];
    turn(wheel, 7);
    wheel.add(() => beats.push(wheel.turn - 7));

    turn(wheel, 5 * PERIOD + 1);

    expect(beats).toEqual([150, 300, 450, 600, 750]);
  });

  it('beats a period after it was last written to', () => {
    const wheel = newWheel();
    const beats: number[] = [];
    const beating = wheel.add(() => beats.push(wheel.turn));
    for (let count = 0; count < 10; count += 1) {
      turn(wheel, 13);
      beating.touch();
    }

    turn(wheel, PERIOD);

    expect(beats).toEqual([280]);
  });

  it('never beats when it is written to in every turn', () => {
    const wheel = newWheel();
    let beats = 0;
    const beating = wheel.add(() => (beats += 1));
    for (let count = 0; count < 500; count += 1) {
      beating.touch();
      turn(wheel, 1);
    }
    expect(beats).toBe(0);
  });

  it('never beats once it is removed, also not when it was due in this very turn', () => {
    const wheel = newWheel();
    let beats = 0;
    const other = { remove: () => {} };
    wheel.add(() => other.remove());
    const beating = wheel.add(() => (beats += 1));
    other.remove = () => beating.remove();

    turn(wheel, 10 * PERIOD);

    expect(beats).toBe(0);
  });

  it('may remove itself and add others while it beats', () => {
    const wheel = newWheel();
    const beats: string[] = [];
    const first = wheel.add(() => {
      beats.push(`first ${wheel.turn}`);
      first.remove();
      wheel.add(() => beats.push(`second ${wheel.turn}`));
    });

    turn(wheel, 2 * PERIOD);

    expect(beats).toEqual(['first 150', 'second 300']);
  });
});

it('holds nothing of a connection that is removed, though its slot is looked at much later', () => {
  const wheel = newWheel();
  const beating = wheel.add(() => {});
  beating.remove();
  expect(Object.values(beating).filter((value) => typeof value === 'function')).toEqual([]);
});

describe('ten thousand connections', () => {
  it('beat once a period each, spread over its turns, in little time', () => {
    const wheel = newWheel();
    let beats = 0;
    for (let count = 0; count < 10_000; count += 1) {
      wheel.add(() => (beats += 1));
      if (count % 500 === 499) wheel.advance();
    }
    beats = 0;
    const perTurn: number[] = [];
    const micros: number[] = [];
    for (let count = 0; count < 3 * PERIOD; count += 1) {
      const [before, from] = [beats, performance.now()];
      wheel.advance();
      micros.push((performance.now() - from) * 1_000);
      perTurn.push(beats - before);
    }
    const [worst, sum] = [Math.max(...micros), micros.reduce((total, time) => total + time, 0)];
    process.stdout.write(
      `heartbeats of 10,000: ${Math.round(sum / 3)} µs a period, ${Math.round(worst)} µs in the worst turn\n`,
    );

    expect(beats).toBe(30_000);
    expect(Math.max(...perTurn)).toBe(500);
    expect(worst).toBeLessThan(50_000);
  });

  it('that are written to at once, as the viewers of a run are, do not beat at once', () => {
    const wheel = new HeartbeatWheel(HOUR);
    wheels.push(wheel);
    let beats = 0;
    const beatings = Array.from({ length: 10_000 }, () => wheel.add(() => (beats += 1)));
    turn(wheel, 40);
    for (const beating of beatings) beating.touch();
    const perTurn = Array.from({ length: 2 * PERIOD }, () => {
      const before = beats;
      wheel.advance();
      return beats - before;
    });
    expect(perTurn.slice(0, PERIOD).reduce((sum, count) => sum + count, 0)).toBe(10_000);
    expect(beats).toBe(20_000);
    expect(Math.max(...perTurn)).toBeLessThan(300);
  });

  it('that are busy cost their look only', () => {
    const wheel = newWheel();
    let beats = 0;
    const beatings = Array.from({ length: 10_000 }, () => wheel.add(() => (beats += 1)));
    for (let count = 0; count < 3 * PERIOD; count += 1) {
      if (count % 5 === 0) for (const beating of beatings) beating.touch();
      wheel.advance();
    }
    expect(beats).toBe(0);
  });
});

it('turns by itself, a part of the period at a time, until it is stopped', async () => {
  const wheel = new HeartbeatWheel(20, undefined, () => 0);
  const beat = Promise.withResolvers<number>();
  wheel.add(() => beat.resolve(wheel.turn));

  expect(await beat.promise).toBe(20);

  wheel.stop();
});

describe('patience with a peer', () => {
  it('is over at the third beat at which the same bytes wait, and nothing was taken', () => {
    const patience = new Patience();
    expect([1, 2, 3].map(() => patience.isOver(10, 500))).toEqual([false, false, true]);
  });

  it('begins anew with each byte that is taken, though more waits than before', () => {
    const patience = new Patience();
    const seen = [500, 500, 501, 501, 502, 502, 502].map((taken, beat) => patience.isOver(10 + beat, taken));
    expect(seen).toEqual([false, false, false, false, false, false, true]);
  });

  it('is never over while nothing waits, and begins anew after that', () => {
    const patience = new Patience();
    const seen = [10, 10, 0, 0, 0, 0, 10, 10, 10].map((pending) => patience.isOver(pending, 500));
    expect(seen).toEqual([false, false, false, false, false, false, false, false, true]);
  });
});
