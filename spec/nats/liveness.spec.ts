import { describe, expect, it } from 'vitest';
import { Liveness } from '../../lib/nats/liveness.js';

const times = { interval: 5_000, timeout: 15_000 };

/** What a session does at each time at which something is due, while it hears nothing. */
function verdicts(life: Liveness, until: number): string[] {
  const said: string[] = [];
  for (let now = life.due; now <= until; now = life.due) {
    const verdict = life.judge(now);
    said.push(`${now}: ${String(verdict)}`);
    if (verdict !== 'ask') break;
    life.asked(now);
  }
  return said;
}

describe('the life of a peer', () => {
  it('is asked for after 5 s of silence, then every 2.5 s, and ends after 15 s', () => {
    const said = ['5000: ask', '7500: ask', '10000: ask', '12500: ask', '15000: silent'];
    expect(verdicts(new Liveness(times, 0), 20_000)).toEqual(said);
  });

  it('is asked for every 400 ms when nobody listens, and ends after 3 s', () => {
    const life = new Liveness(times, 0);
    life.asked(1_000);
    expect(life.doubt(1_000)).toBe(true);
    const asks = [1_400, 1_800, 2_200, 2_600, 3_000, 3_400, 3_800].map((now) => `${now}: ask`);
    expect(verdicts(life, 20_000)).toEqual([...asks, '4000: gone']);
  });

  it('goes on when the peer is heard', () => {
    const life = new Liveness(times, 0);
    life.doubt(1_000);
    life.heard(3_999);
    expect(life.judge(4_000)).toBeUndefined();
    expect(life.due).toBe(8_999);
  });

  it('does not end because this process was stopped', () => {
    const life = new Liveness(times, 0);
    life.forgive(60_000);
    expect(life.judge(61_000)).toBeUndefined();
    expect(life.due).toBe(65_000);
  });
});
