import { describe, expect, it } from 'vitest';
import { K4netError } from '../../../lib/errors.js';
import { FlowGate } from '../../../lib/session/record/flow-gate.js';
import { pattern } from '../../support/random.js';
import { RecordingSink, turns } from '../../support/recorder.js';

/** A sink that records which chunks it owns. */
class Owner extends RecordingSink {
  readonly owned: Uint8Array[] = [];

  own(chunk: Uint8Array): boolean {
    this.owned.push(chunk);
    return this.onData(chunk);
  }
}

async function attached<S extends RecordingSink>(sink: S, surplus?: Uint8Array): Promise<[FlowGate, S]> {
  const delivery = new FlowGate();
  delivery.attach(sink, surplus, () => undefined);
  delivery.release();
  await turns();
  return [delivery, sink];
}

describe('a flow gate', () => {
  const [one, two, three] = [pattern(10, 1), pattern(20, 2), pattern(30, 3)];

  it('gives the sink ownership of content, but not of the surplus of another sink', async () => {
    const [delivery, sink] = await attached(new Owner(), one);
    delivery.push(two);
    expect([sink.chunks, sink.owned]).toEqual([[one], [two]]);
  });

  it('gives the sink ownership of the content that it delivers before a failure', async () => {
    const [delivery, sink] = await attached(new Owner());
    sink.onData = () => false;
    for (const chunk of [one, two, three]) delivery.push(chunk);
    expect(sink.owned).toEqual([one]);
    delivery.fail(new K4netError('K4NET_DECRYPT', 'a record was changed'));
    expect([sink.chunks, sink.owned]).toEqual([[], [one, two, three]]);
    expect(sink.closes).toBe(1);
  });

  it('delivers content with data() to a sink without own()', async () => {
    const [delivery, sink] = await attached(new RecordingSink(), one);
    delivery.push(two);
    expect(sink.chunks).toEqual([one, two]);
  });
});
