import { expectTypeOf, it } from 'vitest';
import type { BinaryReader } from '../../lib/binary/reader.js';
import { codec } from '../../lib/index.js';
import type { NatsService } from '../../lib/nats/nats-service.js';
import type { InstanceAnswer, InstanceSent } from '../../lib/nats/service-options.js';
import type { TypedNatsService } from '../../lib/nats/typed-nats-service.js';
import type { AnswerStream } from '../../lib/queue/call-types.js';

const messages = {
  add: codec.request(codec.struct({ a: codec.int32 }), codec.int32),
  list: codec.stream(codec.nothing, codec.string),
  sum: codec.request(codec.nothing, codec.int32, { body: codec.int32 }),
  note: codec.string,
};

// Only the compiler runs these.
function calls(service: NatsService, api: TypedNatsService<typeof messages>): void {
  expectTypeOf(service.typed(messages)).toEqualTypeOf(api);
  expectTypeOf(service.call('add')).toEqualTypeOf<Promise<BinaryReader>>();
  expectTypeOf(api.call('add', { a: 1 }, { repeatable: true })).toEqualTypeOf<Promise<number>>();
  expectTypeOf(api.call('sum', undefined, { body: [1] })).toEqualTypeOf<Promise<number>>();
  expectTypeOf(api.stream('list')).toEqualTypeOf<AnswerStream<string, void>>();
  expectTypeOf(api.callAll('add', { a: 1 })).toEqualTypeOf<
    AsyncIterableIterator<InstanceAnswer<number>, void>
  >();
  expectTypeOf(api.sendAll('note', 'text')).toEqualTypeOf<Promise<InstanceSent[]>>();
  // @ts-expect-error a value of a wrong type
  void api.call('add', { a: '1' });
  // @ts-expect-error a message has no answer
  void api.call('note', 'text');
  // @ts-expect-error a request is no message
  void api.sendAll('add', { a: 1 });
  // @ts-expect-error the body is missing
  void api.call('sum');
  // @ts-expect-error an unknown name
  api.callAll('none');
}

async function answers(api: TypedNatsService<typeof messages>): Promise<void> {
  for await (const { instance, answer, error } of api.callAll('add', { a: 1 })) {
    expectTypeOf(instance).toEqualTypeOf<string>();
    if (error) expectTypeOf(error).toEqualTypeOf<Error>();
    else expectTypeOf(answer).toEqualTypeOf<number>();
  }
}

it('a typed view of a service has the types of its messages', () => {
  expectTypeOf(calls).toBeFunction();
  expectTypeOf(answers).toBeFunction();
});
