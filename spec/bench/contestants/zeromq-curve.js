// `zeromq` with CURVE.
import { curveKeyPair } from 'zeromq';
import { zeromq } from '../transports/zeromq.js';

// BENCHMARK ONLY: the key is public, so it protects nothing.
const publicKey = '.[92w3s[{Sk@{@W-aXx6Cf34E)a/YGO>Id#Oc.23';
const secretKey = 'yQL>M]K)Bj{vCAg0S(rt0vohwirf5e8kC+/wbb71';
const own = curveKeyPair();

export * as driver from '../drivers/async-callbacks.js';
export const { listen, connect, close } = zeromq(
  { curveServer: true, curvePublicKey: publicKey, curveSecretKey: secretKey },
  { curveServerKey: publicKey, curvePublicKey: own.publicKey, curveSecretKey: own.secretKey },
);
