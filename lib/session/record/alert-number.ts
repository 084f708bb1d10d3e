// A file of its own: a page needs the numbers to connect, and the rest of alerts only later.

/** The numbers of the alerts: "Errors" in docs/protocol.md. */
export const alertNumber = {
  close: 0,
  unexpected: 1,
  decrypt: 2,
  malformed: 3,
  tooLarge: 4,
  unsupported: 5,
  unknownServerKey: 6,
  handshakeFailed: 7,
  clientKeyRequired: 8,
  clientKeyRefused: 9,
  busy: 10,
  timeout: 11,
  notK4net: 12,
  internal: 13,
  application: 14,
} as const;

/** Alerts after which a retry is useless: the same offer gets the same alert. */
const permanent: readonly number[] = [
  alertNumber.unsupported,
  alertNumber.unknownServerKey,
  alertNumber.clientKeyRequired,
  alertNumber.clientKeyRefused,
  alertNumber.notK4net,
];

/** Whether another attempt may succeed after this alert. */
export function mayRetryAfter(alert: number): boolean {
  return !permanent.includes(alert);
}
