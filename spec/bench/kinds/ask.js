import { Tally } from '../tally.js';

/** One request on a connection, whatever it has done before. */
export async function ask(roles, connection, message, tally) {
  const own = new Tally();
  await roles.requests(connection, message, 1, 1, own);
  tally.include(own);
}
