import { type Bytes, concatBytes, equalBytes } from '../../util/bytes.js';
import type { Backend } from '../../crypto/backend.js';
import { chooseBackend } from '../../crypto/choose-backend.js';
import { KeyPair } from '../../crypto/key-pair.js';
import { PublicKey } from '../../crypto/public-key.js';
import { randomBytes } from '../../crypto/suite.js';
import { K4netError } from '../../errors.js';
import { escapeText } from '../../util/escape.js';
import { noOptions } from '../../util/options.js';
import { alertFor, alertName, decodeAlert, peerAlert } from '../record/alerts.js';
import { openEpochZero, sealEpochZero } from './epoch-zero.js';
import { type Extensions, encodeExtensions, extensionId, readExtensions } from './extensions.js';
import { Handshake, type HandshakeStep, sealAlert, unit } from './machine.js';
import type { ServerInjection } from './injection.js';
import { type HandshakeSecrets, Transcript, handshakeSecrets, signedContent } from '../key-schedule.js';
import {
  type ClientFinished,
  checkHeader,
  decodeClientFinished,
  decodeClientHello,
  decodeKeyRequest,
  encodeClearAlert,
  encodeKeyOffer,
  encodeServerFinished,
  encodeServerHello,
  messageType,
  sigalg,
  suiteId,
} from './messages.js';
import { type Padding, createPadding } from '../record/padding.js';
import { openPremaster } from './premaster.js';
import { recordType } from '../record/format.js';
import {
  type ServerHandshakeOptions,
  checkServerKey,
  checkServerOptions,
  flagsOf,
} from './server-options.js';
import { type EpochOne, Session, enterEpochOne, limitOf } from '../session.js';

const keyRequestKnows = [extensionId.serverName];
const clientHelloKnows = [extensionId.serverName, extensionId.recordLimit, extensionId.appProtocol];
const maxSuites = 8;

/** What the server keeps from ClientHello on. */
interface Progress {
  readonly key: KeyPair;
  readonly secrets: HandshakeSecrets;
  readonly epochOne: EpochOne;
  readonly appProtocol: string | undefined;
  readonly sendLimit: number;
}

/** The server's side of the handshake: see "Units" and "Errors" in docs/protocol.md. */
export class ServerHandshake extends Handshake {
  readonly #options: ServerHandshakeOptions;
  readonly #inject: ServerInjection;
  readonly #backend: Backend;
  readonly #padding: Padding;
  readonly #transcript: Transcript;
  readonly #flags: number;
  #awaits: 'request' | 'hello' | 'finished' | 'nothing' = 'request';
  #serverName: string | undefined;
  #progress: Progress | undefined;
  /** Text for the alert in the clear, where the name of the alert says too little. */
  #alertText: string | undefined;

  /** @param inject - for tests only. */
  constructor(options: ServerHandshakeOptions, inject: ServerInjection = noOptions) {
    super();
    checkServerOptions(options);
    this.#options = options;
    this.#inject = inject;
    this.#flags = flagsOf[options.clientAuth ?? 'none'];
    this.#backend = chooseBackend(options.cipher);
    this.#padding = createPadding(options.padding);
    this.#transcript = new Transcript(this.#backend);
  }

  protected get awaitsRecord(): boolean {
    return this.#awaits === 'finished';
  }

  protected begin(): Promise<HandshakeStep> {
    return Promise.resolve({ state: 'continue' });
  }

  protected async handle(body: Bytes): Promise<HandshakeStep> {
    const awaited = this.#awaits;
    switch (awaited) {
      case 'request': {
        this.#options.onHello?.();
        const type = checkHeader(body, [messageType.keyRequest, messageType.clientHello], true);
        return type === messageType.keyRequest ? this.#request(body) : this.#hello(body);
      }
      case 'hello':
        checkHeader(body, [messageType.clientHello]);
        return this.#hello(body);
      case 'finished':
        return this.#finished(body);
      case 'nothing':
        throw new K4netError('K4NET_STATE', 'the handshake awaits nothing now');
    }
  }

  protected async tell(error: K4netError): Promise<readonly Bytes[]> {
    if (this.#progress) return sealAlert(this.#progress.epochOne.sealer, error);
    const alert = alertFor(error.code);
    return alert === undefined ? [] : [unit(encodeClearAlert(alert, this.#alertText ?? alertName(alert)))];
  }

  async #request(body: Bytes): Promise<HandshakeStep> {
    const { extensions } = decodeKeyRequest(body);
    this.#serverName = readExtensions(extensions, keyRequestKnows).serverName;
    const key = await this.#chooseKey(undefined);
    const further = this.#inject.extensions?.[messageType.keyOffer];
    const offer = encodeKeyOffer(key.publicKey.spki, encodeExtensions({}, further));
    this.#transcript.add(body);
    this.#transcript.add(offer);
    this.#awaits = 'hello';
    this.send(unit(offer));
    return { state: 'continue' };
  }

  async #chooseKey(keyId: Bytes | undefined): Promise<KeyPair> {
    const { key } = this.#options;
    const chosen = key instanceof KeyPair ? key : await key(this.#serverName, keyId?.slice());
    if (!chosen || (keyId && !equalBytes(chosen.publicKey.id, keyId))) {
      throw new K4netError(
        'K4NET_UNKNOWN_SERVER_KEY',
        'the client means a key that this server does not have',
      );
    }
    checkServerKey(chosen);
    return chosen;
  }

  async #hello(body: Bytes): Promise<HandshakeStep> {
    const hello = decodeClientHello(body);
    const extensions = readExtensions(hello.extensions, clientHelloKnows);
    this.#serverName = extensions.serverName ?? this.#serverName;
    checkSuites(hello.suites);
    const key = await this.#chooseKey(hello.keyId);
    if (hello.ciphertext.length !== key.publicKey.modulusLength) {
      throw new K4netError('K4NET_MALFORMED', 'the ciphertext of ClientHello is not as long as the modulus');
    }
    const ephemeral = this.#inject.ephemeral ?? (await this.#backend.newShare());
    const shared = await ephemeral.agree(hello.share);
    if (!shared) throw new K4netError('K4NET_MALFORMED', 'the point of ClientHello is none');
    const appProtocol = this.#chooseProtocol(extensions);
    const replacement = this.#inject.rejectPremaster?.slice() ?? randomBytes(32);
    const premaster = await openPremaster(
      this.#backend,
      key,
      hello.ciphertext,
      replacement,
      this.#options.scheduleDecryption,
    );

    this.#transcript.add(body);
    const answer = encodeServerHello(
      { random: this.#inject.random ?? randomBytes(32), share: ephemeral.share, suite: suiteId },
      encodeExtensions({}, this.#inject.extensions?.[messageType.serverHello]),
    );
    this.#transcript.add(answer);
    const th1 = await this.#transcript.hash();
    const secrets = await handshakeSecrets(this.#backend, suiteId, premaster, shared, th1);
    const finished = await this.#encodeFinished(secrets, appProtocol);
    this.#transcript.add(finished);
    const master = await secrets.master(await this.#transcript.hash());
    const sendLimit = limitOf(extensions.recordLimit);
    const epochOne = await enterEpochOne(this.#backend, master, 'server', {
      limit: sendLimit,
      padding: this.#padding,
    });
    const record = await sealEpochZero(
      this.#backend,
      secrets.traffic.server,
      recordType.handshake,
      finished,
      this.#padding,
    );
    this.#progress = { key, secrets, epochOne, appProtocol, sendLimit };
    this.#awaits = 'finished';
    this.send(unit(answer), record);
    return { state: 'continue' };
  }

  /** Both lists go to the client: without them nobody could tell which side has to change. */
  #chooseProtocol({ appProtocols: offered }: Extensions): string | undefined {
    const { appProtocols: own } = this.#options;
    if (!offered || !own?.length) return undefined;
    const common = own.find((name) => offered.includes(name));
    if (common !== undefined) return common;
    const what = `no common application protocol: the server has ${quoted(own)}, the client offers ${quoted(offered)}`;
    this.#alertText = what;
    throw new K4netError('K4NET_UNSUPPORTED', what);
  }

  async #encodeFinished(secrets: HandshakeSecrets, appProtocol: string | undefined): Promise<Bytes> {
    const { recordLimit } = this.#options;
    const said = {
      ...(recordLimit !== undefined && { recordLimit }),
      ...(appProtocol !== undefined && { appProtocols: [appProtocol] }),
    };
    const further = this.#inject.extensions?.[messageType.serverFinished];
    const covered = encodeServerFinished(this.#flags, encodeExtensions(said, further));
    const hash = await this.#transcript.hash({ length: covered.length + 32, part: covered });
    return concatBytes([covered, await this.#backend.hmac(secrets.serverFinished, hash)]);
  }

  async #finished(body: Bytes): Promise<HandshakeStep> {
    const progress = this.#progress;
    if (!progress) throw new K4netError('K4NET_STATE', 'the handshake has no secrets');
    const { secrets, epochOne } = progress;
    const record = await openEpochZero(this.#backend, secrets.traffic.client, body);
    if (!record) throw new K4netError('K4NET_DECRYPT', 'the last message of the handshake does not open');
    if (record.type === recordType.alert) throw peerAlert(decodeAlert(record.content));
    if (record.type !== recordType.handshake) {
      throw new K4netError('K4NET_UNEXPECTED', `a record of type ${record.type} is out of place`);
    }
    checkHeader(record.content, [messageType.clientFinished]);
    const finished = decodeClientFinished(record.content);
    const { length } = record.content;
    const hash = await this.#transcript.hash({ length, part: finished.covered });
    const expected = await this.#backend.hmac(secrets.clientFinished, hash);
    if (!equalBytes(expected, finished.verify)) {
      throw new K4netError('K4NET_HANDSHAKE_FAILED', 'the client has seen another handshake than this one');
    }
    readExtensions(finished.extensions, []);
    const clientKey = await this.#clientKey(finished, length, progress);
    this.#transcript.add(record.content);
    const { appProtocol, sendLimit, key } = progress;
    const facts = {
      role: 'server' as const,
      serverKey: key.publicKey,
      clientKey,
      serverName: this.#serverName,
      appProtocol,
      sendLimit,
      receiveLimit: limitOf(this.#options.recordLimit),
    };
    const session = await Session.create(facts, epochOne, await this.#transcript.hash());
    // If it was ended meanwhile, its sealer has sealed an alert, which nothing may follow.
    if (this.error) return { state: 'failed', error: this.error };
    this.#awaits = 'nothing';
    if (clientKey) await this.sendSealed(epochOne.sealer.confirm());
    return { state: 'done', session };
  }

  /** Step 7 of "Errors" in docs/protocol.md for ClientFinished. */
  async #clientKey(
    finished: ClientFinished,
    length: number,
    { key, appProtocol }: Progress,
  ): Promise<PublicKey | undefined> {
    const { sigalg: algorithm, spki, signature, signed } = finished;
    if (algorithm === sigalg.none) {
      if (spki.length > 0 || signature.length > 0) {
        throw new K4netError(
          'K4NET_MALFORMED',
          'a client without a signature algorithm has a key or a signature',
        );
      }
      if (this.#flags !== flagsOf.required) return undefined;
      throw new K4netError(
        'K4NET_CLIENT_KEY_REQUIRED',
        'the client has no key, and this server requires one',
      );
    }
    if (algorithm !== sigalg.ecdsa && algorithm !== sigalg.pss) {
      throw new K4netError('K4NET_UNSUPPORTED', `the client signs in a way unknown here (${algorithm})`);
    }
    if (this.#flags === flagsOf.none) {
      throw new K4netError('K4NET_UNEXPECTED', 'the client shows a key that nobody asked for');
    }
    const clientKey = await PublicKey.fromSpki(spki);
    if ((clientKey.type === 'rsa') !== (algorithm === sigalg.pss)) {
      throw new K4netError('K4NET_MALFORMED', "the client's key is not of the kind that its signature needs");
    }
    const content = signedContent(await this.#transcript.hash({ length, part: signed }));
    if (!(await clientKey.verify(signature, content))) {
      throw new K4netError('K4NET_CLIENT_KEY_REFUSED', "the client's signature is not its key's");
    }
    const claim = { clientKey, serverKey: key.publicKey, serverName: this.#serverName, appProtocol };
    const { authorize } = this.#options;
    // Only `true` accepts: neither undefined nor an object that a hook returns by mistake.
    const accepted: unknown = authorize ? await decide(() => authorize(claim)) : true;
    if (accepted !== true) {
      throw new K4netError(
        'K4NET_CLIENT_KEY_REFUSED',
        `the client's key ${clientKey.fingerprint} is not accepted`,
      );
    }
    return clientKey;
  }
}

/** An `authorize` that fails refuses the client. `cause` is its error, which the server reports and nobody else. */
async function decide(authorize: () => boolean | Promise<boolean>): Promise<unknown> {
  try {
    return await authorize();
  } catch (thrown) {
    // Without a cause it would be the refusal of an `authorize` that answered.
    const cause = thrown === undefined ? new TypeError("'authorize' threw undefined") : thrown;
    throw new K4netError('K4NET_CLIENT_KEY_REFUSED', "'authorize' failed, so the client is refused", {
      cause,
    });
  }
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${escapeText(name)}'`).join(', ');
}

function checkSuites(suites: readonly number[]): void {
  if (suites.length < 1 || suites.length > maxSuites) {
    throw new K4netError('K4NET_MALFORMED', `a client offers 1 to ${maxSuites} suites, not ${suites.length}`);
  }
  if (!suites.includes(suiteId)) {
    throw new K4netError('K4NET_UNSUPPORTED', 'the client offers no suite that is known here');
  }
}
