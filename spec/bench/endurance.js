import { isOurs } from './families.js';
import { Pair } from './pair.js';
import { trials } from './trials.js';

/** Puts the library's sockets to the trials and prints the answers; a no becomes an exit code of 1. */
export async function endurance(contestants, { count, execArgv }) {
  for (const contestant of contestants.filter(({ name }) => isOurs(name))) {
    for (const [name, trial] of Object.entries(trials)) {
      const { good, figures } = await tried(trial, contestant, count, execArgv);
      if (!good) process.exitCode = 1;
      console.log(`${good ? 'pass' : 'FAIL'}  ${name}  ${contestant.name}: ${figures}`);
    }
  }
}

async function tried(trial, contestant, count, execArgv) {
  let pair;
  const start = async (more = []) => {
    pair = new Pair(contestant, [...execArgv, ...more]);
    await pair.start();
    return pair;
  };
  try {
    return await trial(start, count);
  } catch (error) {
    return { good: false, figures: error.message };
  } finally {
    await pair?.stop();
  }
}
