import { once } from 'node:events';
import tls from 'node:tls';

/**
 * A self-signed RSA-2048 certificate for loopback and its key, made once so that a fresh machine needs no tool to make
 * one. BENCHMARK ONLY: the key is public, so it protects nothing.
 */
export const cert = `-----BEGIN CERTIFICATE-----
MIIDJzCCAg+gAwIBAgIUUR8fCIFkP8pxbs1j/muCGktfneAwDQYJKoZIhvcNAQEL
BQAwFDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjE5MzMwMloYDzIxMjYx
MDI5MTkzMzAyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwggEiMA0GCSqGSIb3DQEB
AQUAA4IBDwAwggEKAoIBAQDZxY/h5UOXnQHUMC/xldaGNIywIGToxmV+ermauRlt
AsCuTI+b1WG/P/nRE3EZZRAbL4FpI604/VPs02vuNBE+BTUicHs38mkYEIVU9jWH
Mi7FV83iNpzeN9Oe0mK69j2N6DU6ui2ka4PuMNgT5Ecx8/T2Lt3cJ8Z969y3Lt/R
k4XenHbBdT5/UldtrYHvCso+o3/0XVroj8MlPpmxgUZdpM7F+kOqA3zJ68E2235N
IsfwsOFsRogg+VMAq4BgkP+Vh/vJ40n3DuytuAAjtfw5PprmJ4Nckt0rHqY6BlzS
xMx24q1orLdulGk1CAfwz/dfITVcmqAgWGfoyaYCbvW3AgMBAAGjbzBtMB0GA1Ud
DgQWBBT/6v2/Aa1dxPJYtTyER8Z9aSgl+TAfBgNVHSMEGDAWgBT/6v2/Aa1dxPJY
tTyER8Z9aSgl+TAPBgNVHRMBAf8EBTADAQH/MBoGA1UdEQQTMBGCCWxvY2FsaG9z
dIcEfwAAATANBgkqhkiG9w0BAQsFAAOCAQEAXexK2MztoIOh3N7rkWOti9fcfKzK
5ha1W2N/e+xcBdJlZld82z17EVRiT1dUISfurvaaLnEwvTFg5stxgZwrlbCWhGob
qbvlCkgWpNayM7W1thS/3adnWidaRMvRqRxIMi3trV33oXUHiVWIQcVyih5v8SQ5
zLhmi2iXbg2yL/dGaEY3TYPGLducgTsNa2YVWVewEVch0c/HNYAKocGiUCUpD7ub
0sf7xdOILfAL+wfT5y09Oh+7uKWjeKjjF2l6xN0c2AXEW5LIC5zoKSOi0h5rPQKN
ggMiLKCoXTN/y7GZoWyaJhKyFmltuQJbv+3Ze479LMBcnTNYeFCvPyeLlg==
-----END CERTIFICATE-----
`;

export const key = `-----BEGIN PRIVATE KEY-----
MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDZxY/h5UOXnQHU
MC/xldaGNIywIGToxmV+ermauRltAsCuTI+b1WG/P/nRE3EZZRAbL4FpI604/VPs
02vuNBE+BTUicHs38mkYEIVU9jWHMi7FV83iNpzeN9Oe0mK69j2N6DU6ui2ka4Pu
MNgT5Ecx8/T2Lt3cJ8Z969y3Lt/Rk4XenHbBdT5/UldtrYHvCso+o3/0XVroj8Ml
PpmxgUZdpM7F+kOqA3zJ68E2235NIsfwsOFsRogg+VMAq4BgkP+Vh/vJ40n3Duyt
uAAjtfw5PprmJ4Nckt0rHqY6BlzSxMx24q1orLdulGk1CAfwz/dfITVcmqAgWGfo
yaYCbvW3AgMBAAECggEAFEloZnGo8szwYy0cAkQ5naXz5ze//sP1/NV/ndoZdBjE
t1gFgXhcKJNT+TX3nBct7Be9qqblV6uYb7WgVn/o4p9ckaPrLqKOnMHJPJ7KYhj6
120fDlrqZnR1P9SMgwCLv8D+gxqImZ+0b3ItvD37TebSjpkowii9v8mYSu5QcQxC
KKq2Zhoo6JSGOQIeZAftXQhNmy2xLzuE3w2EKt9y8n1RR/rTb4oMJuxFWtEeWwiB
kMz2fRYL3xDiasocUrbKxFT/QB/dyzfXlHA6CN3/x5fiNW9bkNXBpNZalY0AovBS
zeob9fbuxcjfDlBr0MzqA8NbRcmb7KesAlzKzhMgLQKBgQD/wpmrEc74Tp3tYJCe
vDbxCFn2sEa8xKuCD+eivaTrzshzhg+qTyfrw4LriioJ3X0z8IeM1L+SG2f48/q3
fKjhz7F5PGsWQLZlk+h/0eP7CkHFYl55PQizTI39romCJbrajzPYrjZh6mUrxSyT
vkRPtBDiAKNUZuFyCQJ+dLGjIwKBgQDZ+deMHlNlTrd4NXNnX/0V86ou1YQURZ38
gEUu8Wq2YId0UcD8QahN0Rbv+d6dcilYJrdpLaXvtNFMXZUnbPZuBl3iDAWAUy+F
IBEFSb8/fXvhpAHNEc660Px9MQX/eTS53gc+AHUrxW5jicBDQscGJZm/jtWIKjjT
I6cZAkqmXQKBgQC7J1a1pRl0AGt2aeRKE+aMaJUUfJe2yJ/MVAEnyGinmbB7QM2z
zaqjznS+EWODxo049bjrKD9rFhz2QurjXBhk7UusMLcYGJCgMiS/bALNEAti+gGx
7CSyt8Frsk2zbBKYnpPM6manLhOMfQOKtX9dZ6G3D8p1F7e/b7JggNoASwKBgHp0
4+Ux/EQDzwrXbHf88x/r/gXFqigBXFpIbZWLxxmibTap3zNYZ4cgGjTDOY9WXWfK
iGusW3apLJQsVukJTABPz1p4ynZnRWESvL0tyyWOB5SiIOjmQi+tzMtASVBW9Yod
9A+fDjSC/BsrfjnLQChx40g8pDWVEst7Uhq4sNt5AoGBAPRxZBJ2PDcy9iVygMNZ
wrEnwrWn0s+mFgceG2eC8rjzDo1G9P2c+zlfGqI+V3nRwYvPgqSgNhnhsCRI6GVS
5rjjuDgl9ccH8z8inl+7xvuUrDzmFGzU4aYwoeRK20NQwitculCwtbokgfWU2Ros
WMD2UWL+BPk1Tq9InJ9bKxpi
-----END PRIVATE KEY-----
`;

/** The cipher that the encrypted sockets of the library have too. */
export const tlsOptions = { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_256_GCM_SHA384' };

/** Made once: it would cost every connection. */
export const trusted = tls.createSecureContext({ ca: cert, ...tlsOptions });

/** Listens on a free port of loopback. */
export async function listenTls(accept) {
  const server = tls.createServer({ key, cert, noDelay: true, ...tlsOptions }, accept);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port };
}

/** A TLS socket after its handshake, which has checked the certificate. */
export async function connectTls(port) {
  const stream = tls.connect({ port, host: '127.0.0.1', secureContext: trusted });
  stream.setNoDelay(true);
  await once(stream, 'secureConnect');
  return stream;
}
