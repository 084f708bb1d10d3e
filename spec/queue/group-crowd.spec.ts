import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Group } from '../../lib/queue/group.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import type { SlowMember } from '../../lib/queue/fan-out.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { memoryPair } from '../../lib/transport/memory.js';
import { useFixture } from '../support/fixture.js';
import { turns } from '../support/recorder.js';
import { fill, until, watch } from '../support/sockets.js';

const fixture = useFixture();

/** A member in this process and the numbers that its peer has got. */
interface Ear {
  readonly member: QueueSocket;
  readonly numbers: number[];
}

function listen(far: QueueSocket): number[] {
  const numbers: number[] = [];
  far.registerCallback('number', (reader) => void numbers.push(reader.readUint()));
  far.start();
  return numbers;
}

function earInMemory(): Ear {
  const [near, far] = memoryPair().map((end) => new QueueSocket(new LockedSocket(end)));
  near!.start();
  fixture.onCleanup(() => near!.close(undefined, { timeout: 0 }));
  return { member: near!, numbers: listen(far!) };
}

const count = 1000;
const rounds = 200;
const upTo = (end: number): number[] => Array.from({ length: end }, (_, i) => i);

/** A group of 1,000 members over TCP. The peer of the first one does not read until `read`. */
async function crowd(): Promise<{ group: Group; deaf: QueueSocket; ears: Ear[]; read: () => number[] }> {
  const server = await fixture.plainServer();
  const group = new Group();
  const members: QueueSocket[] = [];
  void server.serve(async (sock) => {
    const queue = new QueueSocket(sock);
    group.add(queue);
    members.push(queue);
    queue.start();
    await queue.closed;
  });
  const clients: QueueSocket[] = [];
  while (clients.length < count) {
    clients.push(fixture.keep(new QueueSocket(await fixture.connectTo(server))));
    await until(() => members.length === clients.length);
  }
  const [deaf, ...others] = members;
  const ears = others.map((member, i) => ({ member, numbers: listen(clients[i + 1]!) }));
  const [silent] = clients;
  const read = (): number[] => {
    const numbers = listen(silent!);
    const drop = (): void => void silent!.recv().then(drop, () => undefined);
    drop();
    return numbers;
  };
  await fill(deaf!);
  return { group, deaf: deaf!, ears, read };
}

/** Sends numbers with a payload of 400 bytes. */
function sendNumber(group: Group, number: number, slow?: SlowMember): Promise<number> {
  return group.send(
    'number',
    (writer) => {
      writer.writeUint(number);
      writer.write(new Uint8Array(396));
    },
    { slow },
  );
}
const messageLength = 4 + 'number'.length + 1 + 400;

describe('of 1,000 members over TCP, one of which does not read, the other 999 get 200 messages in order', () => {
  it("with slow: 'wait', while only this member has messages that wait", async () => {
    const { group, deaf, ears, read } = await crowd();
    const before = deaf.bufferedAmount;
    const first = watch(sendNumber(group, 0));
    await until(() => ears.every(({ numbers }) => numbers.length === 1));
    expect(first.state).toBe('pending');
    const sent = upTo(rounds)
      .slice(1)
      .map((number) => watch(sendNumber(group, number)));
    await until(() => ears.every(({ numbers }) => numbers.length === rounds));
    for (const { numbers } of ears) expect(numbers).toEqual(upTo(rounds));
    for (const { member } of ears) expect(member.bufferedAmount).toBe(0);
    expect(deaf.bufferedAmount - before).toBe(rounds * messageLength);
    expect([first, ...sent].some(({ state }) => state !== 'pending')).toBe(false);

    const late = read();
    await until(() => [first, ...sent].every(({ value }) => value === count));
    await until(() => late.length === rounds);
    expect(late).toEqual(upTo(rounds));
  });

  it("with slow: 'drop', while nothing more waits for this member", async () => {
    const { group, deaf, ears } = await crowd();
    const before = deaf.bufferedAmount;
    for (const number of upTo(rounds)) expect(await sendNumber(group, number, 'drop')).toBe(count - 1);
    await until(() => ears.every(({ numbers }) => numbers.length === rounds));
    for (const { numbers } of ears) expect(numbers).toEqual(upTo(rounds));
    expect([deaf.bufferedAmount, group.size]).toEqual([before, count]);
  });

  it("with slow: 'close', which closes this member at once", async () => {
    const { group, deaf, ears } = await crowd();
    const first = sendNumber(group, 0, 'close');
    expect([group.has(deaf), group.size]).toEqual([false, count - 1]);
    expect(await first).toBe(count - 1);
    for (const number of upTo(rounds).slice(1)) await sendNumber(group, number, 'close');
    await until(() => ears.every(({ numbers }) => numbers.length === rounds));
    for (const { numbers } of ears) expect(numbers).toEqual(upTo(rounds));
    const { error } = await deaf.closed;
    expect([error?.code, error?.cause]).toEqual([
      'K4NET_ABORTED',
      expect.objectContaining({ code: 'K4NET_BUSY' }),
    ]);
    expect(deaf.bufferedAmount).toBe(0);
  });
});

describe('a group of more than 1024 members', () => {
  const size = 2500;
  const accepted = (ears: readonly Ear[]): number =>
    ears.filter(({ member }) => member.stats().messagesSent > 0).length;

  it('gets a message over several turns of the event loop', async () => {
    const ears = Array.from({ length: size }, earInMemory);
    const group = new Group();
    for (const { member } of ears) group.add(member);
    const sent = watch(sendNumber(group, 0));
    const steps = [accepted(ears)];
    while (sent.state === 'pending') {
      await turns();
      if (accepted(ears) !== steps.at(-1)) steps.push(accepted(ears));
    }
    expect(steps).toEqual([1024, 2048, 2500]);
    expect(sent.value).toBe(size);
  });

  it('gets messages in order, those to all and those after them, and none from before a member came', async () => {
    const ears = Array.from({ length: size }, earInMemory);
    const group = new Group();
    for (const { member } of ears) group.add(member);
    const sent = [sendNumber(group, 0), sendNumber(group, 1)];
    const [late, gone, back] = [earInMemory(), ears[2400]!, ears[2401]!];
    group.add(late.member);
    group.delete(gone.member);
    group.delete(back.member);
    group.add(back.member);
    sent.push(sendNumber(group, 2));
    await turns();
    sent.push(sendNumber(group, 3));
    expect(await Promise.all(sent)).toEqual([2498, 2498, 2500, 2500]);
    await until(() => [...ears, late].every(({ numbers }) => numbers.at(-1) === 3 || numbers.length === 0));
    expect([gone.numbers, back.numbers, late.numbers]).toEqual([[], [2, 3], [2, 3]]);
    const others = ears.filter((ear) => ear !== gone && ear !== back);
    for (const { numbers } of others) expect(numbers).toEqual([0, 1, 2, 3]);
  });
});

/** What a program does with a group of five queues, by their index. */
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('add' as const), index: fc.nat(4) }) },
  fc.record({ kind: fc.constant('delete' as const), index: fc.nat(4) }),
  fc.record({ kind: fc.constantFrom('close' as const, 'cut' as const), index: fc.nat(4) }),
  fc.record({ kind: fc.constant('turn' as const), index: fc.nat(4) }),
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      index: fc.nat(4),
      slow: fc.constantFrom<SlowMember>('wait', 'drop', 'close'),
    }),
  },
);

it('a group sends each message to its members at that time, whatever is added, deleted and closed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const ears = Array.from({ length: 5 }, earInMemory);
      const group = new Group();
      const members: number[] = [];
      const expected = ears.map((): number[] => []);
      const open = new Set([0, 1, 2, 3, 4]);
      const results: Promise<unknown>[] = [];
      let sent = 0;
      for (const each of steps) {
        const { index } = each;
        const { member } = ears[index]!;
        if (each.kind === 'add') {
          group.add(member);
          if (open.has(index) && !members.includes(index)) members.push(index);
        } else if (each.kind === 'send') {
          const receivers = members.filter((other) => other !== index);
          const result = sendShort(group, sent, each.slow, member);
          results.push(
            result.then((number) => {
              expect(number).toBe(receivers.length);
            }),
          );
          for (const receiver of receivers) expected[receiver]!.push(sent);
          sent += 1;
        } else if (each.kind === 'turn') {
          await turns();
        } else {
          if (each.kind === 'delete') expect(group.delete(member)).toBe(members.includes(index));
          else {
            open.delete(index);
            results.push(member.close(undefined, each.kind === 'cut' ? { timeout: 0 } : {}));
          }
          if (members.includes(index)) members.splice(members.indexOf(index), 1);
        }
        expect([...group]).toEqual(members.map((other) => ears[other]!.member));
      }
      await Promise.all(results);
      for (const index of open) {
        const { numbers } = ears[index]!;
        await until(() => numbers.length >= expected[index]!.length);
        expect(numbers).toEqual(expected[index]);
      }
    }),
    { numRuns: 100 },
  );
});

function sendShort(group: Group, number: number, slow: SlowMember, except: QueueSocket): Promise<number> {
  return group.send(
    'number',
    (writer) => {
      writer.writeUint(number);
    },
    { slow, except },
  );
}
