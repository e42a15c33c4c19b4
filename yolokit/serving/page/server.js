// Asking the server, with its refusals in words.

const TRIES = 6; // of a request that finds all places taken
const SILENT = "The server does not answer. Is it still running?";

/** A refusal whose message is for people. */
export class Refused extends Error {}

/** The answer to a request, once there is a place for it. */
export async function ask(path, options = {}) {
  for (let trial = 1; ; trial += 1) {
    let answer;
    try {
      answer = await fetch(path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused(SILENT);
    }
    if (answer.ok) return answer;
    if (answer.status !== 503 || trial === TRIES) throw new Refused(await reason(answer));
    await pause(1000 * Number(answer.headers.get("Retry-After") ?? 1));
  }
}

/** Milliseconds. */
export function pause(duration) {
  return new Promise((done) => setTimeout(done, duration));
}

async function reason(answer) {
  try {
    const { message } = (await answer.json()).error;
    return message.charAt(0).toUpperCase() + message.slice(1) + (/[.?!]$/.test(message) ? "" : ".");
  } catch {
    return `The server answered ${answer.status}.`;
  }
}

/** "12 MB". */
export function megabytes(bytes) {
  return `${(bytes / 2 ** 20).toPrecision(3)} MB`;
}
