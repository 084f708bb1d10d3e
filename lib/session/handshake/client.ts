import { type Bytes, concatBytes, equalBytes, noBytes, u16Bytes } from '../../util/bytes.js';
import type { Backend, EphemeralShare } from '../../crypto/backend.js';
import { chooseBackend } from '../../crypto/choose-backend.js';
import type { KeyPair } from '../../crypto/key-pair.js';
import { PublicKey, parseFingerprint } from '../../crypto/public-key.js';
import { randomBytes } from '../../crypto/suite.js';
import { K4netError, KeyMismatchError } from '../../errors.js';
import { noOptions } from '../../util/options.js';
import { alertFor, alertName, decodeAlert, encodeAlert, peerAlert } from '../record/alerts.js';
import { openEpochZero, sealEpochZero } from './epoch-zero.js';
import { type Extensions, encodeExtensions, extensionId, readExtensions } from './extensions.js';
import { Handshake, type HandshakeStep, unit } from './machine.js';
import { type ClientHandshakeOptions, type ClientInjection, checkClientOptions } from './options.js';
import { type HandshakeSecrets, Transcript, handshakeSecrets, signedContent } from '../key-schedule.js';
import {
  checkHeader,
  clientFinishedLength,
  decodeClearAlert,
  decodeKeyOffer,
  decodeServerFinished,
  decodeServerHello,
  encodeClientFinished,
  encodeClientHello,
  encodeKeyRequest,
  sigalg,
  suiteId,
} from './messages.js';
import { messageType } from './unit-header.js';
import { type Padding, createPadding } from '../record/padding.js';
import { premasterLabel } from './epoch-zero.js';
import { recordType } from '../record/format.js';
import { type EpochOne, Session, enterEpochOne, limitOf } from '../session.js';

const serverFinishedKnows = [extensionId.recordLimit, extensionId.appProtocol];

/** The client's side of the handshake: "Units" and "Errors" in docs/protocol.md. */
export class ClientHandshake extends Handshake {
  readonly #options: ClientHandshakeOptions;
  readonly #inject: ClientInjection;
  readonly #backend: Backend;
  readonly #padding: Padding;
  readonly #pins: readonly string[];
  readonly #transcript: Transcript;
  #awaits: 'offer' | 'hello' | 'finished' | 'nothing' = 'nothing';
  #serverKey: PublicKey | undefined;
  #ephemeral: EphemeralShare | undefined;
  #premaster: Bytes | undefined;
  #secrets: HandshakeSecrets | undefined;
  /** Whether ServerFinished is verified. From then on the server gets an alert for an error. */
  #verified = false;
  /** Set when ClientFinished is sealed, which is the client's one record of epoch 0. */
  #epochOne: EpochOne | undefined;

  /** @param inject - fixed values in place of random ones, for tests only. */
  constructor(options: ClientHandshakeOptions, inject: ClientInjection = noOptions) {
    super();
    checkClientOptions(options);
    const { serverKey, pin = [] } = options;
    this.#options = options;
    this.#inject = inject;
    this.#backend = chooseBackend(options.cipher);
    this.#padding = createPadding(options.padding);
    this.#pins = (typeof pin === 'string' ? [pin] : pin).map(parseFingerprint);
    if (serverKey) this.#checkPin(serverKey);
    this.#transcript = new Transcript(this.#backend);
  }

  protected get awaitsRecord(): boolean {
    return this.#awaits === 'finished';
  }

  protected async begin(): Promise<HandshakeStep> {
    const { serverKey, serverName } = this.#options;
    if (serverKey) {
      this.#serverKey = serverKey;
      return this.#sendHello(serverKey);
    }
    this.#awaits = 'offer';
    const body = encodeKeyRequest(this.#extensions(messageType.keyRequest, serverName ? { serverName } : {}));
    return this.#sendClear(body);
  }

  protected async handle(body: Bytes): Promise<HandshakeStep> {
    const awaited = this.#awaits;
    switch (awaited) {
      case 'offer':
        return this.#offer(body);
      case 'hello':
        return this.#hello(body);
      case 'finished':
        return this.#finished(body);
      case 'nothing':
        throw new K4netError('K4NET_STATE', 'the handshake expects no message now');
    }
  }

  protected async alertUnits(error: K4netError): Promise<readonly Bytes[]> {
    if (this.#epochOne) return this.#epochOne.sealer.fail(error);
    const alert = alertFor(error.code);
    if (!this.#verified || alert === undefined || !this.#secrets) return [];
    const content = encodeAlert(alert, 0, alertName(alert));
    return this.#sealRecord(this.#secrets, recordType.alert, content);
  }

  protected override readonly closedMessage: string =
    'the server closed the connection during the handshake: it may not speak k4net/1 (the Python library does not)';

  #checkPin(key: PublicKey): void {
    const [expected] = this.#pins;
    if (expected === undefined || this.#pins.includes(key.fingerprint)) return;
    throw new KeyMismatchError(expected, key.fingerprint);
  }

  #extensions(type: number, extensions: Extensions): Bytes {
    return encodeExtensions(extensions, this.#inject.extensions?.[type]);
  }

  #sendClear(body: Bytes): HandshakeStep {
    this.#transcript.add(body);
    this.send(unit(body));
    return { state: 'continue' };
  }

  async #sealRecord(secrets: HandshakeSecrets, type: number, content: Bytes): Promise<Bytes[]> {
    return [await sealEpochZero(this.#backend, secrets.traffic.client, type, content, this.#padding)];
  }

  async #offer(body: Bytes): Promise<HandshakeStep> {
    this.#checkClear(body, messageType.keyOffer);
    const offer = decodeKeyOffer(body);
    readExtensions(offer.extensions, []);
    const key = await PublicKey.fromSpki(offer.spki);
    if (key.type !== 'rsa')
      throw new K4netError('K4NET_MALFORMED', 'the server offers a key that is not RSA');
    this.#checkPin(key);
    this.#serverKey = key;
    this.#transcript.add(body);
    return this.#sendHello(key);
  }

  #checkClear(body: Bytes, expected: number): void {
    if (checkHeader(body, [expected, messageType.alert]) === expected) return;
    const { code, text } = decodeClearAlert(body);
    throw peerAlert({ alert: code, app: 0, text, authenticated: false });
  }

  async #sendHello(key: PublicKey): Promise<HandshakeStep> {
    const { serverName, recordLimit, appProtocols } = this.#options;
    const inject = this.#inject;
    const premaster = inject.premaster?.slice() ?? randomBytes(32);
    const [ephemeral, ciphertext] = await Promise.all([
      inject.ephemeral ?? this.#backend.newShare(),
      inject.ciphertext ?? key.encrypt(premasterLabel, premaster, this.#backend),
    ]);
    this.#premaster = premaster;
    this.#ephemeral = ephemeral;
    this.#awaits = 'hello';
    const random = inject.random ?? randomBytes(32);
    const fields = {
      ...(serverName !== undefined && { serverName }),
      ...(recordLimit !== undefined && { recordLimit }),
      ...(appProtocols?.length && { appProtocols }),
    };
    return this.#sendClear(
      encodeClientHello(
        { random, keyId: key.id, share: ephemeral.share, suites: [suiteId], ciphertext },
        this.#extensions(messageType.clientHello, fields),
      ),
    );
  }

  async #hello(body: Bytes): Promise<HandshakeStep> {
    this.#checkClear(body, messageType.serverHello);
    const hello = decodeServerHello(body);
    readExtensions(hello.extensions, []);
    if (hello.suite !== suiteId) {
      throw new K4netError(
        'K4NET_UNSUPPORTED',
        `the server chose suite ${hello.suite}, which was not offered`,
      );
    }
    const shared = this.#ephemeral && (await this.#ephemeral.agree(hello.share));
    if (!shared || !this.#premaster)
      throw new K4netError('K4NET_MALFORMED', 'the point of ServerHello is not on the curve');
    this.#ephemeral = undefined;
    this.#transcript.add(body);
    const th1 = await this.#transcript.hash();
    this.#secrets = await handshakeSecrets(this.#backend, hello.suite, this.#premaster, shared, th1);
    this.#awaits = 'finished';
    return { state: 'continue' };
  }

  async #finished(body: Bytes): Promise<HandshakeStep> {
    const secrets = this.#secrets;
    if (!secrets) throw new K4netError('K4NET_STATE', 'the handshake has no secrets');
    const record = await openEpochZero(this.#backend, secrets.traffic.server, body);
    if (!record) throw notTheServer();
    if (record.type === recordType.alert) throw peerAlert(decodeAlert(record.content));
    if (record.type !== recordType.handshake) {
      throw new K4netError('K4NET_UNEXPECTED', `a record of type ${record.type} is out of place`);
    }
    checkHeader(record.content, [messageType.serverFinished]);
    const finished = decodeServerFinished(record.content);
    const hash = await this.#transcript.hash({ length: record.content.length, part: finished.covered });
    const expected = await this.#backend.hmac(secrets.serverFinished, hash);
    if (!equalBytes(expected, finished.verify)) throw notTheServer();
    this.#verified = true;
    const extensions = readExtensions(finished.extensions, serverFinishedKnows);
    const { identity, appProtocol } = this.#settle(finished.flags, extensions);
    this.#transcript.add(record.content);
    const sendLimit = limitOf(extensions.recordLimit);
    const master = await secrets.master(await this.#transcript.hash());
    const epochOne = await enterEpochOne(this.#backend, master, 'client', {
      limit: sendLimit,
      padding: this.#padding,
    });
    const reply = await this.#encodeFinished(secrets, identity);
    this.#transcript.add(reply);
    const facts = {
      role: 'client' as const,
      serverKey: this.#knownKey(),
      clientKey: identity?.publicKey,
      serverName: this.#options.serverName,
      appProtocol,
      sendLimit,
      receiveLimit: limitOf(this.#options.recordLimit),
    };
    const session = await Session.create(facts, epochOne, await this.#transcript.hash());
    if (this.error) return { state: 'failed', error: this.error };
    // From here on an alert belongs to epoch 1. In epoch 0 it would reuse the nonce of this record.
    this.#epochOne = epochOne;
    await this.sendSealed(this.#sealRecord(secrets, recordType.handshake, reply));
    this.#awaits = 'nothing';
    return { state: 'done', session };
  }

  /**
   * Step 7 of "Errors" in docs/protocol.md for ServerFinished. Decides whether the client shows its
   * key.
   */
  #settle(
    flags: number,
    { appProtocols }: Extensions,
  ): {
    readonly identity: KeyPair | undefined;
    readonly appProtocol: string | undefined;
  } {
    if (flags > 2) throw new K4netError('K4NET_MALFORMED', `the flags of ServerFinished are ${flags}`);
    const [appProtocol, ...more] = appProtocols ?? [];
    const offered = this.#options.appProtocols ?? [];
    if (appProtocol !== undefined && (more.length > 0 || !offered.includes(appProtocol))) {
      throw new K4netError(
        'K4NET_MALFORMED',
        'the server chose an application protocol that was not offered',
      );
    }
    const { identity, identifyToUnknownServer = false } = this.#options;
    const knewServer = this.#options.serverKey !== undefined || this.#pins.length > 0;
    const shown = flags !== 0 && (knewServer || identifyToUnknownServer) ? identity : undefined;
    if (flags === 2 && !shown) {
      throw new K4netError(
        'K4NET_CLIENT_KEY_REQUIRED',
        identity
          ? 'the server requires a client key, but clientKey is not shown to an unknown server (identifyToUnknownServer: false)'
          : 'the server requires a client key: set clientKey',
      );
    }
    return { identity: shown, appProtocol };
  }

  async #encodeFinished(secrets: HandshakeSecrets, identity: KeyPair | undefined): Promise<Bytes> {
    const key = identity?.publicKey;
    const extensions = this.#extensions(messageType.clientFinished, {});
    const algorithm = key === undefined ? sigalg.none : key.type === 'rsa' ? sigalg.pss : sigalg.ecdsa;
    const signed = encodeClientFinished(algorithm, key?.spki ?? noBytes, extensions);
    const signatureLength = key === undefined ? 0 : key.type === 'rsa' ? key.modulusLength : 64;
    const length = clientFinishedLength(signed.length, signatureLength);
    let signature: Bytes = noBytes;
    if (identity) {
      const content = signedContent(await this.#transcript.hash({ length, part: signed }));
      signature = this.#inject.signature ?? (await identity.sign(content));
    }
    const covered = concatBytes([signed, u16Bytes(signature.length), signature]);
    const hash = await this.#transcript.hash({ length, part: covered });
    const verify = await this.#backend.hmac(secrets.clientFinished, hash);
    return concatBytes([covered, verify]);
  }

  #knownKey(): PublicKey {
    if (this.#serverKey) return this.#serverKey;
    throw new K4netError('K4NET_STATE', "the handshake has no server's key");
  }
}

function notTheServer(): K4netError {
  return new K4netError(
    'K4NET_SERVER_AUTH',
    'the server did not prove that it has its private key, or the handshake was changed on the path',
  );
}
