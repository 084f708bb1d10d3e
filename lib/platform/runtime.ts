import { type Builtins, findBuiltin } from '#platform';
import { K4netError } from '../errors.js';

// `#platform` is the only seam to the runtime. The "imports" of package.json choose its form:
// `./web.ts` for bundles with the condition "browser", `./node.ts` for everything else.
export {
  afterTick,
  allocateUnsafe,
  allowListeners,
  channelDescriptor,
  debugLog,
  emitWarning,
  environment,
  findBuiltin,
  freeBuffer,
  isNode,
  minFreedBytes,
  nextTurn,
  type NodeHttpServer,
  type NodeRequest,
  type NodeServer,
  type NodeSocket,
  platform,
  print,
  userId,
} from '#platform';

/**
 * A built-in module of Node.
 *
 * @param need - the feature that needs it, for the error message.
 * @throws K4netError `K4NET_UNSUPPORTED` where the runtime has no such module.
 */
export function builtin<K extends keyof Builtins>(name: K, need: string): Builtins[K] {
  const found = findBuiltin(name);
  if (found) return found;
  throw new K4netError('K4NET_UNSUPPORTED', `${need} needs ${name}, which this runtime does not have`);
}
