// Asking the server, with its refusals in words.

const TRIES = 6; // of a request that finds all places taken, or of a question that got no answer
const PASSING = [502, 504]; // what a proxy answers for a server that is away for a moment
const SILENT = "The server does not answer. Is it still running?";

/** A refusal whose message is for people. */
export class Refused extends Error {}

/** The answer to a request, once there is a place for it. What only asks is asked again also
 * where there was no answer; what was sent may have arrived. */
export async function ask(path, options = {}) {
  for (let trial = 1; ; trial += 1) {
    const again = trial < TRIES;
    const asksOnly = again && !options.method;
    const answer = await fetch(path, options).catch(() => undefined);
    if (answer?.ok) return answer;
    const passing = answer ? PASSING.includes(answer.status) && asksOnly : asksOnly;
    if (!passing && !(again && answer?.status === 503)) {
      throw new Refused(answer ? await reason(answer) : SILENT);
    }
    await pause(1000 * Number(answer?.headers.get("Retry-After") ?? 1));
  }
}

/** Milliseconds. */
export function pause(duration) {
  return new Promise((done) => setTimeout(done, duration));
}

async function reason(answer) {
  try {
    return sentence((await answer.json()).error.message);
  } catch {
    return `The server answered ${answer.status}.`;
  }
}

/** With a capital and a full stop. */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.?!]$/.test(text) ? "" : ".");
}

/** "12 MB". */
export function megabytes(bytes) {
  return `${(bytes / 2 ** 20).toPrecision(3)} MB`;
}
