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
import { Handshake, type HandshakeStep, unit } from './machine.js';
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
  sigalg,
  suiteId,
} from './messages.js';
import { messageType } from './unit-header.js';
import { type Padding, createPadding } from '../record/padding.js';
import { openPremaster } from './epoch-zero.js';
import { recordType } from '../record/format.js';
import {
  type ServerHandshakeOptions,
  type ServerInjection,
  checkServerKey,
  checkServerOptions,
  flagsOf,
} from './options.js';
import { type EpochOne, Session, enterEpochOne, limitOf } from '../session.js';

const keyRequestKnows = [extensionId.serverName];
const clientHelloKnows = [extensionId.serverName, extensionId.recordLimit, extensionId.appProtocol];
const maxSuites = 8;

/** The state of the handshake from ClientHello on. */
interface Progress {
  readonly key: KeyPair;
  readonly secrets: HandshakeSecrets;
  readonly epochOne: EpochOne;
  readonly appProtocol: string | undefined;
  readonly sendLimit: number;
}

/** The server's side of the handshake: "Units" and "Errors" in docs/protocol.md. */
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
  /** Text of the alert in the clear, in place of the name of the alert. */
  #alertText: string | undefined;

  /** @param inject - fixed values in place of random ones, for tests only. */
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
        throw new K4netError('K4NET_STATE', 'the handshake expects no message now');
    }
  }

  protected async alertUnits(error: K4netError): Promise<readonly Bytes[]> {
    if (this.#progress) return this.#progress.epochOne.sealer.fail(error);
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
        'the client expects a server key that this server does not have',
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
    if (!shared) throw new K4netError('K4NET_MALFORMED', 'the point of ClientHello is not on the curve');
    const appProtocol = this.#chooseProtocol(extensions);
    const replacement = this.#inject.rejectPremaster?.slice() ?? randomBytes(32);
    const { scheduleDecryption: schedule } = this.#options;
    const premaster = await openPremaster(this.#backend, key, hello.ciphertext, replacement, schedule);

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

  /** The alert contains both lists, so that the client's error shows which side has to change. */
  #chooseProtocol({ appProtocols: offered }: Extensions): string | undefined {
    const { appProtocols: own } = this.#options;
    if (!offered || !own?.length) return undefined;
    const common = own.find((name) => offered.includes(name));
    if (common !== undefined) return common;
    const text = `no common application protocol: the server has ${quoted(own)}, the client offers ${quoted(offered)}`;
    this.#alertText = text;
    throw new K4netError('K4NET_UNSUPPORTED', text);
  }

  async #encodeFinished(secrets: HandshakeSecrets, appProtocol: string | undefined): Promise<Bytes> {
    const { recordLimit } = this.#options;
    const fields = {
      ...(recordLimit !== undefined && { recordLimit }),
      ...(appProtocol !== undefined && { appProtocols: [appProtocol] }),
    };
    const further = this.#inject.extensions?.[messageType.serverFinished];
    const covered = encodeServerFinished(this.#flags, encodeExtensions(fields, further));
    const hash = await this.#transcript.hash({ length: covered.length + 32, part: covered });
    return concatBytes([covered, await this.#backend.hmac(secrets.serverFinished, hash)]);
  }

  async #finished(body: Bytes): Promise<HandshakeStep> {
    const progress = this.#progress;
    if (!progress) throw new K4netError('K4NET_STATE', 'the handshake has no secrets');
    const { secrets, epochOne } = progress;
    const record = await openEpochZero(this.#backend, secrets.traffic.client, body);
    if (!record) throw new K4netError('K4NET_DECRYPT', 'ClientFinished does not decrypt');
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
      throw new K4netError('K4NET_HANDSHAKE_FAILED', 'client and server have different transcripts');
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
    // If the handshake has failed before this point, the sealer has sealed an alert, and nothing
    // may follow it.
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
        "the client has no key, but clientAuth is 'required'",
      );
    }
    if (algorithm !== sigalg.ecdsa && algorithm !== sigalg.pss) {
      throw new K4netError('K4NET_UNSUPPORTED', `the client's signature algorithm ${algorithm} is unknown`);
    }
    if (this.#flags === flagsOf.none) {
      throw new K4netError('K4NET_UNEXPECTED', "the client shows a key, but clientAuth is 'none'");
    }
    const clientKey = await PublicKey.fromSpki(spki);
    if ((clientKey.type === 'rsa') !== (algorithm === sigalg.pss)) {
      throw new K4netError('K4NET_MALFORMED', "the client's key does not fit its signature algorithm");
    }
    const content = signedContent(await this.#transcript.hash({ length, part: signed }));
    if (!(await clientKey.verify(signature, content))) {
      throw new K4netError('K4NET_CLIENT_KEY_REFUSED', "the client's signature does not match its key");
    }
    const claim = { clientKey, serverKey: key.publicKey, serverName: this.#serverName, appProtocol };
    const { authorize } = this.#options;
    // Only `true` accepts. A hook may return undefined or an object by mistake.
    const accepted: unknown = authorize ? await decide(() => authorize(claim)) : true;
    if (accepted !== true) {
      throw new K4netError(
        'K4NET_CLIENT_KEY_REFUSED',
        `authorize refused the client key ${clientKey.fingerprint}`,
      );
    }
    return clientKey;
  }
}

/** A failing `authorize` refuses the client. Only the server sees its error, as the `cause`. */
async function decide(authorize: () => boolean | Promise<boolean>): Promise<unknown> {
  try {
    return await authorize();
  } catch (thrown) {
    // Without a cause this error would look like a refusal by `authorize`.
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
    throw new K4netError('K4NET_UNSUPPORTED', `the client offers suite ${suites.join(', ')}, not ${suiteId}`);
  }
}
