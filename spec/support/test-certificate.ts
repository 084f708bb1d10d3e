/**
 * A self-signed certificate for the tests of TLS streams and its key, made once so that a fresh
 * machine needs no tool to make one. TEST ONLY: the key is public, so it protects nothing.
 */
export const testCertificate = `-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUftttJ/wG0JyKR2r2KzzJ+KlVG0kwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjE2NDYwMFoYDzIxMjYxMDI5
MTY0NjAwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARP4eZaV+AglaRRfm66nKaE/Hx5PwWX35cqdkR9S7kGZUYp18LiJwPG
U7hM/bF+z/BKiffRrTkEym/ICrXYQlaMo2kwZzAdBgNVHQ4EFgQUN8Dnfzm2Qwl7
/sx+kuDinTky5Q0wHwYDVR0jBBgwFoAUN8Dnfzm2Qwl7/sx+kuDinTky5Q0wDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SAAwRQIgBIBVwMe/pTWiFeo6N2HV2mgEqCsTTsTVaPTuD9kgsZICIQDJx0eDXLAV
1J4d7K2G4FQ1Tp9kwUX4QkiaE6sVBblBnA==
-----END CERTIFICATE-----
`;

export const testKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgOt95Amm8xMl1KVE8
w7ZIuPwaKxenBtYQZx4vBNukAp6hRANCAARP4eZaV+AglaRRfm66nKaE/Hx5PwWX
35cqdkR9S7kGZUYp18LiJwPGU7hM/bF+z/BKiffRrTkEym/ICrXYQlaM
-----END PRIVATE KEY-----
`;
